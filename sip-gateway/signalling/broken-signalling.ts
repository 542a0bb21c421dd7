/** A deliberately broken adapter: it binds its sockets and never answers. Every check of the contract must fail for it. */
import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import type { SipListener, SipSignaling } from "./port.ts";

export class BrokenSignalling implements SipSignaling {
  readonly name = "sip-signalling-broken";
  readonly fault = undefined;
  readonly withoutTlsNames = "it takes no TLS";
  readonly #udp = createSocket("udp4");
  readonly #open = new Set<Socket>();
  readonly #tcp = createServer((socket) => {
    this.#open.add(socket);
    socket.on("error", () => {}).resume();
  });

  handle(): void {}

  listeners(): readonly SipListener[] {
    const tcp = this.#tcp.address() as AddressInfo;
    const { address } = tcp;
    return [
      { transport: "udp", address, port: this.#udp.address().port },
      { transport: "tcp", address, port: tcp.port },
    ];
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#udp.bind(0, "127.0.0.1", resolve));
    await new Promise<void>((resolve) => this.#tcp.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#udp.close();
    await new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
  }
}
