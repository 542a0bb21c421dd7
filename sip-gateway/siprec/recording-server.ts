/** The SIPREC recording server (RFC 7866): admits INVITEs, answers offers, keeps every session until it ends. */
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { Termination } from "@earshot/proto/api/calls.ts";
import { categories, EarshotError } from "@earshot/proto/errors.ts";
import type { CallCommand } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import type { Admission, Refusal } from "../admission/admission.ts";
import type { RefusalNotices } from "../admission/refusal-notices.ts";
import type {
  SipDialog,
  SipDialogHandlers,
  SipHandlers,
  SipHeaders,
  SipInvite,
  SipReply,
  SipRequest,
  SipServerRequest,
} from "../signalling/port.ts";
import { isMetadata, isSdp, readBody } from "./multipart.ts";
import { newCallId } from "./new-call-id.ts";
import { checkRecordingRequest } from "./recording-request.ts";
import { RecordingSession, type SessionContext, type SessionLimits } from "./recording-session.ts";
import { readSdp, type SessionDescription } from "./sdp.ts";
import {
  hasToken,
  negotiateSessionTimer,
  SessionTimer,
  type SessionTimerLimits,
  type SessionTimerTerms,
  termsOfAnswer,
} from "./session-timer.ts";
import { snapshotRequest } from "./snapshot-request.ts";

export type ServerLimits = SessionLimits & SessionTimerLimits & { readonly maxMediaLines: number; readonly retryAfterSeconds: number };
export type ServerContext = Omit<SessionContext, "onEnded" | "limits"> & {
  readonly limits: ServerLimits;
  readonly admission: Admission;
  readonly refusals: RefusalNotices;
  readonly metrics: Metrics;
};

type Content = { readonly sdp: string | undefined; readonly metadata: readonly string[] };

const accept: SipHeaders = [["Accept", "application/sdp, application/rs-metadata, application/rs-metadata+xml, multipart/mixed"]];
const acceptedSdp = "application/sdp";

export class RecordingServer implements SipHandlers {
  /** RFC 7866 6.1.2: the feature tag of a recording server. */
  readonly contactParameters = ";+sip.srs";
  readonly allow = ["INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "INFO", "OPTIONS"];
  readonly supported = ["siprec", "timer"];
  readonly #context: ServerContext;
  readonly #log: Log;
  readonly #sessions = new Map<string, RecordingSession>();
  readonly #invites;
  readonly #setUpMs;
  readonly #live;
  readonly #terminations;
  #stopWatch = () => {};

  constructor(context: ServerContext) {
    const { metrics } = context;
    this.#context = context;
    this.#log = context.log;
    this.#invites = metrics.counter("earshot_sip_invites_total", "INVITEs outside a dialog, by outcome", ["outcome"]);
    this.#live = metrics.gauge("earshot_sip_live_calls", "Recording sessions that are up");
    this.#terminations = metrics.counter("earshot_sip_calls_ended_total", "Recording sessions ended, by termination", ["termination"]);
    this.#setUpMs = metrics.histogram(
      "earshot_sip_call_setup_ms",
      "From INVITE to 200, milliseconds",
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    );
  }

