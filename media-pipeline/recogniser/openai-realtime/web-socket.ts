/** The part of the `ws` package that is used here; the package brings no types. */

import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";

export interface ClientSocket {
  readonly readyState: number;
  /** Bytes that wait for the network. */
  readonly bufferedAmount: number;
  send(text: string): void;
  terminate(): void;
  close(code?: number): void;
  on(event: "open", listener: () => void): this;
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): this;
  on(event: "close", listener: (code: number) => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(event: "unexpected-response", listener: (request: unknown, response: IncomingMessage) => void): this;
}
type ClientSocketOptions = { headers: Record<string, string>; handshakeTimeout: number; maxPayload: number; perMessageDeflate: boolean };

const { WebSocket } = createRequire(import.meta.url)("ws") as {
  WebSocket: new (url: URL, options: ClientSocketOptions) => ClientSocket;
};

export const openSocket = (url: URL, options: ClientSocketOptions): ClientSocket => new WebSocket(url, options);
