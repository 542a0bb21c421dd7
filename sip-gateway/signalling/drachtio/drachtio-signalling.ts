/**
 * The drachtio adapter: transports, transactions and dialogs are those of a drachtio-server; requests come to us over its connection, and
 * we say what to answer. What the server settles by itself (CANCEL, retransmission, ACK of refusals, malformed messages) never gets here.
 */
import { isIPv6 } from "node:net";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { userAgent } from "../identity.ts";
import { readNameAddr } from "../name-addr.ts";
import type {
  SipBody,
  SipDialog,
  SipDialogHandlers,
  SipHandlers,
  SipHeaders,
  SipInvite,
  SipListener,
  SipPeer,
  SipReply,
  SipServerRequest,
  SipSignaling,
  SipTransport,
} from "../port.ts";
import { type RawMessage, readRawMessage } from "../raw-message.ts";
import { ReceivedRequest } from "../received-message.ts";
import { SourceRate } from "../source-rate.ts";
import { readDrachtioUrl } from "./address.ts";
import { DrachtioConnection } from "./drachtio-connection.ts";
import { type DialogHost, DrachtioDialog } from "./drachtio-dialog.ts";
import type { SrfContent, SrfReplier, SrfRequest } from "./srf.ts";

export type DrachtioOptions = {
  /** drachtio://:secret@host:port, the server's admin port. */
  readonly url: string;
  readonly connectMs: number;
  /** "" = the address the server received the request on: server and gateway are on one host then. */
  readonly advertisedAddress: string;
  readonly maxMessageBytes: number;
  readonly maxHeaders: number;
  readonly maxMessagesPerSecond: number;
  readonly maxPendingInvites: number;
  readonly retryAfterSeconds: number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
};

