/** One call as the live view knows it: events in, the newest state and what to tell the screens out. Synchronous. */
import { type LedgerStage, type Speaker, stageName } from "@earshot/proto/api/calls.ts";
import type { LiveCall, LiveEvent } from "@earshot/proto/api/live.ts";
import type { Event, PayloadOf } from "@earshot/proto/event.ts";
import type { Place } from "./read-positions.ts";
import {
  agentOf,
  alertView,
  attentionView,
  callerOf,
  conversationView,
  directionView,
  iso,
  legView,
  lineQualityView,
  segmentView,
  speakerView,
  stageView,
  terminationView,
} from "./views.ts";

const curvePoints = 30;
/** Utterances whose newest revision is remembered, so that a redelivered partial does not replace a later one. */
const rememberedSegments = 256;
const keptAlerts = 50;
/** Over every revision, which are 32 bits. */
const finalRank = 2 ** 32;

export class LiveCallState {
  readonly tenantId: string;
  /** Where its start stands on the log. */
  readonly start: Place;
  readonly call: LiveCall;
  #revisions = new Map<string, number>();
  #sentiment = new Map<string, { side: Speaker; score: number }>();
  #mos = new Map<number, { sum: number; count: number; newestToMs: number }>();
  #stages = new Map<string, LedgerStage>();

  /** Where the start was lost, the end stands alone and carries what is needed. */
  constructor(event: Event, started: PayloadOf<"callStarted">, start: Place) {
    this.tenantId = event.tenantId;
    this.start = start;
    const legs = started.legs.map(legView);
    this.call = {
      id: event.callId,
      startedAt: iso(started.startedAtMs),
      endedAt: null,
      durationMs: null,
      termination: null,
      terminationDetail: "",
      direction: directionView(started.direction),
      queue: started.queue,
      trunkId: started.trunkId,
      trunkName: started.trunkName,
      source: started.source,
      agent: agentOf(legs),
      caller: callerOf(legs),
      legs,
      recordingPaused: false,
      agentSentiment: null,
      callerSentiment: null,
      attention: 0,
      talkRatio: null,
      mos: null,
      alertCount: 0,
      stages: ["pending", "pending", "pending", "pending", "pending"],
      conversation: null,
      attentionReasons: [],
      alerts: [],
      lineQuality: [],
      sentimentCurve: { agent: [], caller: [] },
      lastWords: null,
    };
  }

  get ended(): boolean {
    return this.call.endedAt !== null;
  }

  /** The stages reached so far, by name. */
  get ledger(): ReadonlyMap<string, LedgerStage> {
    return this.#stages;
  }

  /** @returns what the screens are to be told; undefined where nothing changed (redelivery, or nothing to show) */
  apply(event: Event): LiveEvent | undefined {
    const { payload } = event;
    switch (payload.case) {
      case "callUpdated":
        return this.#update(payload.value);
      case "callEnded":
        return this.#end(payload.value);
      case "transcriptSegment":
        return this.#words(payload.value);
      case "sentiment":
        return this.#feel(payload.value);
      case "conversationMetrics":
        return this.#measure(payload.value);
      case "lineQuality":
        return this.#hear(payload.value);
      case "attention":
        return this.#attend(payload.value);
      case "alert":
        return this.#warn(payload.value, event.occurredAtMs);
      case "stageReached":
        return this.#reach(payload.value, event.occurredAtMs);
      default:
        return undefined;
    }
  }

