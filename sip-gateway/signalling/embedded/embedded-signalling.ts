/** The embedded SIP adapter: SIP.js' transactions and dialogs over real UDP, TCP and TLS sockets, with what a server needs added. */
import type { Socket as UdpSocket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { IncomingResponseMessage, SessionDialog } from "sip.js/lib/core/index.js";
import type { SipHandlers, SipListener, SipPeer, SipResponse, SipSignaling } from "../port.ts";
import { type RawMessage, readRawMessage } from "../raw-message.ts";
import { localResponse, ReceivedResponse, readUri } from "../received-message.ts";
import { SourceRate } from "../source-rate.ts";
import { ConnectionPlaces } from "./connection-places.ts";
import { faultAnswer } from "./fault-answer.ts";
import { type Flow, UdpFlow } from "./flow.ts";
import { bindUdp, StreamListener } from "./listeners.ts";
import { LocalAddresses } from "./local-address.ts";
import { readTopVia, requestForCore, responseForCore } from "./message-for-core.ts";
import { RequestDispatcher } from "./request-dispatcher.ts";
import { setTimersForUnreliableTransport } from "./retransmission.ts";
import { SipCore } from "./sip-core.ts";

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
  readonly maxConnectionsPerSource: number;
  readonly connectionIdleMs: number;
  readonly tlsHandshakeMs: number;
  readonly maxPendingInvites: number;
  readonly retryAfterSeconds: number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
};

export class EmbeddedSignalling implements SipSignaling {
  readonly name = "sip-signalling-embedded";
  readonly fault = undefined;
  readonly #options: EmbeddedOptions;
  readonly #local: LocalAddresses;
  readonly #core = new SipCore();
  readonly #dispatcher: RequestDispatcher;
  readonly #rate: SourceRate;
  readonly #places: ConnectionPlaces;
  readonly #rawResponses = new WeakMap<IncomingResponseMessage, RawMessage>();
  readonly #streams: StreamListener[] = [];
  readonly #dropped;
  #udp: UdpSocket | undefined;
  #stopped = false;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    const wildcard = options.host === "0.0.0.0" || options.host === "::";
    this.#local = new LocalAddresses(options.advertisedAddress !== "" ? options.advertisedAddress : wildcard ? "" : options.host);
    this.#rate = new SourceRate(options.clock, options.maxMessagesPerSecond);
    this.#places = new ConnectionPlaces(options);
    this.#dropped = options.metrics.counter("earshot_sip_messages_dropped_total", "SIP messages that could not be answered", ["reason"]);
    const core = this.#core;
    const { maxPendingInvites, retryAfterSeconds } = options;
    const pending = { maxPendingInvites, retryAfterSeconds, onTooManyPending: () => this.#dropped.inc({ reason: "too_many_invites" }) };
    this.#dispatcher = new RequestDispatcher(core, options.clock, pending, {
      clock: options.clock,
      through: (flow, run) => core.through(flow, run),
      outbound: (dialog, arrivedOn) => this.#outbound(dialog, arrivedOn),
      contact: (peer) => core.contact(peer),
      allow: () => core.handlers.allow.join(", "),
      response: (message) => this.#responseView(message),
    });
  }

  get withoutTlsNames(): string | undefined {
    if (this.#options.tls !== undefined && this.#options.tls.caFile !== "") return undefined;
    return "EARSHOT_SIP_TLS_CA, beside EARSHOT_SIP_TLS_CERT, names no CA that TLS clients' certificates are verified with";
  }

  handle(handlers: SipHandlers): void {
    this.#core.handle(handlers);
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
    this.#dispatcher.stop();
    this.#core.agent.dispose();
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
      this.#places,
      {
        onMessage: (bytes, flow) => this.#onBytes(bytes, flow),
        onBroken: (head, status, reason, flow) => this.#answerBroken(head, status, reason, flow),
        mayPing: (count, flow) => {
          if (this.#rate.take(flow.peer.address, count)) return true;
          this.#dropped.inc({ reason: "keep_alive_rate" });
          return false;
        },
        onRefusedConnection: (reason) => this.#dropped.inc({ reason }),
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
    this.#core.agent.receiveIncomingResponseFromTransport(message);
  }

  #onRequest(raw: RawMessage, arrived: Flow): void {
    const via = readTopVia(raw);
    if (via === undefined) {
      this.#answerFault(raw, 400, "malformed Via", arrived);
      return;
    }
    const { port } = arrived.peer;
    const elsewhere = arrived instanceof UdpFlow && !via.rport && via.port !== port && this.#udp !== undefined;
    const flow = elsewhere ? new UdpFlow(this.#udp!, arrived.peer, via.port === 0 ? 5060 : via.port) : arrived;
    const read = requestForCore(raw, via, flow.peer.address, port);
    if ("fault" in read) this.#answerFault(raw, 400, read.fault, flow);
    else this.#dispatcher.dispatch(raw, read, flow);
  }

  #answerFault(raw: Pick<RawMessage, "startLine" | "headers">, status: number, reason: string, flow: Flow): void {
    const text = faultAnswer(raw, status, reason);
    this.#dropped.inc({ reason: text === undefined ? "unanswerable" : "malformed" });
    if (text !== undefined) flow.send(text).catch(() => {});
  }

  #answerBroken(head: Uint8Array, status: 400 | 513, reason: string, flow: Flow): void {
    const raw = readRawMessage(head, this.#options);
    if ("fault" in raw && raw.status === 0) this.#dropped.inc({ reason: "garbage" });
    else this.#answerFault(raw, status, reason, flow);
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
