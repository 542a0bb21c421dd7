/** The connection to a drachtio-server: opened with its secret, opened again when it is lost, and our requests through it. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { SipListener, SipResponse, SipTransport } from "../port.ts";
import { readRawMessage } from "../raw-message.ts";
import { localResponse, ReceivedResponse } from "../received-message.ts";
import type { DrachtioAddress } from "./address.ts";
import {
  askHostPorts,
  createSrfApp,
  reconnect,
  type SrfApp,
  type SrfContent,
  type SrfReplier,
  type SrfRequest,
  type SrfResponse,
} from "./srf.ts";

/** Every method a peer may send: one that no application asks for is left to the server, which answers it in its own way. */
const methods = ["invite", "ack", "bye", "update", "info", "options", "message", "notify", "publish", "refer", "register", "subscribe"];
/** RFC 3261 17.1.2.2 (64*T1), and a second for the way to the server. */
const answerMs = 33_000;
const reconnectMaxMs = 5000;
/** A server that starts opens its sockets one after another: those that it names twice in this time are all of them. */
const settleMs = 50;

export type ConnectionOptions = {
  readonly address: DrachtioAddress;
  readonly connectMs: number;
  readonly log: Log;
  readonly clock: Clock;
  onRequest(request: SrfRequest, replier: SrfReplier): void;
  onOpen(isOpen: boolean): void;
};

export class DrachtioConnection {
  readonly #options: ConnectionOptions;
  readonly #app: SrfApp = createSrfApp();
  /** What is given up when the connection is lost. */
  readonly #waiting = new Set<() => void>();
  #isOpen = false;
  #isClosed = false;
  #connections = 0;
  #listeners: readonly SipListener[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The server's SIP sockets, as it has told. */
  get listeners(): readonly SipListener[] {
    return this.#listeners;
  }

  /** @throws EarshotError where the server cannot be reached in time or refuses the secret */
  open(): Promise<void> {
    const { address, clock, connectMs, log } = this.#options;
    const where = `${address.host}:${address.port}`;
    for (const method of methods) this.#app.use(method, (request, replier) => this.#options.onRequest(request, replier));
    return new Promise((resolve, reject) => {
      let cause: unknown;
      const fail = (code: string, message: string, remedy: string): void => {
        cancel();
        this.close();
        reject(new EarshotError("unavailable", code, message, { remedy, cause }));
      };
      const cancel = clock.after(connectMs, () =>
        fail(
          "drachtio_unreachable",
          `drachtio-server at ${where} did not answer within ${connectMs} ms.`,
          "Check that it runs, and that EARSHOT_SIP_SIGNALLING names its admin port.",
        ),
      );
      this.#app.on("connect", (error, hostPorts) => {
        if (this.#isClosed) return;
        if (error !== null) {
          cause = error;
          log.error({ server: where }, "drachtio-server refuses the secret");
          fail("drachtio_secret_refused", `drachtio-server at ${where} refuses the secret.`, "Check the secret in EARSHOT_SIP_SIGNALLING.");
          return;
        }
        // A server that starts takes applications before it has its own sockets.
        if (readHostPorts(hostPorts).length === 0) {
          reconnect(this.#app);
          return;
        }
        const connection = ++this.#connections;
        // By then it also knows which methods we take, before the first request comes.
        void this.#settled(hostPorts).then((settled) => {
          if (this.#isClosed || connection !== this.#connections || settled === "") return;
          cancel();
          this.#listeners = readHostPorts(settled);
          this.#setOpen(true);
          log.info({ server: where, listeners: settled }, "Connected to drachtio-server");
          resolve();
        });
      });
      this.#app.on("error", (error) => {
        cause = error;
        log.debug({ err: error, server: where }, "drachtio-server cannot be reached");
      });
      this.#app.on("close", () => this.#lost(where));
      const { host, port, secret } = address;
      this.#app.connect({ host, port, secret, reconnect: { retryMaxDelay: reconnectMaxMs } });
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#setOpen(false);
    for (const giveUp of [...this.#waiting]) giveUp();
    // Its own disconnect fails where there is no connection, and it would go on trying.
    const wire = this.#app.client?.wp;
    if (wire !== undefined) wire.closing = true;
    try {
      this.#app.disconnect();
    } catch {}
  }

  /** @returns the server's sockets, as soon as it has no more to name */
  async #settled(known: string): Promise<string> {
    await new Promise<void>((resolve) => void this.#options.clock.after(settleMs, resolve));
    const now = await askHostPorts(this.#app, this.#options.address.secret);
    return now === known ? now : this.#settled(now);
  }

  #setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#options.onOpen(isOpen);
  }

  #lost(where: string): void {
    if (this.#isClosed || !this.#isOpen) return;
    this.#setOpen(false);
    this.#options.log.error({ server: where }, "The connection to drachtio-server is lost; no call comes in until it is back");
    for (const giveUp of [...this.#waiting]) giveUp();
  }

  /** Runs `giveUp` when the connection is lost. @returns to be called when nothing is waited for any more */
  untilLost(giveUp: () => void): () => void {
    const once = (): void => {
      this.#waiting.delete(once);
      giveUp();
    };
    this.#waiting.add(once);
    return () => void this.#waiting.delete(once);
  }

  /**
   * A request in a dialog of the server's.
   * @param dialogId the server's name of the dialog
   * @param crossed an UPDATE of the peer that crosses this request
   * @returns its final answer; 503 where it cannot be sent, 408 where nothing comes
   */
  exchange(
    method: string,
    dialogId: string,
    content: SrfContent,
    crossed: (request: SrfRequest, replier: SrfReplier) => void,
  ): Promise<SipResponse> {
    if (!this.#isOpen) return Promise.resolve(localResponse(503, "No Connection to the SIP Server"));
    return new Promise((resolve) => {
      const done = (response: SipResponse): void => {
        cancel();
        stopWaiting();
        resolve(response);
      };
      const cancel = this.#options.clock.after(answerMs, () => done(localResponse(408, "Request Timeout")));
      const stopWaiting = this.untilLost(() => done(localResponse(503, "Connection Lost")));
      this.#app.request({ ...content, method, stackDialogId: dialogId }, (error, request) => {
        if (error) {
          done(localResponse(503, error instanceof Error ? error.message : String(error)));
          return;
        }
        request.on("update", crossed);
        request.on("response", (response, ack) => {
          if (response.status < 200) return;
          if (method === "INVITE" && response.status < 300) ack();
          done(viewOf(response));
        });
      });
    });
  }
}

/** @param text "udp/192.0.2.1:5060,tcp/192.0.2.1:5060"; transports that are not ours (ws, wss) are left out */
export function readHostPorts(text: string): SipListener[] {
  return text.split(",").flatMap((one) => {
    const match = /^(udp|tcp|tls)\/(.+):(\d{1,5})$/.exec(one.trim());
    if (match === null) return [];
    return [{ transport: match[1] as SipTransport, address: match[2]!.replace(/^\[|\]$/g, ""), port: Number(match[3]) }];
  });
}

function viewOf(response: SrfResponse): SipResponse {
  const raw = readRawMessage(Buffer.from(response.msg.raw), { maxHeaders: Number.POSITIVE_INFINITY });
  return "fault" in raw ? localResponse(response.status, "") : new ReceivedResponse(raw);
}
