/** Where each request goes: to its transaction, into its dialog, or to the application as something new (RFC 3261 8.2, 12.2.2). */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import {
  type Body,
  type IncomingRequestMessage,
  NonInviteServerTransaction,
  type SessionDialog,
  TransactionState,
  UserAgentServer,
} from "sip.js/lib/core/index.js";
import type { SipInvite, SipPeer, SipReply, SipServerRequest } from "../port.ts";
import type { RawMessage } from "../raw-message.ts";
import { ReceivedRequest } from "../received-message.ts";
import { acceptSequence, type DialogHost, EmbeddedDialog } from "./embedded-dialog.ts";
import type { Flow } from "./flow.ts";
import { InviteServer, isInviteTransaction } from "./invite-server.ts";
import type { RequestForCore } from "./message-for-core.ts";
import { retransmit } from "./retransmission.ts";
import type { SipCore } from "./sip-core.ts";

const tryingAfterMs = 150;

export type PendingLimits = {
  readonly maxPendingInvites: number;
  readonly retryAfterSeconds: number;
  /** An INVITE was refused because of `maxPendingInvites`. */
  onTooManyPending(): void;
};

export class RequestDispatcher {
  readonly #core: SipCore;
  readonly #clock: Clock;
  readonly #host: DialogHost;
  readonly #dialogs = new Map<string, EmbeddedDialog>();
  readonly #limits: PendingLimits;
  /**
   * Call-ID, From tag and CSeq of INVITEs whose transaction lives: another branch of one of them is a merged request (RFC 3261 8.2.2.2).
   */
  readonly #pendingInvites = new Set<string>();
  #stopped = false;

  constructor(core: SipCore, clock: Clock, limits: PendingLimits, host: Omit<DialogHost, "forget">) {
    this.#core = core;
    this.#clock = clock;
    this.#limits = limits;
    this.#host = { ...host, forget: (dialog) => void this.#dialogs.delete(dialog.id) };
  }

  /** Nothing is repeated from now on. */
  stop(): void {
    this.#stopped = true;
  }

