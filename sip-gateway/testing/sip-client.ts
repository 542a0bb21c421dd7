/** A raw SIP client for tests: writes text, reads messages; no transaction layer that could hide what goes over the wire. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { StreamFramer } from "../signalling/embedded/stream-framer.ts";

export type Received = {
  readonly startLine: string;
  readonly status: number;
  readonly method: string;
  readonly headers: Map<string, string[]>;
  readonly body: string;
  readonly text: string;
};

export type SipTarget = { readonly transport: "udp" | "tcp" | "tls"; readonly port: number };

export class SipClient {
  readonly transport: "udp" | "tcp" | "tls";
  localPort = 0;
  /** Everything that arrived and was not yet taken by `next`. */
  readonly inbox: Received[] = [];
  #waiting: (() => void)[] = [];
  #send: (text: string | Buffer) => void = () => {};
  #close: () => void = () => {};
  closed = false;

  private constructor(transport: "udp" | "tcp" | "tls") {
    this.transport = transport;
  }

  static async connect(target: SipTarget, tls: ConnectionOptions = {}): Promise<SipClient> {
    const client = new SipClient(target.transport);
    if (target.transport === "udp") await client.#openUdp(target.port);
    else await client.#openStream(target, tls);
    return client;
  }

  send(text: string | Buffer): void {
    this.#send(text);
  }

  close(): void {
    this.#close();
  }

  /** The next message that fits; others stay. @throws when none came in time */
  async next(fits: (message: Received) => boolean, what: string, withinMs = 3000): Promise<Received> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const index = this.inbox.findIndex(fits);
      if (index !== -1) return this.inbox.splice(index, 1)[0]!;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${what} within ${withinMs} ms; inbox: ${this.inbox.map((one) => one.startLine).join(" | ")}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  response(method: string, withinMs?: number): Promise<Received> {
    return this.next((one) => one.status >= 200 && one.method === method, `final response to ${method}`, withinMs);
  }

  request(method: string, withinMs?: number): Promise<Received> {
    return this.next((one) => one.status === 0 && one.method === method, `${method} request`, withinMs);
  }

  async #openUdp(port: number): Promise<void> {
    const socket: UdpSocket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    this.localPort = socket.address().port;
    socket.on("message", (bytes) => this.#take(bytes));
    this.#send = (text) => socket.send(text, port, "127.0.0.1");
    this.#close = () => socket.close();
  }

  async #openStream(target: SipTarget, tls: ConnectionOptions): Promise<void> {
    const options = { host: "127.0.0.1", port: target.port };
    const socket: Socket = await new Promise((resolve, reject) => {
      const opened: Socket =
        target.transport === "tls"
          ? connectTls({ ...options, rejectUnauthorized: false, ...tls }, () => resolve(opened))
          : connect(options, () => resolve(opened));
      opened.once("error", reject);
    });
    this.localPort = socket.localPort ?? 0;
    const framer = new StreamFramer(1_000_000);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
    socket.on("data", (chunk) => {
      for (const framed of framer.push(chunk)) if (framed.kind === "message") this.#take(framed.bytes);
    });
    this.#send = (text) => void socket.write(text);
    this.#close = () => socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    this.inbox.push(readReceived(Buffer.from(bytes).toString("utf8")));
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

function readReceived(text: string): Received {
  const end = text.indexOf("\r\n\r\n");
  const [startLine = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  const status = startLine.startsWith("SIP/2.0 ") ? Number(startLine.slice(8, 11)) : 0;
  const method = status > 0 ? (headers.get("cseq")?.[0]?.split(" ")[1] ?? "") : startLine.split(" ")[0]!;
  return { startLine, status, method, headers, body: text.slice(end + 4), text };
}

export const headerOf = (message: Received, name: string): string => message.headers.get(name.toLowerCase())?.[0] ?? "";
