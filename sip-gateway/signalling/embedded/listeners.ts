/** The sockets: UDP, TCP and TLS, each handing whole messages with their flow to the signalling. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, isIPv6, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { SipListener, SipPeer, SipTransport } from "../port.ts";
import type { ConnectionPlaces } from "./connection-places.ts";
import { StreamFlow } from "./flow.ts";
import type { LocalAddresses } from "./local-address.ts";
import { StreamFramer } from "./stream-framer.ts";
import { certificateNames } from "./tls-names.ts";

export type StreamLimits = { readonly maxMessageBytes: number; readonly connectionIdleMs: number; readonly tlsHandshakeMs: number };
export type StreamEvents = {
  onMessage(bytes: Uint8Array, flow: StreamFlow): void;
  onBroken(head: Uint8Array, status: 400 | 513, reason: string, flow: StreamFlow): void;
  /** @param count keep-alives that arrived together @returns false where they are too many: the connection is closed */
  mayPing(count: number, flow: StreamFlow): boolean;
  onRefusedConnection(reason: string): void;
  onTlsFault(error: Error, address: string): void;
};

const udpReceiveBufferBytes = 4 * 1024 * 1024;

/** A connection that is set up, and when it was last of use. */
type Connection = { readonly flow: StreamFlow; usedAtMs: number };

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
  /** Everything accepted, also what has not finished its TLS handshake. */
  readonly #accepted = new Set<Socket>();
  readonly #connections = new Map<Socket, Connection>();
  readonly #places: ConnectionPlaces;
  readonly #limits: StreamLimits;
  readonly #events: StreamEvents;
  readonly #local: LocalAddresses;
  readonly #clock: Clock;
  #stopSweep = () => {};

  constructor(
    limits: StreamLimits,
    places: ConnectionPlaces,
    events: StreamEvents,
    local: LocalAddresses,
    clock: Clock,
    tls?: SecureContextOptions & { ca?: Buffer },
  ) {
    this.#limits = limits;
    this.#places = places;
    this.#events = events;
    this.#local = local;
    this.#clock = clock;
    this.transport = tls === undefined ? "tcp" : "tls";
    if (tls === undefined)
      this.#server = createServer((socket) => {
        if (this.#accept(socket)) this.#serve(socket);
      });
    else {
      // A client without certificate may still come by its network; one with an unverified certificate just has no names.
      const server = createTlsServer(
        {
          ...tls,
          minVersion: "TLSv1.2",
          requestCert: tls.ca !== undefined,
          rejectUnauthorized: false,
          handshakeTimeout: limits.tlsHandshakeMs,
        },
        (socket) => this.#serve(socket),
      );
      server.on("tlsClientError", (error, socket) => {
        this.#events.onTlsFault(error, plainAddress(socket.remoteAddress ?? ""));
        socket.destroy();
      });
      // At once, not when the handshake is done: one that never ends it holds a place, too.
      server.on("connection", (socket) => void this.#accept(socket));
      this.#server = server;
    }
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => reject(cannotBind(this.transport, host, port, cause)));
      this.#server.listen(port, host, () => {
        this.#server.removeAllListeners("error");
        this.#server.on("error", () => {});
        const sweepMs = Math.min(10_000, Math.ceil(this.#limits.connectionIdleMs / 4));
        this.#stopSweep = this.#clock.every(sweepMs, () => this.#closeUnused());
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
    this.#stopSweep();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#connections.keys()) socket.destroy();
      for (const socket of this.#accepted) socket.destroy();
    });
  }

  /** A connection as the kernel hands it over takes its place. @returns false where there is none and it was closed */
  #accept(socket: Socket): boolean {
    const release = this.#places.take(plainAddress(socket.remoteAddress ?? ""));
    if (typeof release === "string") {
      this.#events.onRefusedConnection(release);
      socket.destroy();
      return false;
    }
    this.#accepted.add(socket);
    socket.on("close", () => {
      this.#accepted.delete(socket);
      release();
    });
    return true;
  }

  #serve(socket: Socket): void {
    socket.on("error", () => {});
    if (socket.destroyed) return;
    const flow = new StreamFlow(socket, this.#peer(socket));
    const connection: Connection = { flow, usedAtMs: this.#clock.monotonicMs() };
    const framer = new StreamFramer(this.#limits.maxMessageBytes);
    this.#connections.set(socket, connection);
    socket.setNoDelay(true);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("data", (chunk) => {
      for (const framed of framer.push(chunk)) {
        if (socket.destroyed) return;
        if (framed.kind === "message") {
          connection.usedAtMs = this.#clock.monotonicMs();
          this.#events.onMessage(framed.bytes, flow);
        } else if (framed.kind === "ping") this.#onPing(framed.count, connection, socket);
        else {
          this.#events.onBroken(framed.head, framed.status, framed.reason, flow);
          socket.end();
        }
      }
    });
  }

  /** Keep-alives keep a connection that has carried a call (RFC 5626 3.5.1), not one that never did anything. */
  #onPing(count: number, connection: Connection, socket: Socket): void {
    const { flow } = connection;
    if (!this.#events.mayPing(count, flow)) {
      socket.destroy();
      return;
    }
    if (flow.carriedDialog) connection.usedAtMs = this.#clock.monotonicMs();
    flow.send("\r\n").catch(() => {});
  }

  #closeUnused(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [socket, connection] of this.#connections) {
      if (connection.flow.dialogs > 0) connection.usedAtMs = nowMs;
      else if (nowMs - connection.usedAtMs >= this.#limits.connectionIdleMs) socket.destroy();
    }
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