  dispatch(raw: RawMessage, { message, transactionId }: RequestForCore, flow: Flow): void {
    this.#core.through(flow, () => {
      const server = this.#core.agent.userAgentServers.get(transactionId);
      if (server !== undefined || message.method === "CANCEL") {
        this.#core.agent.receiveIncomingRequestFromTransport(message);
        if (server instanceof InviteServer && message.method === "INVITE") server.inviteTransaction.retransmitAcceptedResponse();
        return;
      }
      const request = new ReceivedRequest(raw, flow.peer);
      if (message.toTag !== undefined) this.#inDialog(request, message, flow);
      else this.#outsideDialog(request, message, flow);
    });
  }

  #outsideDialog(request: ReceivedRequest, message: IncomingRequestMessage, flow: Flow): void {
    const handlers = this.#core.handlers;
    if (message.method === "ACK") return;
    if (message.method === "OPTIONS") {
      this.#core.replyStateless(message, handlers.onOptions(request), flow.peer);
      return;
    }
    if (message.method !== "INVITE") {
      this.#core.replyStateless(message, message.method === "BYE" ? { status: 481 } : { status: 405 }, flow.peer);
      return;
    }
    if (message.parseHeader("contact") === undefined) {
      this.#core.replyStateless(message, { status: 400, reason: "Missing Contact" }, flow.peer);
      return;
    }
    const mergeKey = `${message.callId}|${message.fromTag}|${message.cseq}`;
    if (this.#pendingInvites.has(mergeKey)) {
      this.#core.replyStateless(message, { status: 482 }, flow.peer);
      return;
    }
    const refusal = this.#screen(request);
    if (refusal !== undefined) {
      this.#core.replyStateless(message, refusal, flow.peer);
      return;
    }
    const server = new InviteServer(this.#core.agent, message);
    this.#pendingInvites.add(mergeKey);
    server.transaction.addStateChangeListener(() => {
      if (server.transaction.state === TransactionState.Terminated) this.#pendingInvites.delete(mergeKey);
    });
    handlers.onInvite(this.#invite(server, request, flow));
  }

  /** Decided before there is a transaction, so that a refusal costs no memory and is sent once for each time it is asked for. */
  #screen(request: ReceivedRequest): SipReply | undefined {
    const refusal = this.#core.handlers.screenInvite(request);
    if (refusal !== undefined) return refusal;
    if (this.#pendingInvites.size < this.#limits.maxPendingInvites) return undefined;
    this.#limits.onTooManyPending();
    return { status: 503, headers: [["Retry-After", String(this.#limits.retryAfterSeconds)]] };
  }

  #invite(server: InviteServer, request: ReceivedRequest, flow: Flow): SipInvite {
    let state: "open" | "answered" | "cancelled" = "open";
    let onCancel = () => {};
    const self = this;
    const stopTrying = this.#clock.after(tryingAfterMs, () => {
      if (state === "open" && server.transaction.state === TransactionState.Proceeding) this.#core.through(flow, () => server.trying());
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
        stopTrying();
        const inner = self.#core.through(flow, () => server.establish(self.#options2xx(server.message, reply, flow.peer)));
        state = "answered";
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
      if (message.method === "OPTIONS") this.#core.replyStateless(message, this.#core.handlers.onOptions(request), flow.peer);
      else if (message.method !== "ACK") this.#core.replyStateless(message, { status: 481 }, flow.peer);
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
          this.#core.replyStateless(message, { status: 400, reason: "Missing Contact" }, flow.peer);
          return;
        }
        dialog.reinvited();
        inner.delegate = {
          ...inner.delegate,
          onInvite: (server) => {
            dialog.reinviteOffers = request.body !== "";
            handlers.onReinvite(this.#reinvite(server as unknown as UserAgentServer, request, flow));
          },
        };
        inner.receiveRequest(message);
        return;
      }
      case "OPTIONS":
        this.#core.replyStateless(message, this.#core.handlers.onOptions(request), flow.peer);
        return;
      case "UPDATE":
      case "INFO": {
        if (!acceptSequence(inner, message, message.method === "UPDATE")) return;
        const server = new UserAgentServer(NonInviteServerTransaction, this.#core.agent, message);
        const incoming: SipServerRequest = {
          request,
          reply: (reply) =>
            this.#core.through(flow, () => answer(server, this.#core.responseOptions(reply, flow.peer, message.method === "UPDATE"))),
        };
        if (message.method === "UPDATE") handlers.onUpdate(incoming);
        else handlers.onInfo(incoming);
        return;
      }
      default:
        this.#core.replyStateless(message, { status: 405 }, flow.peer);
    }
  }

  #reinvite(server: UserAgentServer, request: ReceivedRequest, flow: Flow): SipServerRequest {
    return {
      request,
      reply: (reply) => {
        if (server.transaction.state !== TransactionState.Proceeding) return;
        this.#core.through(flow, () => answer(server, this.#core.responseOptions(reply, flow.peer, true)));
        if (reply.status >= 300) this.#repeatFinal(server, flow);
      },
    };
  }

  #finalFailure(server: InviteServer, reply: SipReply, flow: Flow): void {
    // It holds the request, which the transaction must not do for as long as it waits for its ACK.
    server.delegate = {};
    if (server.transaction.state !== TransactionState.Proceeding) return;
    this.#core.through(flow, () => server.reject(this.#core.responseOptions(reply, flow.peer, true)));
    this.#repeatFinal(server, flow);
  }

  /** Timer G: a final answer other than 2xx is sent again until its ACK comes (RFC 3261 17.2.1). */
  #repeatFinal(server: UserAgentServer, flow: Flow): void {
    if (flow.reliable || !isInviteTransaction(server)) return;
    const { transaction } = server;
    retransmit(
      this.#clock,
      true,
      () => transaction.state === TransactionState.Completed && !this.#stopped,
      () => transaction.receiveRequest(server.message),
    );
  }

  #options2xx(message: IncomingRequestMessage, reply: SipReply, peer: SipPeer) {
    const options = this.#core.responseOptions(reply, peer, true);
    const routes = message.getHeaders("record-route").map((route) => `Record-Route: ${route}`);
    return { ...options, extraHeaders: [...routes, ...options.extraHeaders] };
  }
}

function answer(server: UserAgentServer, options: { statusCode: number; extraHeaders: string[]; body?: Body }): void {
  if (options.statusCode < 300) server.accept(options);
  else server.reject(options);
}
