/**
 * What is known of one call, merged from events of seven topics in whatever order they come, however often. Everything is either
 * a set by id or decided by the event's own time, so that the same events always make the same row.
 */
import type { Leg } from "@earshot/proto/api/calls.ts";
import type { Event, PayloadOf } from "@earshot/proto/event.ts";
import { type CallCard, type CallRow, durationOf } from "./call-card.ts";
import { saidSeparator } from "./call-row.ts";
import { isStage, outcomeOf, type StageName, type StageState, stagesToLetters, supersedes } from "./ledger.ts";
import { legsOf, nameOfSide, speakerOfLeg } from "./legs.ts";
import { conversationVersion, unknownBelowZero } from "./tables.ts";

/** Between two versions of a call there is one for settling it. */
export const versionStep = 2;

const noLegs: readonly Leg[] = [];

export class CallState {
  tenant: string;
  callId: string;
  /** The row as it is in the store; undefined = there is none. */
  stored: CallRow | undefined;

  startedAtMs = 0;
  endedAtMs = 0;
  legs: readonly Leg[] = noLegs;
  #changedAtMs = 0;
  #card: CallCard;

  /** Made when the first of their kind comes: of ten thousand imported records most have none. */
  #sentiments: Map<string, { leg: number; score: number; atMs: number }> | undefined;
  /** MOS by leg and start of the interval. */
  #quality: Map<number, Map<number, number>> | undefined;
  #alerts: Set<string> | undefined;
  #keyPresses: Set<string> | undefined;
  #stages: Map<StageName, StageState> | undefined;
  /** Words that came since the last write. */
  #words: Map<string, PayloadOf<"transcriptSegment">> | undefined;
  conversationVersion = -1;
  attentionAtMs = -1;

  constructor(tenant: string, callId: string) {
    this.tenant = tenant;
    this.callId = callId;
    this.#card = emptyCard(callId);
  }

  /** Becomes the state of another call of which nothing is known: of ten thousand records that are written at once, one after the other. */
  startOver(tenant: string, callId: string): void {
    this.tenant = tenant;
    this.callId = callId;
    this.stored = undefined;
    this.startedAtMs = 0;
    this.endedAtMs = 0;
    this.legs = noLegs;
    this.#changedAtMs = 0;
    this.#card = emptyCard(callId);
    this.#sentiments = undefined;
    this.#quality = undefined;
    this.#alerts = undefined;
    this.#keyPresses = undefined;
    this.#stages = undefined;
    this.#words = undefined;
    this.conversationVersion = -1;
    this.attentionAtMs = -1;
  }

