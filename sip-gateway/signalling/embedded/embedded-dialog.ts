/** A server dialog of the port over SIP.js' SessionDialog. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import {
  type IncomingRequestMessage,
  type IncomingResponse,
  type IncomingResponseMessage,
  type OutgoingRequestMessage,
  type SessionDialog,
  TransactionState,
  type UserAgentClient,
} from "sip.js/lib/core/index.js";
import type { SipBody, SipDialog, SipDialogHandlers, SipHeaders, SipPeer, SipResponse } from "../port.ts";
import { localResponse } from "../received-message.ts";
import type { Flow } from "./flow.ts";
import { retransmit } from "./retransmission.ts";

/** What a dialog needs of the signalling that made it. */
export type DialogHost = {
  readonly clock: Clock;
  /** Runs SIP.js code whose messages shall leave through `flow`. */
  through<T>(flow: Flow, run: () => T): T;
  /** The way to the dialog's next hop, undefined where there is none any more. */
  outbound(dialog: SessionDialog, arrivedOn: Flow): Flow | undefined;
  contact(peer: SipPeer): string;
  allow(): string;
  /** The port's view of a response that SIP.js received. */
  response(message: IncomingResponseMessage): SipResponse;
  forget(dialog: EmbeddedDialog): void;
};

export class EmbeddedDialog implements SipDialog {
  readonly id: string;
  readonly peer: SipPeer;
  readonly handlers: SipDialogHandlers;
  readonly inner: SessionDialog;
  readonly flow: Flow;
  readonly #host: DialogHost;
  #closed = false;
  /** The ACK came or will not come any more: BYE is allowed (RFC 3261 15). */
  #settled = false;
  #waitingForAck: (() => void)[] = [];
  /** The re-INVITE that is or was handled last brought an offer; SIP.js, which sees no bodies, cannot tell. */
  reinviteOffers = true;

  constructor(inner: SessionDialog, flow: Flow, handlers: SipDialogHandlers, host: DialogHost) {
    this.inner = inner;
    this.id = inner.id;
    this.flow = flow;
    this.peer = flow.peer;
    this.handlers = handlers;
    this.#host = host;
    flow.dialogs++;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Frees everything; the peer's BYE was answered or ours was sent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.flow.dialogs--;
    this.#host.forget(this);
    this.acknowledged();
  }

  /** The ACK came, or will not come any more. */
  acknowledged(): void {
    this.#settled = true;
    const waiting = this.#waitingForAck;
    this.#waitingForAck = [];
    for (const run of waiting) run();
  }

  /**
   * A new re-INVITE has come. One that we have answered is over then, with its ACK or without: RFC 3261 14.2 refuses a second one only before the
   * final answer to the first. SIP.js waits for the ACK, for the rest of the dialog where it is lost, and answers 500 meanwhile. Where the offer was
   * ours the ACK brings the answer, and the new one has to wait (RFC 6337 4.3).
   */
  reinvited(): void {
    const open = this.inner as unknown as {
      reinviteUserAgentServer: { readonly transaction: { readonly state: TransactionState } } | undefined;
      invite2xxTimer: ReturnType<typeof setTimeout> | undefined;
    };
    const { reinviteUserAgentServer: before } = open;
    if (before === undefined || before.transaction.state === TransactionState.Proceeding || !this.reinviteOffers) return;
    open.reinviteUserAgentServer = undefined;
    clearTimeout(open.invite2xxTimer);
    open.invite2xxTimer = undefined;
  }

  bye(headers: SipHeaders): Promise<SipResponse> {
    if (this.#settled) return this.#bye(headers);
    return new Promise((resolve) => this.#waitingForAck.push(() => resolve(this.#bye(headers))));
  }

  #bye(headers: SipHeaders): Promise<SipResponse> {
    if (this.#closed) return Promise.resolve(localResponse(481, "Call Does Not Exist"));
    const answer = this.#send((delegate) => this.inner.bye(delegate, { extraHeaders: lines(headers) }) as unknown as UserAgentClient, true);
    this.close();
    this.inner.dispose();
    return answer;
  }

  update(headers: SipHeaders, body?: SipBody): Promise<SipResponse> {
    return this.#send((delegate) => {
      const message = this.inner.createOutgoingRequestMessage("UPDATE", { extraHeaders: this.#ours(headers), body: sipBody(body) });
      return this.inner.userAgentCore.request(message, delegate) as unknown as UserAgentClient;
    }, true);
  }

  reinvite(headers: SipHeaders, body?: SipBody): Promise<SipResponse> {
    return this.#send(
      (delegate) =>
        this.inner.invite(
          {
            ...delegate,
            onAccept: (response) => {
              const flow = this.#host.outbound(this.inner, this.flow);
              if (flow !== undefined) this.#host.through(flow, () => response.ack());
              delegate.onAccept(response);
            },
          },
          { extraHeaders: this.#ours(headers), body: sipBody(body) },
        ) as unknown as UserAgentClient,
      false,
    );
  }

  #ours(headers: SipHeaders): string[] {
    return [`Contact: ${this.#host.contact(this.peer)}`, `Allow: ${this.#host.allow()}`, ...lines(headers)];
  }

  #send(
    create: (delegate: {
      onAccept(r: IncomingResponse): void;
      onReject(r: IncomingResponse): void;
      onRedirect(r: IncomingResponse): void;
    }) => UserAgentClient,
    capped: boolean,
  ): Promise<SipResponse> {
    if (this.#closed) return Promise.resolve(localResponse(481, "Call Does Not Exist"));
    const flow = this.#host.outbound(this.inner, this.flow);
    if (flow === undefined) return Promise.resolve(localResponse(503, "Connection Lost"));
    return new Promise((resolve) => {
      const done = (response: IncomingResponse) => resolve(this.#host.response(response.message));
      let client: UserAgentClient;
      try {
        client = this.#host.through(flow, () => create({ onAccept: done, onReject: done, onRedirect: done }));
      } catch {
        resolve(localResponse(491, "Request Pending"));
        return;
      }
      if (flow.reliable) return;
      const { transaction } = client;
      const text = (client as unknown as { message: OutgoingRequestMessage }).message.toString();
      const unfinished = () =>
        transaction.state === TransactionState.Trying ||
        transaction.state === TransactionState.Calling ||
        (capped && transaction.state === TransactionState.Proceeding);
      retransmit(this.#host.clock, capped, unfinished, () => void flow.send(text).catch(() => {}));
    });
  }
}

/** SIP.js' order check and target refresh for UPDATE (RFC 3311), which its dialogs do not know. @returns false when it was answered 500 */
export function acceptSequence(dialog: SessionDialog, message: IncomingRequestMessage, refreshTarget: boolean): boolean {
  const open = dialog as unknown as {
    sequenceGuard(message: IncomingRequestMessage): boolean;
    dialogState: { remoteSequenceNumber: number | undefined; remoteTarget: unknown };
  };
  if (!open.sequenceGuard(message)) return false;
  open.dialogState.remoteSequenceNumber = message.cseq;
  if (refreshTarget) {
    const contact: { uri?: unknown } | undefined = message.parseHeader("contact");
    if (contact?.uri !== undefined) open.dialogState.remoteTarget = contact.uri;
  }
  return true;
}

export const lines = (headers: SipHeaders): string[] => headers.map(([name, value]) => `${name}: ${value}`);

export function sipBody(body: SipBody | undefined) {
  if (body === undefined) return undefined;
  return {
    contentDisposition: body.contentType === "application/sdp" ? "session" : "render",
    contentType: body.contentType,
    content: body.content,
  };
}