  /** Starts to look for calls that nobody will ever end. */
  watch(): void {
    const { clock } = this.#context;
    this.#stopWatch = clock.every(1000, () => {
      const nowMs = clock.monotonicMs();
      for (const session of this.#sessions.values()) {
        const overdue = session.overdue(nowMs);
        if (overdue !== undefined) this.#end(session, overdue.termination, overdue.detail, true);
      }
    });
  }

  get liveCalls(): number {
    return this.#sessions.size;
  }

  /** Ends every call and waits for the answers to the BYEs. */
  async endAll(termination: Termination, detail: string): Promise<void> {
    this.#stopWatch();
    await Promise.all([...this.#sessions.values()].map((session) => session.end(termination, detail, true)));
  }

  command(callId: string, tenantId: string, command: CallCommand): void {
    const session = this.#sessions.get(callId);
    if (session === undefined || session.match.entry.tenant !== tenantId) return;
    if (command.command.case === "stop") {
      const { reason } = command.command.value;
      this.#end(session, "stopped", `Stopped by ${command.actor || "a command"}${reason === "" ? "." : `: ${reason}`}`, true);
    } else session.command(command);
  }

  onOptions(_request: SipRequest): SipReply {
    const { admission, limits } = this.#context;
    if (admission.draining) return { status: 503, headers: [["Retry-After", String(limits.retryAfterSeconds)]] };
    return { status: 200, headers: [...accept, ["Accept-Encoding", "identity"]] };
  }

  screenInvite(request: SipRequest): SipReply | undefined {
    const refusal = this.#context.admission.screen(request);
    if (refusal === undefined) return undefined;
    this.#invites.inc({ outcome: refusal.outcome });
    this.#context.refusals.tell(request, refusal);
    return reply(refusal);
  }

  onInvite(invite: SipInvite): void {
    this.#accept(invite).catch((error: unknown) => {
      const category = error instanceof EarshotError ? error.category : "bug";
      const status = category === "invalid_request" ? 488 : categories[category].sip;
      if (category === "bug") this.#log.error({ err: error }, "An INVITE could not be handled");
      else if (category !== "invalid_request") this.#log.warn({ err: error }, "An INVITE was refused");
      this.#invites.inc({ outcome: invite.cancelled ? "cancelled" : category });
      const reason = error instanceof EarshotError ? error.message : undefined;
      if (!invite.cancelled)
        this.#context.refusals.tell(invite.request, { status, outcome: category, ...(reason === undefined ? {} : { reason }) });
      invite.reject(this.#failure(status, reason));
    });
  }

  async #accept(invite: SipInvite): Promise<void> {
    const { clock, admission, limits } = this.#context;
    const { request } = invite;
    const receivedAtMs = clock.monotonicMs();
    const admitted = admission.admit(request);
    if ("status" in admitted) return this.#refuse(invite, admitted);
    const { match } = admitted;
    try {
      const shape = checkRecordingRequest(request, match.trunk.lenientSiprec);
      if (shape !== undefined) return this.#refuse(invite, shape);
      const content = this.#readContent(request);
      if ("status" in content) return this.#refuse(invite, content);
      if (content.metadata.length === 0 && !match.trunk.acceptWithoutMetadata)
        return this.#refuse(invite, { status: 400, reason: "Recording Metadata Missing", outcome: "no_metadata" });
      const timer = negotiateSessionTimer(request, limits);
      if (timer.kind === "too-small") return this.#refuse(invite, { status: 422, headers: timer.headers, outcome: "session_too_short" });
      const offer = this.#readOffer(content.sdp);
      if ("status" in offer) return this.#refuse(invite, offer);
      const session = new RecordingSession(newCallId(clock.now()), match, request, {
        ...this.#context,
        onEnded: (ended, termination) => {
          stopTimer();
          this.#forget(ended, termination);
          admission.leave(match);
        },
      });
      let stopTimer = () => {};
      let readable = true;
      for (const xml of content.metadata) readable = session.readMetadata(xml) && readable;
      const sdp = await session.answer(offer).catch((error: unknown) => {
        session.discard();
        throw error;
      });
      if (invite.cancelled) {
        session.discard();
        this.#invites.inc({ outcome: "cancelled" });
        return;
      }
      session.begin();
      this.#sessions.set(session.id, session);
      this.#live.set(this.#sessions.size);
      admitted.keep();
      const sessionTimer = new SessionTimer(
        clock,
        (terms) => void this.#refresh(session, sessionTimer, terms),
        () => this.#end(session, "session_timer", "The session was not refreshed in time.", true),
      );
      stopTimer = () => sessionTimer.stop();
      const answer: SipReply = {
        status: 200,
        headers: [...accept, ...(timer.kind === "agreed" ? timer.headers : [])],
        body: { contentType: acceptedSdp, content: sdp },
      };
      const dialog = this.#answer(invite, answer, session, sessionTimer);
      if (dialog === undefined) return void session.end("cancel", "", false);
      session.attach(dialog);
      if (timer.kind === "agreed") sessionTimer.restart(timer.terms);
      this.#invites.inc({ outcome: "accepted" });
      this.#setUpMs.observe(clock.monotonicMs() - receivedAtMs);
      this.#log.info(
        { tenantId: match.entry.tenant, callId: session.id, trunkId: match.trunk.id, legs: session.legs.length },
        "Call started",
      );
      if (!readable || (content.metadata.length > 0 && !session.metadata.complete)) this.#askSnapshot(session);
    } finally {
      admitted.release();
    }
  }

  #answer(invite: SipInvite, answer: SipReply, session: RecordingSession, timer: SessionTimer): SipDialog | undefined {
    try {
      return invite.accept(answer, this.#dialogHandlers(session, timer));
    } catch (error) {
      this.#end(session, "signalling_error", "The INVITE could not be answered.", false);
      throw error;
    }
  }

  #dialogHandlers(session: RecordingSession, timer: SessionTimer): SipDialogHandlers {
    return {
      onReinvite: (reinvite) => void this.#modify(session, timer, reinvite, "re-invite"),
      onUpdate: (update) => void this.#modify(session, timer, update, "metadata"),
      onInfo: (info) => {
        const content = this.#readContent(info.request);
        if ("status" in content) return info.reply(reply(content));
        this.#takeMetadata(session, content);
        session.publishChanges("metadata");
        info.reply({ status: 200 });
      },
      onAck: (ack) => {
        if (ack.body === "") return;
        const content = this.#readContent(ack);
        if ("status" in content) return;
        this.#takeMetadata(session, content);
        session.publishChanges("metadata");
      },
      onBye: (bye) => this.#end(session, "bye", bye.header("reason") ?? "", false),
      onAckTimeout: () => this.#end(session, "signalling_error", "Our 200 was never acknowledged.", true),
    };
  }

  /** A re-INVITE or UPDATE: a new offer, new metadata, a session refresh, or all of them. */
  async #modify(session: RecordingSession, timer: SessionTimer, incoming: SipServerRequest, reason: string): Promise<void> {
    const { request } = incoming;
    const offers = request.header("content-type") !== undefined;
    if (offers && session.modifying) return incoming.reply({ status: 491 });
    session.modifying ||= offers;
    try {
      const shape = checkRecordingRequest(request, true);
      if (shape !== undefined) return incoming.reply(reply(shape));
      const terms = negotiateSessionTimer(request, this.#context.limits);
      if (terms.kind === "too-small") return incoming.reply({ status: 422, headers: terms.headers });
      const content = this.#readContent(request);
      if ("status" in content) return incoming.reply(reply(content));
      let body: string | undefined;
      if (content.sdp !== undefined) {
        const offer = this.#readOffer(content.sdp);
        if ("status" in offer) return incoming.reply(reply(offer));
        this.#takeMetadata(session, content);
        body = await session.answer(offer);
      } else {
        this.#takeMetadata(session, content);
        // A re-INVITE without offer asks for ours (RFC 3261 14.2): what we said last still holds.
        if (request.method === "INVITE") body = session.localSdp;
      }
      if (session.ended) return incoming.reply({ status: 481 });
      incoming.reply({
        status: 200,
        headers: [...accept, ...(terms.kind === "agreed" ? terms.headers : [])],
        ...(body === undefined ? {} : { body: { contentType: acceptedSdp, content: body } }),
      });
      timer.restart(terms.kind === "agreed" ? terms.terms : undefined);
      session.publishChanges(content.sdp === undefined ? "metadata" : reason);
    } catch (error) {
      const category = error instanceof EarshotError ? error.category : "bug";
      if (category === "bug") this.#log.error({ err: error, callId: session.id }, "A re-INVITE or UPDATE could not be handled");
      incoming.reply(
        this.#failure(
          category === "invalid_request" ? 488 : categories[category].sip,
          error instanceof EarshotError ? error.message : undefined,
        ),
      );
    } finally {
      if (offers) session.modifying = false;
    }
  }

  #takeMetadata(session: RecordingSession, content: Content): void {
    for (const xml of content.metadata) {
      const missed = !session.metadata.complete;
      if (!session.readMetadata(xml) || (missed && !session.metadata.complete)) this.#askSnapshot(session);
    }
  }

  /** RFC 7866 9.2, where the client can take an UPDATE. */
  #askSnapshot(session: RecordingSession): void {
    const { dialog } = session;
    if (dialog === undefined || !hasToken(session.request, "allow", "update")) return;
    const { headers, body } = snapshotRequest("The metadata so far is incomplete or unreadable.");
    dialog.update(headers, body).then(
      (response) => this.#log.debug({ callId: session.id, status: response.status }, "Metadata snapshot asked for"),
      () => {},
    );
  }

  /** We are the refresher: an UPDATE, or a re-INVITE with the same description where the client takes no UPDATE (RFC 4028 7.4). */
  async #refresh(session: RecordingSession, timer: SessionTimer, terms: SessionTimerTerms): Promise<void> {
    const { dialog } = session;
    if (dialog === undefined || session.ended) return;
    const headers: SipHeaders = [["Session-Expires", `${terms.seconds};refresher=uac`]];
    const response = hasToken(session.request, "allow", "update")
      ? await dialog.update(headers)
      : await dialog.reinvite(headers, { contentType: acceptedSdp, content: session.localSdp });
    if (session.ended) return;
    if (response.status >= 200 && response.status < 300) timer.restart(termsOfAnswer(response, terms) ?? terms);
    else if (response.status === 408 || response.status === 481 || response.status === 503)
      this.#end(session, "session_timer", `The session refresh was answered ${response.status}.`, true);
    else timer.restart({ ...terms, refresher: "peer" });
  }

  #readContent(request: SipRequest): Content | Refusal {
    const parts = readBody(request.header("content-type"), request.header("content-disposition"), request.body);
    if ("fault" in parts) return { status: 400, reason: parts.fault, outcome: "malformed" };
    const encoding = request.header("content-encoding")?.toLowerCase();
    if (encoding !== undefined && encoding !== "identity")
      return { status: 415, headers: [...accept, ["Accept-Encoding", "identity"]], outcome: "malformed" };
    return { sdp: parts.parts.find(isSdp)?.content, metadata: parts.parts.filter(isMetadata).map((part) => part.content) };
  }

  #readOffer(sdp: string | undefined): SessionDescription | Refusal {
    if (sdp === undefined) return { status: 488, reason: "A Recording Session Needs An SDP Offer", outcome: "no_offer" };
    const offer = readSdp(sdp, this.#context.limits.maxMediaLines);
    if (!("fault" in offer)) return offer;
    return { status: offer.fault === "Too Many Media Lines" ? 488 : 400, reason: offer.fault, outcome: "malformed" };
  }

  #refuse(invite: SipInvite, refusal: Refusal): void {
    this.#invites.inc({ outcome: refusal.outcome });
    this.#context.refusals.tell(invite.request, refusal);
    invite.reject(reply(refusal));
  }

  #failure(status: number, reason: string | undefined): SipReply {
    const text = status === 488 || status === 400 ? reason : undefined;
    const headers: SipHeaders = status === 503 ? [["Retry-After", String(this.#context.limits.retryAfterSeconds)]] : [];
    return { status, headers, ...(text === undefined ? {} : { reason: text }) };
  }

  #end(session: RecordingSession, termination: Termination, detail: string, bye: boolean): void {
    session.end(termination, detail, bye).catch((error: unknown) => this.#log.warn({ err: error, callId: session.id }, "BYE failed"));
  }

  #forget(session: RecordingSession, termination: Termination): void {
    this.#sessions.delete(session.id);
    this.#live.set(this.#sessions.size);
    this.#terminations.inc({ termination });
    this.#log.info({ tenantId: session.match.entry.tenant, callId: session.id, termination }, "Call ended");
  }
}

function reply(refusal: Refusal): SipReply {
  const { status, reason, headers } = refusal;
  return { status, ...(reason === undefined ? {} : { reason }), ...(headers === undefined ? {} : { headers }) };
}
