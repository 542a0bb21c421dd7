/** One recording session is one call: legs, metadata, timers, and exactly one end. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Termination } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { CallCommand } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import type { CallId } from "@earshot/proto/ids.ts";
import type { TrunkMatch } from "../admission/trunk-directory.ts";
import type { CallEvents } from "../events/call-events.ts";
import type { LegPorts, MediaPlane } from "../media/port.ts";
import { assignSides, directionOf, numberOf, type Side } from "../participants/agent-side.ts";
import type { SipDialog, SipHeaders, SipRequest } from "../signalling/port.ts";
import { Leg } from "./leg.ts";
import { answerLines, negotiate, refusal, refusalLines } from "./media-answer.ts";
import { type MetadataLimits, readMetadata } from "./metadata-document.ts";
import { MetadataState } from "./metadata-state.ts";
import { type SessionDescription, writeSdp } from "./sdp.ts";

export type SessionLimits = {
  readonly metadata: MetadataLimits;
  readonly maxCallMs: number;
  readonly mediaTimeoutMs: number;
  readonly pausedTimeoutMs: number;
};
export type SessionContext = {
  readonly clock: Clock;
  readonly log: Log;
  readonly events: CallEvents;
  /** Of the gateway that has the call. */
  readonly gatewayId: string;
  readonly mediaPlane: MediaPlane;
  readonly limits: SessionLimits;
  /** Called once, when the call has ended. */
  onEnded(session: RecordingSession, termination: Termination): void;
};

const maxLegs = 64;
/** What the demo PBX of this product calls itself. */
const demoUserAgent = "Earshot demo PBX";

export class RecordingSession {
  readonly id: CallId;
  readonly match: TrunkMatch;
  readonly startedAtMs: number;
  readonly metadata: MetadataState;
  readonly request: SipRequest;
  /** An offer is being answered: another one has to wait (491). */
  modifying = false;
  readonly #context: SessionContext;
  readonly #log: Log;
  #legs: Leg[] = [];
  /** The leg on each m-line of the newest offer. */
  #lines: (Leg | undefined)[] = [];
  #dialog: SipDialog | undefined;
  #state: "new" | "up" | "ended" = "new";
  #recordingPaused = false;
  #updates = 0;
  #sdpVersion = 0;
  #lastSdp = "";
  #mediaSeen = false;
  #pausedSinceMs: number | undefined;
  /** On the monotonic clock, like all that decides how long something lasts: the wall clock may be set at any time. */
  #activeSinceMs: number;
  readonly #beganMs: number;
  #metadataFault = "";
  #unreadableMetadata = "";
  #published = "";
  readonly #sdpId: number;

  constructor(id: CallId, match: TrunkMatch, request: SipRequest, context: SessionContext) {
    this.id = id;
    this.match = match;
    this.request = request;
    this.#context = context;
    this.startedAtMs = context.clock.now();
    this.#beganMs = context.clock.monotonicMs();
    this.#activeSinceMs = this.#beganMs;
    this.#sdpId = Math.floor(this.startedAtMs);
    this.metadata = new MetadataState(context.limits.metadata.maxParticipants);
    this.#log = context.log.child({ tenantId: match.entry.tenant, callId: id });
  }

  get ended(): boolean {
    return this.#state === "ended";
  }

  get dialog(): SipDialog | undefined {
    return this.#dialog;
  }

  /** The newest description we sent, for a re-INVITE without offer. */
  get localSdp(): string {
    return this.#lastSdp;
  }

  get legs(): readonly Leg[] {
    return this.#legs;
  }

