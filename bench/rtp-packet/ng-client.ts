/** rtpengine's control protocol: a cookie and a bencoded dictionary in a UDP datagram, answered likewise. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

type Value = string | number | Value[] | { [key: string]: Value };

export function bencode(value: Value): string {
  if (typeof value === "number") return `i${value}e`;
  if (typeof value === "string") return `${Buffer.byteLength(value)}:${value}`;
  if (Array.isArray(value)) return `l${value.map(bencode).join("")}e`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `d${entries.map(([key, entry]) => bencode(key) + bencode(entry)).join("")}e`;
}

export function bdecode(text: string): Value {
  let at = 0;
  const take = (): Value => {
    const kind = text[at]!;
    if (kind === "i") {
      const end = text.indexOf("e", at);
      const number = Number(text.slice(at + 1, end));
      at = end + 1;
      return number;
    }
    if (kind === "l" || kind === "d") {
      at++;
      const items: Value[] = [];
      while (text[at] !== "e") items.push(take());
      at++;
      if (kind === "l") return items;
      return Object.fromEntries(items.flatMap((item, i) => (i % 2 === 0 ? [[item as string, items[i + 1]!]] : [])));
    }
    const colon = text.indexOf(":", at);
    const length = Number(text.slice(at, colon));
    const string = text.slice(colon + 1, colon + 1 + length);
    at = colon + 1 + length;
    return string;
  };
  return take();
}

export class NgClient {
  readonly #socket: Socket;
  readonly #port: number;
  #cookie = 0;

  constructor(port: number) {
    this.#port = port;
    this.#socket = createSocket("udp4");
  }

  /** @throws where rtpengine does not answer within a second, or answers with an error */
  async ask(request: { [key: string]: Value }): Promise<{ [key: string]: Value }> {
    const cookie = `c${++this.#cookie}`;
    const signal = AbortSignal.timeout(1000);
    this.#socket.send(`${cookie} ${bencode(request)}`, this.#port, "127.0.0.1");
    for (;;) {
      const [bytes] = (await once(this.#socket, "message", { signal })) as [Buffer];
      const text = bytes.toString("latin1");
      const space = text.indexOf(" ");
      if (text.slice(0, space) !== cookie) continue;
      const answer = bdecode(text.slice(space + 1)) as { [key: string]: Value };
      if (answer.result === "error") throw new Error(`rtpengine: ${String(answer["error-reason"])}`);
      return answer;
    }
  }

  close(): void {
    this.#socket.close();
  }
}
