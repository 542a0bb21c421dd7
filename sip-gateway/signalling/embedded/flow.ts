/** A flow is one way to a peer: a UDP address, or a TCP or TLS connection. SIP.js sends through it as its `Transport`. */
import type { Socket as UdpSocket } from "node:dgram";
import { isIPv4, type Socket } from "node:net";
import type { Transport } from "sip.js/lib/core/index.js";
import type { SipPeer } from "../port.ts";

export interface Flow extends Transport {
  readonly peer: SipPeer;
  readonly reliable: boolean;
  /** False once the connection is gone. */
  readonly alive: boolean;
  /** Dialogs that live on this flow; a connection with dialogs is not idle. */
  dialogs: number;
}

const maxUnsentBytes = 1024 * 1024;

export class UdpFlow implements Flow {
  readonly protocol = "UDP";
  readonly reliable = false;
  readonly alive = true;
  dialogs = 0;
  readonly peer: SipPeer;
  readonly #socket: UdpSocket;
  readonly #port: number;
  readonly #address: string;

  /** @param replyPort where to send to: differs from the source port where the client did not ask for rport (RFC 3261 18.2.2) */
  constructor(socket: UdpSocket, peer: SipPeer, replyPort: number) {
    this.#socket = socket;
    this.peer = peer;
    this.#port = replyPort;
    // A socket bound to :: reaches IPv4 peers by their mapped address only.
    this.#address = isIPv4(peer.address) && socket.address().family === "IPv6" ? `::ffff:${peer.address}` : peer.address;
  }

  send(message: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(message, this.#port, this.#address, (error) => (error === null ? resolve() : reject(error)));
    });
  }
}

export class StreamFlow implements Flow {
  readonly reliable = true;
  /** A dialog has lived on it, now or before. */
  carriedDialog = false;
  #dialogs = 0;
  readonly protocol: "TCP" | "TLS";
  readonly peer: SipPeer;
  readonly #socket: Socket;

  constructor(socket: Socket, peer: SipPeer) {
    this.#socket = socket;
    this.peer = peer;
    this.protocol = peer.transport === "tls" ? "TLS" : "TCP";
  }

  get dialogs(): number {
    return this.#dialogs;
  }

  set dialogs(count: number) {
    this.#dialogs = count;
    this.carriedDialog = true;
  }

  get alive(): boolean {
    return this.#socket.writable;
  }

  /** Closes a connection whose peer does not read. */
  send(message: string): Promise<void> {
    if (!this.#socket.writable) return Promise.reject(new Error("the connection is closed"));
    if (this.#socket.writableLength > maxUnsentBytes) {
      this.#socket.destroy();
      return Promise.reject(new Error("the peer does not read"));
    }
    this.#socket.write(message);
    return Promise.resolve();
  }
}