export class DrachtioSignalling implements SipSignaling {
  readonly name = "sip-signalling-drachtio";
  readonly withoutTlsNames = "drachtio-server does not pass on who its TLS clients are";
  readonly #options: DrachtioOptions;
  readonly #connection: DrachtioConnection;
  readonly #dialogs = new Map<string, DrachtioDialog>();
  readonly #rate: SourceRate;
  readonly #dropped;
  readonly #host: DialogHost = {
    send: (dialog, dialogId, method, headers, body) =>
      this.#connection.exchange(method, dialogId, this.#content(headers, body, dialog.peer, method !== "BYE"), (request, replier) =>
        this.#onRequest(request, replier),
      ),
    forget: ({ id }) => void this.#dialogs.delete(id),
    untilLost: (giveUp) => this.#connection.untilLost(giveUp),
  };
  #pendingInvites = 0;
  #handlers: SipHandlers | undefined;

  constructor(options: DrachtioOptions) {
    const { log, clock, metrics, connectMs } = options;
    this.#options = options;
    this.#rate = new SourceRate(clock, options.maxMessagesPerSecond);
    this.#dropped = metrics.counter("earshot_sip_messages_dropped_total", "SIP messages that could not be answered", ["reason"]);
    const connected = metrics.gauge("earshot_sip_server_connected", "1 while the connection to drachtio-server is up");
    this.#connection = new DrachtioConnection({
      address: readDrachtioUrl(options.url),
      connectMs,
      log,
      clock,
      onRequest: (request, replier) => this.#onRequest(request, replier),
      onOpen: (isOpen) => connected.set(isOpen ? 1 : 0),
    });
  }

  handle(handlers: SipHandlers): void {
    this.#handlers = handlers;
  }

  listeners(): readonly SipListener[] {
    return this.#connection.listeners;
  }

  get fault(): string | undefined {
    return this.#connection.isOpen
      ? undefined
      : "the connection to drachtio-server is lost; it is opened again as soon as the server answers";
  }

  start(): Promise<void> {
    return this.#connection.open();
  }

  async stop(_deadlineMs: number): Promise<void> {
    this.#connection.close();
  }

  get #application(): SipHandlers {
    if (this.#handlers === undefined) throw new EarshotError("bug", "sip_no_handlers", "SIP signalling was started before handle().");
    return this.#handlers;
  }

  #onRequest(incoming: SrfRequest, replier: SrfReplier): void {
    const peer = this.#peer(incoming);
    try {
      const read = this.#read(incoming, peer);
      if ("startLine" in read) this.#dispatch(new ReceivedRequest(read, peer), incoming, replier);
      else if (incoming.method !== "ACK") this.#reply(replier, read, peer, false);
    } catch (error) {
      this.#options.log.error({ err: error, peer: peer.address }, "A SIP message could not be handled");
      if (incoming.method !== "ACK") this.#reply(replier, { status: 500 }, peer, false);
    }
  }

  /** @returns the message, or the refusal of what is too much, too large or malformed; what is too much is not even read */
  #read({ msg }: SrfRequest, { address }: SipPeer): RawMessage | SipReply {
    if (!this.#rate.take(address)) {
      this.#dropped.inc({ reason: "rate" });
      return this.#unavailable();
    }
    const bytes = Buffer.from(msg.raw);
    if (bytes.length > this.#options.maxMessageBytes) return this.#malformed({ status: 513 });
    const raw = readRawMessage(bytes, this.#options);
    if ("fault" in raw) return this.#malformed({ status: raw.status || 400, reason: raw.fault });
    const malformed = ["from", "to"].find((name) => readNameAddr(raw.headers.find(([header]) => header === name)?.[1] ?? "") === undefined);
    return malformed === undefined ? raw : this.#malformed({ status: 400, reason: `malformed ${malformed}` });
  }

  #malformed(reply: SipReply): SipReply {
    this.#dropped.inc({ reason: "malformed" });
    return reply;
  }

  #unavailable(): SipReply {
    return { status: 503, headers: [["Retry-After", String(this.#options.retryAfterSeconds)]] };
  }

  #dispatch(request: ReceivedRequest, incoming: SrfRequest, replier: SrfReplier): void {
    const isServers = incoming.source === "application";
    const toTag = tagOf(request.header("to"));
    const remoteTag = isServers ? toTag : tagOf(request.header("from"));
    const dialog = isServers || toTag !== "" ? this.#dialogs.get(dialogKey(request.callId, remoteTag)) : undefined;
    if (dialog !== undefined) this.#inDialog(dialog, request, incoming, replier);
    else if (!isServers && request.method !== "ACK") this.#outsideDialog(request, incoming, replier, toTag !== "");
  }

  #outsideDialog(request: ReceivedRequest, incoming: SrfRequest, replier: SrfReplier, hasToTag: boolean): void {
    const { method, peer } = request;
    if (method === "OPTIONS") this.#reply(replier, this.#application.onOptions(request), peer, true);
    else if (hasToTag || ["BYE", "UPDATE", "INFO"].includes(method)) this.#reply(replier, { status: 481 }, peer, false);
    else if (method !== "INVITE") this.#reply(replier, { status: 405 }, peer, false);
    else if (request.header("contact") === undefined) this.#reply(replier, missingContact, peer, false);
    else {
      const refusal = this.#application.screenInvite(request) ?? this.#tooManyPending();
      if (refusal === undefined) this.#application.onInvite(this.#invite(request, incoming, replier));
      else this.#reply(replier, refusal, peer, true);
    }
  }

  #tooManyPending(): SipReply | undefined {
    if (this.#pendingInvites < this.#options.maxPendingInvites) return undefined;
    this.#dropped.inc({ reason: "too_many_invites" });
    return this.#unavailable();
  }

  #invite(request: ReceivedRequest, incoming: SrfRequest, replier: SrfReplier): SipInvite {
    let state: "open" | "answered" | "cancelled" = "open";
    let onCancel = (): void => {};
    this.#pendingInvites++;
    const leave = (next: typeof state): boolean => {
      if (state !== "open") return false;
      state = next;
      this.#pendingInvites--;
      return true;
    };
    incoming.on("cancel", () => {
      if (leave("cancelled")) onCancel();
    });
    return {
      request,
      get cancelled() {
        return state === "cancelled";
      },
      onCancel(callback) {
        onCancel = callback;
      },
      accept: (reply, handlers) => (leave("answered") ? this.#accept(request, replier, reply, handlers) : undefined),
      reject: (reply) => {
        if (leave("answered")) this.#reply(replier, reply, request.peer, true);
      },
    };
  }

  #accept(request: ReceivedRequest, replier: SrfReplier, reply: SipReply, handlers: SipDialogHandlers): SipDialog {
    const id = dialogKey(request.callId, tagOf(request.header("from")));
    const accepted = new Promise<string | undefined>((resolve) => {
      const stopWaiting = this.#connection.untilLost(() => resolve(undefined));
      this.#reply(replier, reply, request.peer, true, (error) => {
        stopWaiting();
        resolve(error ? undefined : replier.meta.dialogId);
      });
    });
    const dialog = new DrachtioDialog(id, request.peer, handlers, sequenceOf(request), accepted, this.#host);
    this.#dialogs.set(id, dialog);
    // A CANCEL that crossed the 2xx, or a connection that is gone: there will be no ACK.
    void accepted.then((dialogId) => {
      if (dialogId === undefined) this.#ended(dialog);
    });
    return dialog;
  }

  /** There is no such dialog at the server any more, and the peer has not said BYE. */
  #ended(dialog: DrachtioDialog): void {
    if (dialog.closed) return;
    dialog.close();
    dialog.handlers.onAckTimeout();
  }

  #inDialog(dialog: DrachtioDialog, request: ReceivedRequest, incoming: SrfRequest, replier: SrfReplier): void {
    const { handlers, peer } = dialog;
    if (incoming.source === "network" && request.method !== "ACK" && !dialog.inSequence(sequenceOf(request))) {
      this.#reply(replier, { status: 500, reason: "CSeq Out of Order" }, peer, false);
      return;
    }
    const answered = (withContact: boolean): SipServerRequest => ({
      request,
      reply: (reply) => this.#reply(replier, reply, peer, withContact),
    });
    switch (request.method) {
      case "ACK":
        dialog.acknowledged();
        handlers.onAck(request);
        return;
      case "BYE":
        if (incoming.source === "application" && isAckTimeout(request)) {
          this.#ended(dialog);
          return;
        }
        if (incoming.source === "network") this.#reply(replier, { status: 200 }, peer, false);
        dialog.close();
        handlers.onBye(request);
        return;
      case "INVITE": {
        const refusal = request.header("contact") === undefined ? missingContact : dialog.inviteRefusal(this.#options.retryAfterSeconds);
        if (refusal !== undefined) {
          this.#reply(replier, refusal, peer, false);
          return;
        }
        handlers.onReinvite({
          request,
          reply: (reply) => {
            dialog.inviteAnswered(reply.status < 300 && request.body === "");
            this.#reply(replier, reply, peer, true);
          },
        });
        return;
      }
      case "UPDATE":
        handlers.onUpdate(answered(true));
        return;
      case "INFO":
        handlers.onInfo(answered(false));
        return;
      case "OPTIONS":
        this.#reply(replier, this.#application.onOptions(request), peer, true);
        return;
      default:
        this.#reply(replier, { status: 405 }, peer, false);
    }
  }

  #reply(replier: SrfReplier, reply: SipReply, peer: SipPeer, withContact: boolean, sent?: (error: unknown) => void): void {
    // The request's own headers go back with the answer, and the server takes a folded one for a broken one.
    const repeated = replier.msg.headers;
    for (const [name, value] of Object.entries(repeated)) repeated[name] = value.replace(/\s*\r?\n\s+/g, " ");
    const headers: SipHeaders = [...(reply.headers ?? []), ["Supported", this.#application.supported.join(", ")]];
    // A redirection brings the Contacts of others.
    const content = this.#content(headers, reply.body, peer, withContact && !headers.some(([name]) => name === "Contact"));
    replier.send(reply.status, reply.reason, content, sent);
  }

  #content(headers: SipHeaders, body: SipBody | undefined, peer: SipPeer, withContact: boolean): SrfContent {
    const { allow, contactParameters } = this.#application;
    const identity: SipHeaders = withContact ? [["Contact", `<${this.#contactUri(peer)}>${contactParameters}`]] : [];
    const all: SipHeaders = [
      ...identity,
      ["Allow", allow.join(", ")],
      ["User-Agent", userAgent],
      ...(body === undefined ? [] : ([["Content-Type", body.contentType]] as const)),
      ...headers,
    ];
    const byName: Record<string, string> = {};
    for (const [name, value] of all) byName[name] = byName[name] === undefined ? value : `${byName[name]}, ${value}`;
    return { headers: byName, ...(body === undefined ? {} : { body: body.content }) };
  }

  /** Of the server's addresses the one that the peer has reached; or the one it is known by outside. */
  #contactUri({ transport, localPort, localAddress }: SipPeer): string {
    const known = this.#connection.listeners.find((one) => one.transport === transport && one.port === localPort);
    const host = known?.address ?? localAddress;
    return `sip:srs@${isIPv6(host) ? `[${host}]` : host}:${localPort}${transport === "udp" ? "" : `;transport=${transport}`}`;
  }

  #peer({ protocol, source_address, source_port, receivedOn }: SrfRequest): SipPeer {
    const at = /^(.*):(\d+)$/.exec(receivedOn ?? "");
    const listener = this.#connection.listeners.find((one) => one.transport === protocol);
    const address = (at?.[1] ?? listener?.address ?? "").replace(/^\[|\]$/g, "");
    return {
      transport: transportOf(protocol),
      address: source_address.replace(/^\[|\]$/g, ""),
      port: source_port,
      localAddress: this.#options.advertisedAddress || address,
      localPort: Number(at?.[2] ?? listener?.port ?? 0),
      tlsNames: [],
    };
  }
}

const missingContact: SipReply = { status: 400, reason: "Missing Contact" };
const sequenceOf = (request: ReceivedRequest): number => Number.parseInt(request.header("cseq") ?? "", 10);
const dialogKey = (callId: string, remoteTag: string): string => `${callId}|${remoteTag}`;
const tagOf = (nameAddr: string | undefined): string => /;\s*tag\s*=\s*([^;\s]*)/i.exec(nameAddr ?? "")?.[1] ?? "";
const isAckTimeout = (bye: ReceivedRequest): boolean => /ACK timeout|CANCEL/i.test(bye.header("reason") ?? "");
const transportOf = (protocol: string): SipTransport => (protocol === "tcp" || protocol === "tls" ? protocol : "udp");
