/** The embedded SIP adapter: SIP.js' transactions and dialogs over real UDP, TCP and TLS sockets, with what a server needs added. */
import { createHash } from "node:crypto";
import type { Socket as UdpSocket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { isIP, isIPv6 } from "node:net";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import {
  type Body,
  type Contact,
  constructOutgoingResponse,
  type IncomingRequestMessage,
  type IncomingResponseMessage,
  LoggerFactory,
  NonInviteServerTransaction,
  type SessionDialog,
  TransactionState,
  URI,
  UserAgentCore,
  UserAgentServer,
} from "sip.js/lib/core/index.js";
import type { SipHandlers, SipInvite, SipListener, SipPeer, SipReply, SipResponse, SipServerRequest, SipSignaling } from "../port.ts";
import { SourceRate } from "../source-rate.ts";
import { acceptSequence, type DialogHost, EmbeddedDialog, lines, sipBody } from "./embedded-dialog.ts";
import { type Flow, UdpFlow } from "./flow.ts";
import { InviteServer, isInviteTransaction } from "./invite-server.ts";
import { bindUdp, StreamListener } from "./listeners.ts";
import { LocalAddresses } from "./local-address.ts";
import { readTopVia, requestForCore, responseForCore } from "./message-for-core.ts";
import { type RawMessage, readRawMessage } from "./raw-message.ts";
import { localResponse, ReceivedRequest, ReceivedResponse, readUri } from "./received-message.ts";
import { retransmit, setTimersForUnreliableTransport } from "./retransmission.ts";

export type EmbeddedOptions = {
  readonly host: string;
  readonly port: number;
  /** "" = the local address that reaches the peer. */
  readonly advertisedAddress: string;
  readonly tls: { readonly port: number; readonly certFile: string; readonly keyFile: string; readonly caFile: string } | undefined;
  readonly maxMessageBytes: number;
  readonly maxHeaders: number;
  readonly maxMessagesPerSecond: number;
  readonly maxConnections: number;
  readonly connectionIdleMs: number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
};

const tryingAfterMs = 150;
const userAgent = "Earshot";

export class EmbeddedSignalling implements SipSignaling {
  readonly name = "sip-signalling-embedded";
  readonly #options: EmbeddedOptions;
  readonly #local: LocalAddresses;
  readonly #core: UserAgentCore;
  readonly #rate: SourceRate;
  readonly #dialogs = new Map<string, EmbeddedDialog>();
  /** Call-ID, From tag and CSeq of INVITEs in hand: another branch of one of them is a merged request (RFC 3261 8.2.2.2). */
  readonly #pendingInvites = new Map<string, string>();
  readonly #rawResponses = new WeakMap<IncomingResponseMessage, RawMessage>();
  readonly #streams: StreamListener[] = [];
  readonly #dropped;
  readonly #host: DialogHost;
  #udp: UdpSocket | undefined;
  #handlers: SipHandlers | undefined;
  #flow: Flow | undefined;
  #stopped = false;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    const wildcard = options.host === "0.0.0.0" || options.host === "::";
    this.#local = new LocalAddresses(options.advertisedAddress !== "" ? options.advertisedAddress : wildcard ? "" : options.host);
    this.#rate = new SourceRate(options.clock, options.maxMessagesPerSecond);
    this.#dropped = options.metrics.counter("earshot_sip_messages_dropped_total", "SIP messages that could not be answered", ["reason"]);
    this.#host = {
      clock: options.clock,
      through: (flow, run) => this.#through(flow, run),
      outbound: (dialog, arrivedOn) => this.#outbound(dialog, arrivedOn),
      contact: (peer) => this.#contact(peer),
      allow: () => this.#requireHandlers().allow.join(", "),
      response: (message) => this.#responseView(message),
      forget: (dialog) => void this.#dialogs.delete(dialog.id),
    };
    const loggerFactory = new LoggerFactory();
    loggerFactory.builtinEnabled = false;
    const self = this;
    const contactUri = new URI("sip", "srs", "earshot.invalid");
    const contact: Contact = {
      pubGruu: undefined,
      tempGruu: undefined,
      uri: contactUri,
      toString: () => self.#contact(self.#currentFlow().peer),
    };
    this.#core = new UserAgentCore({
      aor: contactUri,
      contact,
      displayName: "",
      loggerFactory,
      hackViaTcp: false,
      routeSet: [],
      sipjsId: "",
      get supportedOptionTags() {
        return [...self.#requireHandlers().supported];
      },
      get supportedOptionTagsResponse() {
        return [...self.#requireHandlers().supported];
      },
      userAgentHeaderFieldValue: userAgent,
      viaForceRport: true,
      get viaHost() {
        const { peer } = self.#currentFlow();
        return `${hostPart(peer.localAddress)}:${peer.localPort}`;
      },
      authenticationFactory: () => undefined,
      transportAccessor: () => self.#currentFlow(),
    });
  }

  handle(handlers: SipHandlers): void {
    this.#handlers = handlers;
  }

  listeners(): readonly SipListener[] {
    const bound: SipListener[] = this.#streams.map((stream) => stream.bound);
    if (this.#udp !== undefined) {
      const { address, port } = this.#udp.address();
      bound.unshift({ transport: "udp", address, port });
    }
    return bound;
  }

  async start(): Promise<void> {
    this.#requireHandlers();
    const { host, tls } = this.#options;
    setTimersForUnreliableTransport();
    await this.#local.start();
    try {
      await this.#bindUdpAndTcp();
      if (tls !== undefined) {
        const [cert, key, ca] = await Promise.all([
          readPem(tls.certFile),
          readPem(tls.keyFile),
          tls.caFile === "" ? undefined : readPem(tls.caFile),
        ]);
        const listener = this.#streamListener({ cert, key, ...(ca === undefined ? {} : { ca }) });
        await listener.listen(host, tls.port);
        this.#streams.push(listener);
      }
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  async stop(_deadlineMs: number): Promise<void> {
    this.#stopped = true;
    this.#core.dispose();
    await Promise.all(this.#streams.map((stream) => stream.close()));
    this.#streams.length = 0;
    const udp = this.#udp;
    this.#udp = undefined;
    if (udp !== undefined) await new Promise<void>((resolve) => udp.close(() => resolve()));
  }

  /** UDP and TCP share the port; where a free one is asked for (0), it must be free on both. */
  async #bindUdpAndTcp(): Promise<void> {
    const { host, port } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const udp = await bindUdp(host, port, (bytes, address, from) => this.#onDatagram(bytes, address, from));
      const tcp = this.#streamListener();
      try {
        await tcp.listen(host, udp.address().port);
      } catch (error) {
        udp.close();
        if (port !== 0 || attempt >= 20) throw error;
        continue;
      }
      this.#udp = udp;
      this.#streams.push(tcp);
      return;
    }
  }

  #streamListener(tls?: { cert: Buffer; key: Buffer; ca?: Buffer }): StreamListener {
    return new StreamListener(
      this.#options,
      {
        onMessage: (bytes, flow) => this.#onBytes(bytes, flow),
        onBroken: (head, status, reason, flow) => this.#answerBroken(head, status, reason, flow),
        onRefusedConnection: () => this.#dropped.inc({ reason: "too_many_connections" }),
        onTlsFault: (error, address) => {
          this.#dropped.inc({ reason: "tls_handshake" });
          this.#options.log.debug({ err: error, peer: address }, "TLS handshake failed");
        },
      },
      this.#local,
      this.#options.clock,
      tls,
    );
  }

  #onDatagram(bytes: Buffer, address: string, port: number): void {
    const udp = this.#udp;
    if (udp === undefined) return;
    if (bytes.length <= 4 || port === 0) return; // keep-alives
    const peer: SipPeer = {
      transport: "udp",
      address,
      port,
      localAddress: this.#local.towards(address, this.#options.clock.monotonicMs()),
      localPort: udp.address().port,
      tlsNames: [],
    };
    this.#onBytes(bytes, new UdpFlow(udp, peer, port));
  }

  #onBytes(bytes: Uint8Array, flow: Flow): void {
    if (this.#stopped) return;
    if (!this.#rate.take(flow.peer.address)) {
      this.#dropped.inc({ reason: "rate" });
      return;
    }
    const raw = readRawMessage(bytes, this.#options);
    try {
      if ("fault" in raw) {
        if (raw.status === 0) this.#dropped.inc({ reason: "garbage" });
        else this.#answerFault(raw, raw.status, raw.fault, flow);
      } else if (bytes.length > this.#options.maxMessageBytes) this.#answerFault(raw, 513, "Message Too Large", flow);
      else if (raw.startLine.startsWith("SIP/2.0")) this.#onResponse(raw);
      else this.#onRequest(raw, flow);
    } catch (error) {
      this.#options.log.error({ err: error, peer: flow.peer.address }, "A SIP message could not be handled");
      if (!("fault" in raw)) this.#answerFault(raw, 500, "Server Internal Error", flow);
    }
  }

  #onResponse(raw: RawMessage): void {
    const message = responseForCore(raw);
    if (message === undefined) {
      this.#dropped.inc({ reason: "malformed_response" });
      return;
    }
    this.#rawResponses.set(message, raw);
    this.#core.receiveIncomingResponseFromTransport(message);
  }

  #onRequest(raw: RawMessage, arrived: Flow): void {
    const via = readTopVia(raw);
    if (via === undefined) {
      this.#answerFault(raw, 400, "Malformed Via", arrived);
      return;
    }
    let flow = arrived;
    if (flow instanceof UdpFlow && !via.rport && via.port !== flow.peer.port && this.#udp !== undefined)
      flow = new UdpFlow(this.#udp, flow.peer, via.port === 0 ? 5060 : via.port);
    const read = requestForCore(raw, via, flow.peer.address, flow.peer.port);
    if ("fault" in read) {
      this.#answerFault(raw, 400, read.fault, flow);
      return;
    }
    const { message, transactionId } = read;
    this.#through(flow, () => {
      const server = this.#core.userAgentServers.get(transactionId);
      if (server !== undefined || message.method === "CANCEL") {
        this.#core.receiveIncomingRequestFromTransport(message);
        if (server instanceof InviteServer && message.method === "INVITE") server.inviteTransaction.retransmitAcceptedResponse();
        return;
      }
      const request = new ReceivedRequest(raw, flow.peer);
      if (message.toTag !== undefined && message.toTag !== null) this.#inDialog(request, message, flow);
      else this.#outsideDialog(request, message, transactionId, flow);
    });
  }

  #outsideDialog(request: ReceivedRequest, message: IncomingRequestMessage, transactionId: string, flow: Flow): void {
    const handlers = this.#requireHandlers();
    if (message.method === "ACK") return;
    if (message.method === "OPTIONS") {
      this.#replyStateless(message, handlers.onOptions(request), flow.peer);
      return;
    }
    if (message.method !== "INVITE") {
      this.#replyStateless(message, message.method === "BYE" ? { status: 481 } : { status: 405 }, flow.peer);
      return;
    }
    if (message.parseHeader("contact") === undefined) {
      this.#replyStateless(message, { status: 400, reason: "Missing Contact" }, flow.peer);
      return;
    }
    const mergeKey = `${message.callId}|${message.fromTag}|${message.cseq}`;
    if (this.#pendingInvites.has(mergeKey)) {
      this.#replyStateless(message, { status: 482 }, flow.peer);
      return;
    }
    const server = new InviteServer(this.#core, message);
    this.#pendingInvites.set(mergeKey, transactionId);
    server.transaction.addStateChangeListener(() => {
      if (server.transaction.state === TransactionState.Terminated) this.#pendingInvites.delete(mergeKey);
    });
    handlers.onInvite(this.#invite(server, request, flow));
  }

  #invite(server: InviteServer, request: ReceivedRequest, flow: Flow): SipInvite {
    let state: "open" | "answered" | "cancelled" = "open";
    let onCancel = () => {};
    const self = this;
    const { clock } = this.#options;
    const stopTrying = clock.after(tryingAfterMs, () => {
      if (state === "open" && server.transaction.state === TransactionState.Proceeding) this.#through(flow, () => server.trying());
    });
    server.delegate = {
      onCancel: () => {
        if (state !== "open") return;
        state = "cancelled";
        stopTrying();
        this.#finalFailure(server, { status: 487 }, flow);
        onCancel();
      },
    };
    return {
      request,
      get cancelled() {
        return state === "cancelled";
      },
      onCancel(callback) {
        onCancel = callback;
      },
      accept(reply, handlers) {
        if (state !== "open") return undefined;
        state = "answered";
        stopTrying();
        const inner = self.#through(flow, () => server.establish(self.#options2xx(server.message, reply, flow.peer)));
        return self.#adopt(inner, flow, handlers);
      },
      reject(reply) {
        if (state !== "open") return;
        state = "answered";
        stopTrying();
        self.#finalFailure(server, reply, flow);
      },
    };
  }

  #adopt(inner: SessionDialog, flow: Flow, handlers: EmbeddedDialog["handlers"]): EmbeddedDialog {
    const dialog = new EmbeddedDialog(inner, flow, handlers, this.#host);
    this.#dialogs.set(dialog.id, dialog);
    inner.delegate = {
      onAck: () => {},
      onAckTimeout: () => {
        dialog.acknowledged();
        if (!dialog.closed) handlers.onAckTimeout();
      },
      onBye: (bye) => {
        bye.accept({ statusCode: 200 });
        dialog.close();
      },
    };
    return dialog;
  }

  #inDialog(request: ReceivedRequest, message: IncomingRequestMessage, flow: Flow): void {
    const dialog = this.#dialogs.get(`${message.callId}${message.toTag}${message.fromTag}`);
    if (dialog === undefined) {
      if (message.method === "OPTIONS") this.#replyStateless(message, this.#requireHandlers().onOptions(request), flow.peer);
      else if (message.method !== "ACK") this.#replyStateless(message, { status: 481 }, flow.peer);
      return;
    }
    const { inner, handlers } = dialog;
    switch (message.method) {
      case "ACK":
        inner.receiveRequest(message);
        dialog.acknowledged();
        handlers.onAck(request);
        return;
      case "BYE": {
        inner.receiveRequest(message);
        if (dialog.closed) handlers.onBye(request);
        return;
      }
      case "INVITE": {
        if (message.parseHeader("contact") === undefined) {
          this.#replyStateless(message, { status: 400, reason: "Missing Contact" }, flow.peer);
          return;
        }
        inner.delegate = {
          ...inner.delegate,
          onInvite: (server) => handlers.onReinvite(this.#reinvite(server as unknown as UserAgentServer, request, flow)),
        };
        inner.receiveRequest(message);
        return;
      }
      case "OPTIONS":
        this.#replyStateless(message, this.#requireHandlers().onOptions(request), flow.peer);
        return;
      case "UPDATE":
      case "INFO": {
        if (!acceptSequence(inner, message, message.method === "UPDATE")) return;
        const server = new UserAgentServer(NonInviteServerTransaction, this.#core, message);
        const incoming: SipServerRequest = {
          request,
          reply: (reply) => this.#through(flow, () => answer(server, this.#responseOptions(reply, flow.peer, message.method === "UPDATE"))),
        };
        if (message.method === "UPDATE") handlers.onUpdate(incoming);
        else handlers.onInfo(incoming);
        return;
      }
      default:
        this.#replyStateless(message, { status: 405 }, flow.peer);
    }
  }

  #reinvite(server: UserAgentServer, request: ReceivedRequest, flow: Flow): SipServerRequest {
    return {
      request,
      reply: (reply) => {
        if (server.transaction.state !== TransactionState.Proceeding) return;
        this.#through(flow, () => answer(server, this.#responseOptions(reply, flow.peer, true)));
        if (reply.status >= 300) this.#repeatFinal(server, flow);
      },
    };
  }

  #finalFailure(server: InviteServer, reply: SipReply, flow: Flow): void {
    if (server.transaction.state !== TransactionState.Proceeding) return;
    this.#through(flow, () => server.reject(this.#responseOptions(reply, flow.peer, true)));
    this.#repeatFinal(server, flow);
  }

  /** Timer G: a final answer other than 2xx is sent again until its ACK comes (RFC 3261 17.2.1). */
  #repeatFinal(server: UserAgentServer, flow: Flow): void {
    if (flow.reliable || !isInviteTransaction(server)) return;
    const { transaction } = server;
    retransmit(
      this.#options.clock,
      true,
      () => transaction.state === TransactionState.Completed && !this.#stopped,
      () => transaction.receiveRequest(server.message),
    );
  }

  #options2xx(message: IncomingRequestMessage, reply: SipReply, peer: SipPeer) {
    const options = this.#responseOptions(reply, peer, true);
    const routes = message.getHeaders("record-route").map((route) => `Record-Route: ${route}`);
    return { ...options, extraHeaders: [...routes, ...options.extraHeaders] };
  }

  #responseOptions(reply: SipReply, peer: SipPeer, contact: boolean) {
    const { allow } = this.#requireHandlers();
    const extraHeaders = [
      ...(contact ? [`Contact: ${this.#contact(peer)}`] : []),
      `Allow: ${allow.join(", ")}`,
      ...lines(reply.headers ?? []),
    ];
    const body = sipBody(reply.body) as Body | undefined;
    return {
      statusCode: reply.status,
      extraHeaders,
      ...(reply.reason === undefined ? {} : { reasonPhrase: reply.reason }),
      ...(body === undefined ? {} : { body }),
    };
  }

  /** For requests whose answer is the same each time; the To tag comes from the transaction, so that a repetition gets the same. */
  #replyStateless(message: IncomingRequestMessage, reply: SipReply, peer: SipPeer): void {
    const toTag = createHash("sha256").update(message.viaBranch).digest("base64url").slice(0, 16);
    const options = {
      ...this.#responseOptions(reply, peer, message.method === "OPTIONS"),
      toTag,
      userAgent,
      supported: [...this.#requireHandlers().supported],
    };
    this.#currentFlow()
      .send(constructOutgoingResponse(message, options).message)
      .catch(() => this.#dropped.inc({ reason: "send" }));
  }

  /** Answers what could not be parsed as far as its headers allow; ACK and responses are never answered (RFC 3261 8.2.6, 17.1.1.3). */
  #answerFault(raw: Pick<RawMessage, "startLine" | "headers">, status: number, reason: string, flow: Flow): void {
    const value = (name: string) => raw.headers.find(([key]) => key === name)?.[1];
    const echoed = ["from", "to", "call-id", "cseq"].map((name) => [name, value(name)] as const);
    const via = raw.headers.filter(([name]) => name === "via");
    const isRequest = !raw.startLine.startsWith("SIP/2.0") && !raw.startLine.startsWith("ACK ");
    if (!isRequest || via.length === 0 || echoed.some(([, text]) => text === undefined)) {
      this.#dropped.inc({ reason: isRequest ? "unanswerable" : "malformed_response" });
      return;
    }
    this.#dropped.inc({ reason: "malformed" });
    const names: Record<string, string> = { from: "From", to: "To", "call-id": "Call-ID", cseq: "CSeq" };
    const text = [
      `SIP/2.0 ${status} ${status === 400 ? `Bad Request - ${reason}` : reason}`,
      ...via.map(([, one]) => `Via: ${one}`),
      ...echoed.map(([name, one]) => `${names[name]}: ${one}${name === "to" && !/;\s*tag=/i.test(one!) ? ";tag=malformed" : ""}`),
      `User-Agent: ${userAgent}`,
      "Content-Length: 0",
    ];
    flow.send(`${text.join("\r\n")}\r\n\r\n`).catch(() => {});
  }

  #answerBroken(head: Uint8Array, status: 400 | 513, reason: string, flow: Flow): void {
    const raw = readRawMessage(head, this.#options);
    if ("fault" in raw && raw.status === 0) this.#dropped.inc({ reason: "garbage" });
    else this.#answerFault(raw, status, reason, flow);
  }

  #contact(peer: SipPeer): string {
    const transport = peer.transport === "udp" ? "" : `;transport=${peer.transport}`;
    return `<sip:srs@${hostPart(peer.localAddress)}:${peer.localPort}${transport}>${this.#requireHandlers().contactParameters}`;
  }

  #through<T>(flow: Flow, run: () => T): T {
    const before = this.#flow;
    this.#flow = flow;
    try {
      return run();
    } finally {
      this.#flow = before;
    }
  }

  #currentFlow(): Flow {
    if (this.#flow === undefined) throw new EarshotError("bug", "sip_no_flow", "SIP.js was called outside a flow.");
    return this.#flow;
  }

  #requireHandlers(): SipHandlers {
    if (this.#handlers === undefined) throw new EarshotError("bug", "sip_no_handlers", "SIP signalling was started before handle().");
    return this.#handlers;
  }

  #responseView(message: IncomingResponseMessage): SipResponse {
    const raw = this.#rawResponses.get(message);
    return raw === undefined ? localResponse(message.statusCode ?? 408, message.reasonPhrase ?? "") : new ReceivedResponse(raw);
  }

  /** Next hop of an in-dialog request (RFC 3261 12.2.1.1). Names are not resolved: such a peer is reached where its INVITE came from. */
  #outbound(dialog: SessionDialog, arrivedOn: Flow): Flow | undefined {
    if (arrivedOn.reliable) return arrivedOn.alive ? arrivedOn : undefined;
    if (this.#udp === undefined) return undefined;
    const { peer } = arrivedOn;
    const route = dialog.routeSet[0];
    const target = route === undefined ? dialog.remoteTarget.toRaw() : (/<([^>]*)>/.exec(route)?.[1] ?? route);
    const { host } = readUri(target);
    if (isIP(host) === 0) return new UdpFlow(this.#udp, peer, peer.port);
    const port = /:(\d{1,5})(?:[;?>]|$)/.exec(target.replace(/^[^@]*@/, ""))?.[1];
    return new UdpFlow(this.#udp, { ...peer, address: host }, port === undefined ? 5060 : Number(port));
  }
}

const hostPart = (address: string): string => (isIPv6(address) ? `[${address}]` : address);

function answer(server: UserAgentServer, options: { statusCode: number; extraHeaders: string[]; body?: Body }): void {
  if (options.statusCode < 300) server.accept(options);
  else server.reject(options);
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new EarshotError("unavailable", "sip_tls_file_unreadable", `The TLS file ${file} cannot be read.`, {
      remedy: "Check EARSHOT_SIP_TLS_CERT, EARSHOT_SIP_TLS_KEY and EARSHOT_SIP_TLS_CA.",
      cause,
    });
  }
}
