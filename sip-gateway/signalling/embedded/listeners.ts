/** The sockets: UDP, TCP and TLS, each handing whole messages with their flow to the signalling. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, isIPv6, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { SipListener, SipPeer, SipTransport } from "../port.ts";
import { StreamFlow } from "./flow.ts";
import type { LocalAddresses } from "./local-address.ts";
import { StreamFramer } from "./stream-framer.ts";
import { certificateNames } from "./tls-names.ts";

export type StreamLimits = { readonly maxMessageBytes: number; readonly maxConnections: number; readonly connectionIdleMs: number };
export type StreamEvents = {
  onMessage(bytes: Uint8Array, flow: StreamFlow): void;
  onBroken(head: Uint8Array, status: 400 | 513, reason: string, flow: StreamFlow): void;
  onRefusedConnection(): void;
  onTlsFault(error: Error, address: string): void;
};

const udpReceiveBufferBytes = 4 * 1024 * 1024;

/** IPv4 addresses that arrive mapped into IPv6 are written as IPv4. */
export const plainAddress = (address: string): string => (address.startsWith("::ffff:") ? address.slice(7) : address);

export function bindUdp(
  host: string,
  port: number,
  onDatagram: (bytes: Buffer, address: string, port: number) => void,
): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4" });
    socket.once("error", (cause) => reject(cannotBind("udp", host, port, cause)));
    socket.bind(port, host, () => {
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      try {
        socket.setRecvBufferSize(udpReceiveBufferBytes);
      } catch {
        // The kernel's own limit stays.
      }
      socket.on("message", (bytes, from) => onDatagram(bytes, plainAddress(from.address), from.port));
      resolve(socket);
    });
  });
}

export class StreamListener {
  readonly transport: "tcp" | "tls";
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #limits: StreamLimits;
  readonly #events: StreamEvents;
  readonly #local: LocalAddresses;
  readonly #clock: Clock;

  constructor(
    limits: StreamLimits,
    events: StreamEvents,
    local: LocalAddresses,
    clock: Clock,
    tls?: SecureContextOptions & { ca?: Buffer },
  ) {
    this.#limits = limits;
    this.#events = events;
    this.#local = local;
    this.#clock = clock;
    this.transport = tls === undefined ? "tcp" : "tls";
    if (tls === undefined) this.#server = createServer((socket) => this.#accept(socket));
    else {
      // A client without certificate may still come by its network; one with an unverified certificate just has no names.
      const server = createTlsServer(
        { ...tls, minVersion: "TLSv1.2", requestCert: tls.ca !== undefined, rejectUnauthorized: false },
        (socket) => this.#accept(socket),
      );
      server.on("tlsClientError", (error, socket) => this.#events.onTlsFault(error, plainAddress(socket.remoteAddress ?? "")));
      this.#server = server;
    }
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => reject(cannotBind(this.transport, host, port, cause)));
      this.#server.listen(port, host, () => {
        this.#server.removeAllListeners("error");
        this.#server.on("error", () => {});
        resolve();
      });
    });
  }

  get bound(): SipListener {
    const address = this.#server.address();
    if (address === null || typeof address === "string") return { transport: this.transport, address: "", port: 0 };
    return { transport: this.transport, address: address.address, port: address.port };
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#open) socket.destroy();
    });
  }

  #accept(socket: Socket): void {
    if (this.#open.size >= this.#limits.maxConnections) {
      this.#events.onRefusedConnection();
      socket.destroy();
      return;
    }
    this.#open.add(socket);
    const flow = new StreamFlow(socket, this.#peer(socket));
    const framer = new StreamFramer(this.#limits.maxMessageBytes);
    socket.setNoDelay(true);
    socket.setTimeout(this.#limits.connectionIdleMs, () => {
      if (flow.dialogs === 0) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => this.#open.delete(socket));
    socket.on("data", (chunk) => {
      for (const framed of framer.push(chunk)) {
        if (framed.kind === "message") this.#events.onMessage(framed.bytes, flow);
        else if (framed.kind === "ping") flow.send("\r\n").catch(() => {});
        else {
          this.#events.onBroken(framed.head, framed.status, framed.reason, flow);
          socket.end();
        }
      }
    });
  }

  #peer(socket: Socket): SipPeer {
    const address = plainAddress(socket.remoteAddress ?? "");
    const transport: SipTransport = this.transport;
    return {
      transport,
      address,
      port: socket.remotePort ?? 0,
      localAddress: this.#local.towards(address, this.#clock.monotonicMs()),
      localPort: socket.localPort ?? 0,
      tlsNames: transport === "tls" ? certificateNames(socket as TLSSocket) : [],
    };
  }
}

function cannotBind(transport: string, host: string, port: number, cause: Error): EarshotError {
  return new EarshotError("unavailable", "sip_port_unavailable", `SIP cannot listen on ${transport} ${host}:${port}.`, {
    remedy: "Stop what uses that port, or choose another with EARSHOT_SIP_PORT or EARSHOT_SIP_TLS_PORT.",
    cause,
  });
}