  /**
   * Answers an offer: every m-line, in order (RFC 3264 6). Adds, pauses, resumes and removes legs.
   * @throws EarshotError invalid_request where nothing of it can be recorded, unavailable where ports are short; nothing has changed then
   */
  async answer(offer: SessionDescription): Promise<string> {
    const { trunk } = this.match;
    if (offer.media.length < this.#lines.length)
      throw new EarshotError("invalid_request", "sdp_lines_removed", "Media Lines Removed From Offer");
    const refusals = offer.media.map((line) => (line.port === 0 ? "removed" : refusal(line, trunk.requireSrtp)));
    if (this.#state === "new" && refusals.every((reason) => reason !== undefined))
      throw new EarshotError("invalid_request", "no_usable_stream", `No Usable Stream: ${refusals[0]}`);
    const fresh = await this.#allocate(offer, refusals);
    if (this.ended) {
      for (const ports of fresh.values()) this.#context.mediaPlane.release(ports);
      throw new EarshotError("cancelled", "call_ended", "Call Ended");
    }
    const lines: (Leg | undefined)[] = [];
    const sdp: string[] = [];
    offer.media.forEach((line, index) => {
      const present = this.#lines[index];
      if (refusals[index] !== undefined) {
        present?.remove();
        lines.push(undefined);
        sdp.push(...refusalLines(line));
        return;
      }
      const agreed = negotiate(line, present?.agreed.crypto);
      const ports = fresh.get(index);
      let leg = present;
      if (ports !== undefined) {
        leg = new Leg(this.#legs.length, index, line.label ?? "", ports, agreed);
        this.#legs.push(leg);
        this.#open(leg);
      } else leg!.renegotiate(line.label, agreed);
      lines.push(leg);
      sdp.push(...answerLines(line, agreed, leg!.ports));
    });
    this.#lines = lines;
    this.#assignSpeakers();
    this.#lastSdp = writeSdp(this.request.peer.localAddress, this.#sdpId, ++this.#sdpVersion, sdp);
    return this.#lastSdp;
  }

  /** All ports that the offer needs, or none. */
  async #allocate(offer: SessionDescription, refusals: readonly (string | undefined)[]): Promise<Map<number, LegPorts>> {
    const needed = offer.media
      .map((_, index) => index)
      .filter((index) => refusals[index] === undefined && this.#lines[index] === undefined);
    if (this.#legs.length + needed.length > maxLegs)
      throw new EarshotError("invalid_request", "too_many_legs", "Too Many Streams In One Session");
    const fresh = new Map<number, LegPorts>();
    try {
      for (const index of needed) fresh.set(index, await this.#context.mediaPlane.allocate());
    } catch (error) {
      for (const ports of fresh.values()) this.#context.mediaPlane.release(ports);
      throw error;
    }
    return fresh;
  }

  #open(leg: Leg): void {
    const { mediaPlane, events, clock } = this.#context;
    const { tenant } = this.match.entry;
    leg.media = mediaPlane.open(tenant, this.id, leg.index, this.startedAtMs, leg.ports, leg.agreed.description, {
      onDtmf: (digit, positionMs, durationMs) =>
        events.publish(tenant, this.id, `dtmf-${leg.index}-${positionMs}`, clock.now(), {
          case: "dtmfPressed",
          value: {
            leg: leg.index,
            digit,
            positionMs: Math.max(0, Math.round(positionMs)),
            durationMs: Math.max(0, Math.round(durationMs)),
          },
        }),
      onFirstPacket: () => this.#onFirstPacket(),
    });
    if (this.#recordingPaused) leg.media.setPaused(true);
  }

  #onFirstPacket(): void {
    if (this.#mediaSeen) return;
    this.#mediaSeen = true;
    this.#stage("media", "running", "");
  }

  /** Reads a metadata document into the call. Bad metadata never costs the audio: the call goes on and is marked. @returns false where it could not be read */
  readMetadata(xml: string): boolean {
    const document = readMetadata(xml, this.#context.limits.metadata);
    if ("fault" in document) {
      this.#metadataFault = document.fault;
      this.#unreadableMetadata = xml.slice(0, this.#context.limits.metadata.maxBytes);
      this.#log.warn({ fault: document.fault, bytes: xml.length }, "Recording metadata could not be read; the call is recorded without it");
      if (this.#state === "up") this.#stage("record", "running", `Unreadable metadata: ${document.fault}.`);
      return false;
    }
    this.metadata.apply(document);
    this.#assignSpeakers();
    return true;
  }

  /** Publishes the start. @throws EarshotError unavailable where the event log takes nothing: the session is then closed */
  begin(): void {
    const { events } = this.#context;
    const { entry, trunk } = this.match;
    const { request } = this;
    const userAgent = (request.header("user-agent") ?? "").slice(0, 200);
    this.#published = this.#fingerprint();
    try {
      events.require(entry.tenant, this.id, "started", this.startedAtMs, {
        case: "callStarted",
        value: {
          startedAtMs: this.startedAtMs,
          trunkId: trunk.id,
          trunkName: trunk.name,
          legs: this.#legs.map((leg) => leg.record()),
          sipCallId: request.callId,
          externalCallId: this.metadata.externalCallId(),
          direction: this.#direction(),
          queue: trunk.queue,
          source: userAgent.startsWith(demoUserAgent) ? "demo" : "siprec",
          peer: request.peer.address,
          userAgent,
          unreadableMetadata: this.#unreadableMetadata,
          gatewayId: this.#context.gatewayId,
        },
      });
    } catch (error) {
      this.discard();
      throw error;
    }
    this.#state = "up";
    this.#stage("record", "running", this.#metadataNote());
  }

  attach(dialog: SipDialog): void {
    this.#dialog = dialog;
  }

  /** Publishes what changed since the last event, if anything did. */
  publishChanges(reason: string): void {
    const fingerprint = this.#fingerprint();
    if (fingerprint !== this.#published) this.#publishState(reason, fingerprint);
  }

  #publishState(reason: string, fingerprint: string): void {
    if (this.#state !== "up") return;
    this.#published = fingerprint;
    const { events, clock } = this.#context;
    events.publish(this.match.entry.tenant, this.id, `updated-${++this.#updates}`, clock.now(), {
      case: "callUpdated",
      value: {
        legs: this.#legs.map((leg) => leg.record()),
        externalCallId: this.metadata.externalCallId(),
        direction: this.#direction(),
        queue: this.match.trunk.queue,
        recordingPaused: this.#recordingPaused,
        reason,
        unreadableMetadata: this.#unreadableMetadata,
      },
    });
  }

  command(command: CallCommand): void {
    switch (command.command.case) {
      case "pause":
      case "resume": {
        this.#recordingPaused = command.command.case === "pause";
        for (const leg of this.#legs) leg.media?.setPaused(this.#recordingPaused);
        break;
      }
      case "setLegSpeakers":
        for (const { leg, speaker } of command.command.value.legs) this.#legs[leg]?.correct(speaker);
        break;
      case "report":
        this.#publishState("asked", this.#fingerprint());
        return;
      default:
        return;
    }
    this.publishChanges("command");
  }

  /** Called once a second: what no message will ever tell. @param nowMs monotonic @returns why the call must end now */
  overdue(nowMs: number): { termination: Termination; detail: string } | undefined {
    if (this.#state !== "up") return undefined;
    const { limits } = this.#context;
    if (nowMs - this.#beganMs >= limits.maxCallMs)
      return { termination: "max_duration", detail: "The call reached EARSHOT_SIP_MAX_CALL_MS." };
    const active = this.#legs.filter((leg) => leg.state === "active");
    if (active.length === 0) {
      this.#pausedSinceMs ??= nowMs;
      if (nowMs - this.#pausedSinceMs < limits.pausedTimeoutMs) return undefined;
      return { termination: "media_timeout", detail: "All streams were inactive for EARSHOT_SIP_PAUSED_TIMEOUT_MS." };
    }
    if (this.#pausedSinceMs !== undefined) {
      this.#pausedSinceMs = undefined;
      this.#activeSinceMs = nowMs;
    }
    const heardAtMs = Math.max(this.#activeSinceMs, ...active.map((leg) => leg.media?.lastPacketMs() ?? this.#activeSinceMs));
    if (nowMs - heardAtMs < limits.mediaTimeoutMs) return undefined;
    return { termination: "media_timeout", detail: `No RTP for ${Math.round((nowMs - heardAtMs) / 1000)} s.` };
  }
  /** Ends the call, once; `bye` = the peer does not know yet. Resolves when the peer has answered. */
  async end(termination: Termination, detail: string, bye: boolean): Promise<void> {
    if (this.#state === "ended") return;
    const wasUp = this.#state === "up";
    this.#state = "ended";
    for (const leg of this.#legs) leg.remove();
    if (wasUp) this.#publishEnd(termination, detail);
    this.#context.onEnded(this, termination);
    if (bye && this.#dialog !== undefined) await this.#dialog.bye(byeReason(termination, detail));
  }

  /** Gives everything back without a trace: the session was never answered. */
  discard(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    for (const leg of this.#legs) leg.remove();
  }

  #publishEnd(termination: Termination, detail: string): void {
    const { events, clock } = this.#context;
    // As long after the start as the call was, whatever has been done to the wall clock meanwhile.
    const endedAtMs = this.startedAtMs + Math.round(clock.monotonicMs() - this.#beganMs);
    const totals = this.#legs.map((leg) => leg.totals);
    const received = totals.reduce((sum, one) => sum + one.packetsReceived, 0);
    events.publish(this.match.entry.tenant, this.id, "ended", endedAtMs, {
      case: "callEnded",
      value: {
        endedAtMs,
        termination,
        detail: detail.slice(0, 500),
        startedAtMs: this.startedAtMs,
        legs: this.#legs.map((leg) => leg.record()),
        packetsReceived: received,
        packetsLost: totals.reduce((sum, one) => sum + one.packetsLost, 0),
      },
    });
    this.#stage("record", "done", this.#metadataNote());
    if (received > 0 || this.#mediaSeen) this.#stage("media", "done", "");
    else this.#stage("media", "failed", "No RTP arrived.", "Check that the PBX can reach EARSHOT_RTP_PORTS on this host over UDP.");
  }

  #stage(stage: "record" | "media", outcome: "running" | "done" | "failed", detail: string, remedy = ""): void {
    const { events, clock } = this.#context;
    events.stage(this.match.entry.tenant, this.id, clock.now(), { stage, outcome, detail, remedy, startedAtMs: this.startedAtMs });
  }

  #metadataNote(): string {
    return this.#metadataFault === "" ? "" : `Unreadable metadata: ${this.#metadataFault}.`;
  }

  #assignSpeakers(): void {
    const present = this.#legs.filter((leg) => leg.state !== "removed");
    const ordered = present.toSorted((a, b) => a.mediaLine - b.mediaLine);
    for (const leg of ordered) {
      const joined = this.metadata.speakersOf(leg.label);
      leg.participants = joined.length > 0 || ordered.length > 1 ? joined : this.metadata.participants();
    }
    const { trunk, entry } = this.match;
    const order = trunk.labelOrder === "caller-first" ? "caller-first" : "agent-first";
    // A call that once had two streams keeps its sides when one of them goes.
    if (ordered.length === 1 && this.#legs.length > 1) return;
    const sides = assignSides(ordered, entry.extensions, order);
    for (const [index, leg] of ordered.entries()) leg.assign(sides[index]!);
  }

  #direction(): string {
    const sides: { side: Side; participants: Leg["participants"] }[] = this.#legs.map((leg) => ({
      side: "mixed",
      participants: leg.participants,
    }));
    return directionOf(sides, numberOf(this.request.header("from") ?? ""));
  }

  #fingerprint(): string {
    return JSON.stringify([
      this.#legs.map((leg) => leg.record()),
      this.metadata.externalCallId(),
      this.#direction(),
      this.#recordingPaused,
      this.#unreadableMetadata,
    ]);
  }
}

/** RFC 3326: tells the peer why. */
function byeReason(termination: Termination, detail: string): SipHeaders {
  // Who stopped it, and why, is for the tenant's own eyes: the peer may be anybody's.
  if (termination === "stopped") return [["Reason", 'SIP;cause=200;text="The recording was stopped."']];
  const status = termination === "media_timeout" || termination === "session_timer" ? 408 : 503;
  return [["Reason", `SIP;cause=${termination === "max_duration" ? 200 : status};text="${detail.replace(/["\\\r\n]/g, "")}"`]];
}
