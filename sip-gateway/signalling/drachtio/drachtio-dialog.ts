/** A server dialog of the port over a dialog that drachtio-server keeps. */
import type { SipBody, SipDialog, SipDialogHandlers, SipHeaders, SipPeer, SipReply, SipResponse } from "../port.ts";
import { localResponse } from "../received-message.ts";

/** What a dialog needs of the signalling that made it. */
export type DialogHost = {
  send(dialog: DrachtioDialog, dialogId: string, method: string, headers: SipHeaders, body: SipBody | undefined): Promise<SipResponse>;
  forget(dialog: DrachtioDialog): void;
  /** Runs `giveUp` when the server is lost. @returns to be called when nothing is waited for any more */
  untilLost(giveUp: () => void): () => void;
};

export class DrachtioDialog implements SipDialog {
  readonly id: string;
  readonly peer: SipPeer;
  readonly handlers: SipDialogHandlers;
  readonly #host: DialogHost;
  readonly #accepted: Promise<string | undefined>;
  readonly #acknowledged: Promise<void>;
  #closed = false;
  #settle = (): void => {};
  #remoteSequence: number;
  /** Re-INVITEs that have no final answer yet, theirs and ours: one at a time (RFC 3261 14). */
  #isAnsweringInvite = false;
  #isInviting = false;
  /** We answered a re-INVITE with an offer: its ACK brings the answer. */
  #awaitsAnswer = false;

  /**
   * @param id Call-ID and the peer's tag: the server's own name of the dialog comes only after the 2xx has left
   * @param remoteSequence CSeq of the INVITE
   * @param accepted the server's name of the dialog; undefined where the 2xx could not be sent
   */
  constructor(
    id: string,
    peer: SipPeer,
    handlers: SipDialogHandlers,
    remoteSequence: number,
    accepted: Promise<string | undefined>,
    host: DialogHost,
  ) {
    this.id = id;
    this.#remoteSequence = remoteSequence;
    this.peer = peer;
    this.handlers = handlers;
    this.#accepted = accepted;
    this.#host = host;
    this.#acknowledged = new Promise((resolve) => {
      // A server that is lost tells of no ACK any more, nor that none came.
      const stopWaiting = host.untilLost(() => this.#settle());
      this.#settle = () => {
        stopWaiting();
        resolve();
      };
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The peer's BYE was answered, ours was sent, or the server knows the dialog no more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#host.forget(this);
    this.#settle();
  }

  /** The ACK came, or will not come any more: BYE is allowed (RFC 3261 15). */
  acknowledged(): void {
    this.#awaitsAnswer = false;
    this.#settle();
  }

  /** @returns false for a new request whose CSeq is not above that of the last one (RFC 3261 12.2.2) */
  inSequence(sequence: number): boolean {
    if (!(sequence > this.#remoteSequence)) return false;
    this.#remoteSequence = sequence;
    return true;
  }

  /**
   * @returns the refusal of a re-INVITE while another one is under way (RFC 3261 14.2) or its answer is still to come (RFC 6337 4.3), undefined where
   *   it may go on: until `inviteAnswered`
   */
  inviteRefusal(retryAfterSeconds: number): SipReply | undefined {
    if (this.#isInviting) return { status: 491 };
    if (this.#isAnsweringInvite || this.#awaitsAnswer) return { status: 500, headers: [["Retry-After", String(retryAfterSeconds)]] };
    this.#isAnsweringInvite = true;
    return undefined;
  }

  /** @param awaitsAnswer ours was an offer */
  inviteAnswered(awaitsAnswer: boolean): void {
    this.#isAnsweringInvite = false;
    this.#awaitsAnswer = awaitsAnswer;
  }

  async bye(headers: SipHeaders): Promise<SipResponse> {
    await this.#acknowledged;
    const answer = this.#send("BYE", headers, undefined);
    this.close();
    return answer;
  }

  update(headers: SipHeaders, body?: SipBody): Promise<SipResponse> {
    return this.#send("UPDATE", headers, body);
  }

  async reinvite(headers: SipHeaders, body?: SipBody): Promise<SipResponse> {
    if (this.#isInviting || this.#isAnsweringInvite) return localResponse(491, "Request Pending");
    this.#isInviting = true;
    try {
      return await this.#send("INVITE", headers, body);
    } finally {
      this.#isInviting = false;
    }
  }

  async #send(method: string, headers: SipHeaders, body: SipBody | undefined): Promise<SipResponse> {
    if (this.#closed) return localResponse(481, "Call Does Not Exist");
    const dialogId = await this.#accepted;
    if (dialogId === undefined) return localResponse(481, "Call Does Not Exist");
    return this.#host.send(this, dialogId, method, headers, body);
  }
}
