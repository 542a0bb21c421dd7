/** A UDP socket for media: bound at once, its datagrams handed over as they come. */
import { createSocket, type Socket } from "node:dgram";
import { EarshotError } from "@earshot/proto/errors.ts";

/** Whoever takes the datagrams of a port. */
export interface DatagramReceiver {
  /** @param arrivedMs when it came, on the monotonic clock, where that is known better than by asking now */
  onDatagram(packet: Uint8Array, address: string, port: number, arrivedMs?: number): void;
  /** Told what `onDatagram` threw: no packet may end the process. */
  onFault?(error: unknown): void;
}

/** What node:dgram's sockets stand on; only what is used here. */
type UdpHandle = {
  onmessage?: unknown;
  receiver?: DatagramReceiver;
};
type From = { readonly address: string; readonly port: number };

/**
 * Takes datagrams where node:dgram would only pass them on as an event, a tenth of what a packet costs in all. It lies below the public
 * interface; where it is not as expected, the event is used.
 * @returns the handle, or undefined
 */
function handleOf(socket: Socket): UdpHandle | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "state symbol");
  const state = symbol === undefined ? undefined : (socket as unknown as Record<symbol, { handle?: UdpHandle } | undefined>)[symbol];
  const handle = state?.handle;
  return typeof handle?.onmessage === "function" && handle.onmessage.length === 4 ? handle : undefined;
}

/** One function for all sockets. An error (an ICMP message of a peer that has gone) is not acted on: its silence is noticed elsewhere. */
function onMessage(length: number, handle: UdpHandle, packet: Uint8Array, from: From): void {
  if (length >= 0) hand(handle.receiver!, packet, from);
}

function hand(receiver: DatagramReceiver, packet: Uint8Array, from: From): void {
  try {
    receiver.onDatagram(packet, from.address, from.port);
  } catch (error) {
    receiver.onFault?.(error);
  }
}

export class RtpSocket {
  readonly port: number;
  readonly #socket: Socket;
  readonly #handle: UdpHandle | undefined;
  #receiver: DatagramReceiver;

  private constructor(socket: Socket, port: number, receiver: DatagramReceiver) {
    this.#socket = socket;
    this.port = port;
    this.#receiver = receiver;
    this.#handle = handleOf(socket);
    if (this.#handle === undefined) socket.on("message", (packet, from) => hand(this.#receiver, packet, from));
    else {
      this.#handle.receiver = receiver;
      this.#handle.onmessage = onMessage;
    }
    socket.on("error", () => {});
  }

  /** From now on the datagrams are this one's. */
  giveTo(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
    if (this.#handle !== undefined) this.#handle.receiver = receiver;
  }

  /**
   * @param port 0 = any
   * @throws EarshotError conflict `rtp_port_in_use` | unavailable `rtp_port_unusable`
   */
  static bind(host: string, port: number, receiveBufferBytes: number, receiver: DatagramReceiver): Promise<RtpSocket> {
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
        resolve(new RtpSocket(socket, socket.address().port, receiver));
      });
    });
  }

  /** Are datagrams taken without the detour over an event? */
  get direct(): boolean {
    return this.#handle !== undefined;
  }

  /**
   * Sends and forgets: a lost RTCP report is followed by the next. Never throws.
   * @returns false where nothing was sent: no such port, or the socket is closed
   */
  send(bytes: Uint8Array, address: string, port: number): boolean {
    if (!(port >= 1 && port <= 65_535)) return false;
    try {
      this.#socket.send(bytes, port, address, () => {});
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
