/** A UDP socket for media: bound at once, its datagrams handed over as they come. */
import { createSocket, type Socket } from "node:dgram";
import { EarshotError } from "@earshot/proto/errors.ts";

export type DatagramHandler = (packet: Uint8Array, address: string, port: number) => void;

export class RtpSocket {
  readonly port: number;
  readonly #socket: Socket;
  /** Who gets the datagrams; whoever owns the port changes it. */
  onDatagram: DatagramHandler;

  private constructor(socket: Socket, port: number, onDatagram: DatagramHandler) {
    this.#socket = socket;
    this.port = port;
    this.onDatagram = onDatagram;
    socket.on("message", (packet, from) => this.onDatagram(packet, from.address, from.port));
    // An ICMP error of a peer that has gone must not end the process; the silence it leaves is noticed elsewhere.
    socket.on("error", () => {});
  }

  /**
   * @param port 0 = any
   * @throws EarshotError conflict `rtp_port_in_use` | unavailable `rtp_port_unusable`
   */
  static bind(host: string, port: number, receiveBufferBytes: number, onDatagram: DatagramHandler): Promise<RtpSocket> {
    return new Promise((resolve, reject) => {
      const socket = createSocket({
        type: host.includes(":") ? "udp6" : "udp4",
        recvBufferSize: receiveBufferBytes,
        // Peers are addresses, never names: nothing to look up.
        lookup: (address, _options, done) => done(null, address, address.includes(":") ? 6 : 4),
      });
      const failed = (cause: NodeJS.ErrnoException) => {
        socket.close();
        reject(
          cause.code === "EADDRINUSE"
            ? new EarshotError("conflict", "rtp_port_in_use", "The RTP port is in use.", { cause, details: { port } })
            : new EarshotError("unavailable", "rtp_port_unusable", "The RTP port cannot be bound.", { cause, details: { port } }),
        );
      };
      socket.once("error", failed);
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.off("error", failed);
        resolve(new RtpSocket(socket, socket.address().port, onDatagram));
      });
    });
  }

  /** Sends and forgets: a lost RTCP report is followed by the next. */
  send(bytes: Uint8Array, address: string, port: number): void {
    this.#socket.send(bytes, port, address, () => {});
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