  /** Takes the row of the store as the state to go on from. */
  restore(row: CallRow, card: CallCard): void {
    this.stored = row;
    this.#card = card;
    this.startedAtMs = card.startedAtMs;
    this.endedAtMs = card.endedAtMs;
    this.legs = card.legs;
    this.#changedAtMs = card.changedAtMs;
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
      case "sentiment":
        this.feel(payload.value.segmentId, payload.value.leg, payload.value.score, atMs);
        break;
      case "lineQuality":
        this.hear(payload.value.leg, payload.value.fromMs, payload.value.mos);
        break;
      case "alert":
        this.raise(payload.value.alertId);
        break;
      case "dtmfPressed":
        this.press(payload.value.leg, payload.value.positionMs);
        break;
      case "attention":
        if (atMs >= this.attentionAtMs) {
          this.attentionAtMs = atMs;
          this.#card.attention = rounded(payload.value.score) ?? 0;
        }
        break;
      case "conversationMetrics": {
        const version = conversationVersion(event, payload.value);
        if (version >= this.conversationVersion) {
          this.conversationVersion = version;
          this.#card.talkRatio = rounded(unknownBelowZero(payload.value.talkRatio));
        }
        break;
      }
      case "stageReached": {
        const outcome = outcomeOf(payload.value.outcome);
        if (isStage(payload.value.stage) && outcome !== undefined) this.reach(payload.value.stage, { outcome, atMs });
        break;
      }
      case "transcriptSegment":
        this.#words ??= new Map();
        if (payload.value.revision >= (this.#words.get(payload.value.segmentId)?.revision ?? 0))
          this.#words.set(payload.value.segmentId, payload.value);
        break;
      default:
        // A recording makes a call known, but is no column of its row.
        break;
    }
  }

  /** Sentiment of a segment; the newest of a segment counts. */
  feel(segmentId: string, leg: number, score: number, atMs: number): void {
    this.#sentiments ??= new Map();
    const before = this.#sentiments.get(segmentId);
    if (before === undefined || atMs >= before.atMs) this.#sentiments.set(segmentId, { leg, score, atMs });
  }

  /** Quality of a leg's line in one interval. */
  hear(leg: number, fromMs: number, mos: number): void {
    this.#quality ??= new Map();
    const intervals = this.#quality.get(leg) ?? new Map<number, number>();
    this.#quality.set(leg, intervals.set(fromMs, mos));
  }

  raise(alertId: string): void {
    this.#alerts ??= new Set();
    this.#alerts.add(alertId);
  }

  press(leg: number, positionMs: number): void {
    this.#keyPresses ??= new Set();
    this.#keyPresses.add(`${leg}-${positionMs}`);
  }

  reach(stage: StageName, state: StageState): void {
    this.#stages ??= new Map();
    if (supersedes(state, this.#stages.get(stage))) this.#stages.set(stage, state);
  }

  /** Words came since `wordsWritten`. */
  get hasNewWords(): boolean {
    return this.#words !== undefined;
  }

  /** The words that came since `wordsWritten`, for the search. */
  said(): string {
    if (this.#words === undefined) return "";
    return [...this.#words.values()]
      .sort((a, b) => a.startMs - b.startMs)
      .map((segment) => segment.text)
      .join(saidSeparator);
  }

  wordsWritten(): void {
    this.#words = undefined;
  }

  get nextVersion(): number {
    return (this.stored?.version ?? 0) + versionStep;
  }

  /** The card as it stands now. */
  toCard(): CallCard {
    const card = this.#card;
    card.startedAtMs = this.startedAtMs;
    card.endedAtMs = this.endedAtMs;
    card.durationMs = durationOf(this.startedAtMs, this.endedAtMs);
    card.changedAtMs = this.#changedAtMs;
    card.legs = this.legs;
    card.agent = nameOfSide(this.legs, "agent");
    card.caller = nameOfSide(this.legs, "caller");
    card.agentSentiment = rounded(this.#meanSentiment("agent"));
    card.callerSentiment = rounded(this.#meanSentiment("caller"));
    card.mos = rounded(this.#worstMeanMos());
    card.alertCount = this.#alerts?.size ?? 0;
    card.dtmfCount = this.#keyPresses?.size ?? 0;
    if (this.#stages !== undefined) card.stages = stagesToLetters(this.#stages);
    return card;
  }

  #started(start: PayloadOf<"callStarted">, atMs: number): void {
    if (start.startedAtMs > 0) this.startedAtMs = Math.trunc(start.startedAtMs);
    const card = this.#card;
    card.trunkId = start.trunkId;
    card.trunkName = start.trunkName;
    card.sipCallId = start.sipCallId;
    card.source = start.source;
    card.peer = start.peer;
    card.userAgent = start.userAgent;
    if (this.#changedAtMs !== 0 && atMs <= this.#changedAtMs) return;
    this.#changedAtMs = atMs;
    card.externalCallId = start.externalCallId;
    card.direction = start.direction;
    card.queue = start.queue;
    this.legs = legsOf(start.legs);
  }

  #updated(update: PayloadOf<"callUpdated">, atMs: number): void {
    if (atMs < this.#changedAtMs) return;
    this.#changedAtMs = atMs;
    const card = this.#card;
    card.externalCallId = update.externalCallId || card.externalCallId;
    card.direction = update.direction || card.direction;
    card.queue = update.queue || card.queue;
    card.recordingPaused = update.recordingPaused;
    if (update.legs.length > 0) this.legs = legsOf(update.legs);
  }

  /** Told twice with different times (a BYE, then a restart that did not know of it), the first end is the true one. */
  #ended(end: PayloadOf<"callEnded">): void {
    const endedAtMs = Math.trunc(end.endedAtMs);
    if (this.legs.length === 0 && end.legs.length > 0) this.legs = legsOf(end.legs);
    if (this.startedAtMs === 0) this.startedAtMs = end.startedAtMs > 0 ? Math.trunc(end.startedAtMs) : endedAtMs;
    if (this.endedAtMs !== 0 && endedAtMs >= this.endedAtMs) return;
    this.endedAtMs = endedAtMs;
    const card = this.#card;
    card.termination = end.termination;
    card.terminationDetail = end.detail;
    card.packetsReceived = end.packetsReceived;
    card.packetsLost = end.packetsLost;
  }

  #meanSentiment(side: "agent" | "caller"): number | null {
    if (this.#sentiments === undefined) return null;
    let sum = 0;
    let count = 0;
    for (const { leg, score } of this.#sentiments.values()) {
      if (speakerOfLeg(this.legs, leg) !== side) continue;
      sum += score;
      count++;
    }
    return count === 0 ? null : sum / count;
  }

  #worstMeanMos(): number | null {
    if (this.#quality === undefined) return null;
    let worst: number | null = null;
    for (const intervals of this.#quality.values()) {
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

/** Enough for people, and the same after a restart. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000;
}

function emptyCard(id: string): CallCard {
  return {
    id,
    startedAtMs: 0,
    endedAtMs: 0,
    durationMs: null,
    changedAtMs: 0,
    termination: "",
    terminationDetail: "",
    direction: "unknown",
    queue: "",
    trunkId: "",
    trunkName: "",
    source: "",
    agent: "",
    caller: "",
    legs: noLegs,
    recordingPaused: false,
    agentSentiment: null,
    callerSentiment: null,
    attention: 0,
    talkRatio: null,
    mos: null,
    alertCount: 0,
    dtmfCount: 0,
    stages: "ppppp",
    externalCallId: "",
    sipCallId: "",
    peer: "",
    userAgent: "",
    packetsReceived: 0,
    packetsLost: 0,
  };
}
