/**
 * What is known of one call, merged from events of seven topics in whatever order they come, however often. Everything is either
 * a set by id or decided by the event's own time, so that the same events always make the same row.
 */
import type { Leg } from "@earshot/proto/api/calls.ts";
import type { Event, PayloadOf } from "@earshot/proto/event.ts";
import type { CallRow } from "./call-row.ts";
import { isStage, outcomeOf, type StageName, type StageState, stagesToLetters, supersedes } from "./ledger.ts";
import { legsOf, nameOfSide, speakerOfLeg } from "./legs.ts";
import { conversationVersion, unknownBelowZero } from "./tables.ts";

/** Between two versions of a call there is one for settling it. */
export const versionStep = 2;

export class CallState {
  readonly tenant: string;
  readonly callId: string;
  /** The row as it is in the store; undefined = there is none. */
  stored: CallRow | undefined;

  startedAtMs = 0;
  endedAtMs = 0;
  legs: Leg[] = [];
  #legsJson = "";
  #changedAtMs = 0;
  #row: Omit<CallRow, "call_id" | "version" | "duration_ms">;

  readonly sentiments = new Map<string, { leg: number; score: number; atMs: number }>();
  /** MOS by leg and start of the interval. */
  readonly quality = new Map<number, Map<number, number>>();
  readonly alerts = new Set<string>();
  readonly keyPresses = new Set<string>();
  readonly stages = new Map<StageName, StageState>();
  conversationVersion = -1;
  attentionAtMs = -1;

  constructor(tenant: string, callId: string) {
    this.tenant = tenant;
    this.callId = callId;
    this.#row = emptyRow();
  }

  /** Takes the row of the store as the state to go on from. */
  restore(row: CallRow, legs: Leg[]): void {
    this.stored = row;
    this.startedAtMs = row.started_at_ms;
    this.endedAtMs = row.ended_at_ms;
    this.#changedAtMs = row.changed_at_ms;
    const { call_id: _id, version: _version, duration_ms: _duration, ...rest } = row;
    this.#row = rest;
    this.#setLegs(legs);
  }

  apply(event: Event): void {
    const payload = event.payload;
    const atMs = Math.trunc(event.occurredAtMs);
    switch (payload.case) {
      case "callStarted":
        this.#started(payload.value, atMs);
        break;
      case "callUpdated":
        this.#updated(payload.value, atMs);
        break;
      case "callEnded":
        this.#ended(payload.value);
        break;
      case "sentiment": {
        const { segmentId, leg, score } = payload.value;
        const before = this.sentiments.get(segmentId);
        if (before === undefined || atMs >= before.atMs) this.sentiments.set(segmentId, { leg, score, atMs });
        break;
      }
      case "lineQuality": {
        const { leg, fromMs, mos } = payload.value;
        const intervals = this.quality.get(leg) ?? new Map<number, number>();
        this.quality.set(leg, intervals.set(fromMs, mos));
        break;
      }
      case "alert":
        this.alerts.add(payload.value.alertId);
        break;
      case "dtmfPressed":
        this.keyPresses.add(`${payload.value.leg}-${payload.value.positionMs}`);
        break;
      case "attention":
        if (atMs >= this.attentionAtMs) {
          this.attentionAtMs = atMs;
          this.#row.attention = payload.value.score;
        }
        break;
      case "conversationMetrics": {
        const version = conversationVersion(event, payload.value);
        if (version >= this.conversationVersion) {
          this.conversationVersion = version;
          this.#row.talk_ratio = unknownBelowZero(payload.value.talkRatio);
        }
        break;
      }
      case "stageReached": {
        const outcome = outcomeOf(payload.value.outcome);
        if (isStage(payload.value.stage) && outcome !== undefined) this.reach(payload.value.stage, { outcome, atMs });
        break;
      }
      default:
        // Segments and recordings make a call known, but are no columns of its row.
        break;
    }
  }

  reach(stage: StageName, state: StageState): void {
    if (supersedes(state, this.stages.get(stage))) this.stages.set(stage, state);
  }