  #sideOf(leg: number): Speaker {
    return this.call.legs.find((item) => item.index === leg)?.speaker ?? "mixed";
  }

  #update(payload: PayloadOf<"callUpdated">): LiveEvent {
    const { call } = this;
    if (payload.legs.length > 0) call.legs = payload.legs.map(legView);
    call.agent = agentOf(call.legs);
    call.caller = callerOf(call.legs);
    if (payload.direction !== "") call.direction = directionView(payload.direction);
    if (payload.queue !== "") call.queue = payload.queue;
    call.recordingPaused = payload.recordingPaused;
    return { type: "call.updated", callId: call.id, call };
  }

  #end(payload: PayloadOf<"callEnded">): LiveEvent | undefined {
    const { call } = this;
    if (this.ended) return undefined;
    const endedAt = iso(payload.endedAtMs);
    const termination = terminationView(payload.termination);
    call.endedAt = endedAt;
    call.durationMs = Math.max(0, payload.endedAtMs - Date.parse(call.startedAt));
    call.termination = termination;
    call.terminationDetail = payload.detail;
    return { type: "call.ended", callId: call.id, endedAt, termination, detail: payload.detail };
  }

  #words(payload: PayloadOf<"transcriptSegment">): LiveEvent | undefined {
    const before = this.#revisions.get(payload.segmentId);
    // A final outranks every partial. Two of one segment come where a worker that was cut off had sent its own: the newer owner's counts higher.
    const rank = (payload.final ? finalRank : 0) + payload.revision;
    if (before !== undefined && before >= rank) return undefined;
    this.#revisions.set(payload.segmentId, rank);
    if (this.#revisions.size > rememberedSegments) this.#revisions.delete(this.#revisions.keys().next().value!);
    const speaker = payload.speaker === 0 ? this.#sideOf(payload.leg) : speakerView(payload.speaker);
    const segment = segmentView(payload, speaker);
    if (segment.text !== "") this.call.lastWords = { speaker, text: segment.text.slice(-200), final: segment.final };
    return { type: segment.final ? "transcript.final" : "transcript.partial", callId: this.call.id, segment };
  }

  #feel(payload: PayloadOf<"sentiment">): LiveEvent | undefined {
    const { call } = this;
    const speaker = this.#sideOf(payload.leg);
    const side = speaker === "agent" ? "agent" : "caller";
    const before = this.#sentiment.get(payload.segmentId);
    if (before !== undefined && before.score === payload.score) return undefined;
    this.#sentiment.set(payload.segmentId, { side: speaker, score: payload.score });
    const curve = call.sentimentCurve[side].filter(([at]) => at !== payload.startMs);
    curve.push([payload.startMs, payload.score]);
    curve.sort(([a], [b]) => a - b);
    call.sentimentCurve = { ...call.sentimentCurve, [side]: curve.slice(-curvePoints) };
    call.agentSentiment = this.#meanSentiment("agent");
    call.callerSentiment = this.#meanSentiment("caller");
    const { segmentId, startMs, score, trend } = payload;
    return { type: "sentiment", callId: call.id, segmentId, speaker, startMs, score, trend };
  }

  #meanSentiment(side: Speaker): number | null {
    let sum = 0;
    let count = 0;
    for (const item of this.#sentiment.values()) {
      if (item.side !== side) continue;
      sum += item.score;
      count += 1;
    }
    return count === 0 ? null : sum / count;
  }

  #measure(payload: PayloadOf<"conversationMetrics">): LiveEvent | undefined {
    const before = this.call.conversation;
    if (before !== null && payload.durationMs < before.durationMs) return undefined;
    const conversation = conversationView(payload);
    this.call.conversation = conversation;
    this.call.talkRatio = conversation.talkRatio;
    return { type: "metrics", callId: this.call.id, conversation };
  }

  #hear(payload: PayloadOf<"lineQuality">): LiveEvent | undefined {
    const { call } = this;
    const leg = this.#mos.get(payload.leg) ?? { sum: 0, count: 0, newestToMs: -1 };
    if (payload.toMs <= leg.newestToMs) return undefined;
    leg.newestToMs = payload.toMs;
    // Without a packet in five seconds there is no quality to speak of.
    if (payload.mos > 0) {
      leg.sum += payload.mos;
      leg.count += 1;
    }
    this.#mos.set(payload.leg, leg);
    const lineQuality = lineQualityView(payload);
    call.lineQuality = [...call.lineQuality.filter((item) => item.leg !== payload.leg), lineQuality].sort((a, b) => a.leg - b.leg);
    const means = [...this.#mos.values()].filter(({ count }) => count > 0).map(({ sum, count }) => sum / count);
    call.mos = means.length === 0 ? null : Math.min(...means);
    return { type: "line-quality", callId: call.id, lineQuality };
  }

  #attend(payload: PayloadOf<"attention">): LiveEvent {
    const attention = attentionView(payload);
    this.call.attention = attention.score;
    this.call.attentionReasons = attention.reasons;
    return { type: "attention", callId: this.call.id, attention };
  }

  #warn(payload: PayloadOf<"alert">, raisedAtMs: number): LiveEvent | undefined {
    const { call } = this;
    if (call.alerts.some((item) => item.alertId === payload.alertId)) return undefined;
    const alert = alertView(payload, call.id, raisedAtMs, this.#sideOf(payload.leg));
    call.alerts = [...call.alerts, alert].slice(-keptAlerts);
    call.alertCount += 1;
    return { type: "alert", callId: call.id, alert };
  }

  #reach(payload: PayloadOf<"stageReached">, atMs: number): LiveEvent | undefined {
    const stage = stageView(payload, atMs);
    if (stage === undefined) return undefined;
    const before = this.#stages.get(stage.stage);
    const settled = before !== undefined && before.finishedAt !== null;
    if (settled && stage.finishedAt === null) return undefined;
    if (before?.outcome === stage.outcome && before.finishedAt === stage.finishedAt) return undefined;
    stage.startedAt ??= before?.startedAt ?? null;
    this.#stages.set(stage.stage, stage);
    this.call.stages = this.call.stages.map((outcome, index) => (stageName.options[index] === stage.stage ? stage.outcome : outcome));
    return { type: "ledger", callId: this.call.id, stage };
  }
}
