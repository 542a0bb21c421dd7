/**
 * What we use of drachtio-srf, typed: its connection to the server and its messages. Not its Dialog, which answers UPDATE and INFO by
 * itself, and not its parser's view of a message: it cuts what it does not know (multipart bodies), so `raw` is read by our own.
 */
import { createRequire } from "node:module";
import type { Socket } from "node:net";

export type SrfMessage = { readonly raw: string };

export type SrfRequest = {
  readonly method: string;
  readonly msg: SrfMessage;
  /** `application`: the server itself sent it into a dialog of ours, and tells. */
  readonly source: "network" | "application";
  readonly source_address: string;
  readonly source_port: number;
  readonly protocol: string;
  /** host:port of the server's socket. */
  readonly receivedOn?: string;
  on(event: "cancel", listener: () => void): void;
  /** A response to a request of ours; `ack` sends the ACK of a 2xx to INVITE. */
  on(event: "response", listener: (response: SrfResponse, ack: (options?: SrfContent) => void) => void): void;
  /** An UPDATE that crosses a re-INVITE of ours. */
  on(event: "update", listener: (request: SrfRequest, response: SrfReplier) => void): void;
};

export type SrfContent = { readonly headers?: Record<string, string>; readonly body?: string };
export type SrfResponse = { readonly status: number; readonly msg: SrfMessage };
export type SrfReplier = {
  readonly meta: { readonly dialogId: string | undefined };
  readonly msg: { readonly headers: Record<string, string> };
  send(status: number, reason: string | undefined, content: SrfContent, sent?: (error: unknown) => void): void;
};

export type SrfApp = {
  use(method: string, handler: (request: SrfRequest, response: SrfReplier) => void): void;
  connect(options: { host: string; port: number; secret: string; reconnect: { retryMaxDelay: number } }): void;
  request(
    options: SrfContent & { readonly method: string; readonly stackDialogId: string },
    sent: (error: unknown, request: SrfRequest) => void,
  ): void;
  disconnect(): void;
  on(event: "connect", listener: (error: unknown, hostPorts: string) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "close", listener: () => void): void;
  readonly client?: { readonly wp: SrfWire; readonly mapServer: ReadonlyMap<Socket, unknown> };
};

type SrfWire = {
  /** Not opened again when it is lost. */
  closing?: boolean;
  send(socket: Socket, message: string): string;
  on(event: "msg", listener: (socket: Socket, message: string) => void): void;
  off(event: "msg", listener: (socket: Socket, message: string) => void): void;
};

/** Drops the connection; it is opened again as if it had been lost. */
export function reconnect({ client }: SrfApp): void {
  for (const socket of client?.mapServer.keys() ?? []) socket.destroy();
}

/**
 * The server's SIP sockets as they are now. It takes messages one after another: whatever was sent to it before is read by then.
 * @returns "udp/192.0.2.1:5060,tcp/192.0.2.1:5060"; "" where there is no connection
 */
export function askHostPorts({ client }: SrfApp, secret: string): Promise<string> {
  const [socket] = client?.mapServer.keys() ?? [];
  if (client === undefined || socket === undefined) return Promise.resolve("");
  return new Promise((resolve) => {
    // The only question that it answers with them; being asked twice changes nothing.
    const id = client.wp.send(socket, `authenticate|${secret}|`);
    const read = (_from: Socket, message: string): void => {
      const answer = message.split("\r", 1)[0]!.split("|");
      if (answer[1] !== "response" || answer[2] !== id) return;
      client.wp.off("msg", read);
      resolve(answer[4] ?? "");
    };
    client.wp.on("msg", read);
  });
}

/** The package is CommonJS, and its own types leave most of this out. */
export function createSrfApp(): SrfApp {
  const Srf = createRequire(import.meta.url)("drachtio-srf") as new () => {
    readonly app: SrfApp;
    on(event: "error", listener: () => void): void;
  };
  const srf = new Srf();
  // It says again what its app says, and would end the process where nobody listens.
  srf.on("error", () => {});
  return srf.app;
}