  /** The wide row as it stands now, under the next version. */
  toRow(): CallRow {
    const row = this.#row;
    row.started_at_ms = this.startedAtMs;
    row.ended_at_ms = this.endedAtMs;
    row.changed_at_ms = this.#changedAtMs;
    row.legs = this.#legsJson;
    row.agent = nameOfSide(this.legs, "agent");
    row.caller = nameOfSide(this.legs, "caller");
    row.agent_sentiment = this.#meanSentiment("agent");
    row.caller_sentiment = this.#meanSentiment("caller");
    row.mos = this.#worstMeanMos();
    row.alert_count = this.alerts.size;
    row.dtmf_count = this.keyPresses.size;
    row.stages = stagesToLetters(this.stages);
    return {
      ...row,
      call_id: this.callId,
      version: (this.stored?.version ?? 0) + versionStep,
      duration_ms: this.endedAtMs > 0 && this.startedAtMs > 0 ? Math.max(0, this.endedAtMs - this.startedAtMs) : null,
    };
  }

  #started(start: PayloadOf<"callStarted">, atMs: number): void {
    if (start.startedAtMs > 0) this.startedAtMs = Math.trunc(start.startedAtMs);
    const row = this.#row;
    row.trunk_id = start.trunkId;
    row.trunk_name = start.trunkName;
    row.sip_call_id = start.sipCallId;
    row.source = start.source;
    row.peer = start.peer;
    row.user_agent = start.userAgent;
    if (this.#changedAtMs !== 0 && atMs <= this.#changedAtMs) return;
    this.#changedAtMs = atMs;
    row.external_call_id = start.externalCallId;
    row.direction = start.direction;
    row.queue = start.queue;
    this.#setLegs(legsOf(start.legs));
  }

  #updated(update: PayloadOf<"callUpdated">, atMs: number): void {
    if (atMs < this.#changedAtMs) return;
    this.#changedAtMs = atMs;
    const row = this.#row;
    row.external_call_id = update.externalCallId || row.external_call_id;
    row.direction = update.direction || row.direction;
    row.queue = update.queue || row.queue;
    row.recording_paused = update.recordingPaused ? 1 : 0;
    if (update.legs.length > 0) this.#setLegs(legsOf(update.legs));
  }

  /** Told twice with different times (a BYE, then a restart that did not know of it), the first end is the true one. */
  #ended(end: PayloadOf<"callEnded">): void {
    const endedAtMs = Math.trunc(end.endedAtMs);
    if (this.legs.length === 0 && end.legs.length > 0) this.#setLegs(legsOf(end.legs));
    if (this.startedAtMs === 0) this.startedAtMs = end.startedAtMs > 0 ? Math.trunc(end.startedAtMs) : endedAtMs;
    if (this.endedAtMs !== 0 && endedAtMs >= this.endedAtMs) return;
    this.endedAtMs = endedAtMs;
    const row = this.#row;
    row.termination = end.termination;
    row.termination_detail = end.detail;
    row.packets_received = end.packetsReceived;
    row.packets_lost = end.packetsLost;
  }

  #setLegs(legs: Leg[]): void {
    this.legs = legs;
    this.#legsJson = legs.length === 0 ? "" : JSON.stringify(legs);
  }

  #meanSentiment(side: "agent" | "caller"): number | null {
    let sum = 0;
    let count = 0;
    for (const { leg, score } of this.sentiments.values()) {
      if (speakerOfLeg(this.legs, leg) !== side) continue;
      sum += score;
      count++;
    }
    return count === 0 ? null : sum / count;
  }

  #worstMeanMos(): number | null {
    let worst: number | null = null;
    for (const intervals of this.quality.values()) {
      let sum = 0;
      let count = 0;
      for (const mos of intervals.values()) {
        // 0 = the interval had nothing to judge.
        if (mos <= 0) continue;
        sum += mos;
        count++;
      }
      if (count > 0 && (worst === null || sum / count < worst)) worst = sum / count;
    }
    return worst;
  }
}

function emptyRow(): Omit<CallRow, "call_id" | "version" | "duration_ms"> {
  return {
    started_at_ms: 0,
    ended_at_ms: 0,
    changed_at_ms: 0,
    termination: "",
    termination_detail: "",
    direction: "unknown",
    queue: "",
    trunk_id: "",
    trunk_name: "",
    source: "",
    agent: "",
    caller: "",
    legs: "",
    recording_paused: 0,
    agent_sentiment: null,
    caller_sentiment: null,
    attention: 0,
    talk_ratio: null,
    mos: null,
    alert_count: 0,
    dtmf_count: 0,
    stages: "ppppp",
    external_call_id: "",
    sip_call_id: "",
    peer: "",
    user_agent: "",
    packets_received: 0,
    packets_lost: 0,
  };
}
