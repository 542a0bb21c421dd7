/** From the payloads of the event log to what the live socket says. Pure. */
import type {
  Alert,
  Attention,
  Conversation,
  LedgerStage,
  Leg,
  LineQuality,
  Segment,
  Speaker,
  Termination,
} from "@earshot/proto/api/calls.ts";
import { alert, ledgerStage, stageName, termination } from "@earshot/proto/api/calls.ts";
import type { PayloadOf } from "@earshot/proto/event.ts";

/** proto numbers of Speaker and Codec, in order. */
const speakers = ["mixed", "agent", "caller", "mixed"] as const;
const codecs = ["", "PCMA", "PCMU", "G722", "L16", "opus"] as const;

export const iso = (unixMs: number): string => new Date(unixMs).toISOString();
/** The wire's "not known" (-1) is null for people. */
const known = (value: number): number | null => (value < 0 ? null : value);

export const speakerView = (speaker: number): Speaker => speakers[speaker] ?? "mixed";

export function legView(leg: PayloadOf<"callStarted">["legs"][number]): Leg {
  const state = leg.state === "paused" || leg.state === "removed" ? leg.state : "active";
  return {
    index: leg.index,
    label: leg.label,
    speaker: speakerView(leg.speaker),
    speakerReason: leg.speakerReason,
    name: leg.participant?.name ?? "",
    address: leg.participant?.address ?? "",
    agentName: leg.agentName,
    codec: codecs[leg.codec] ?? "",
    state,
  };
}

/** User part of a SIP or tel address of record. */
const addressUser = (address: string): string => address.replace(/^(sips?|tel):/i, "").split(/[@;]/)[0] ?? "";

export function agentOf(legs: readonly Leg[]): string {
  const leg = legs.find((item) => item.speaker === "agent") ?? legs.find((item) => item.agentName !== "");
  return leg === undefined ? "" : leg.agentName || leg.name || addressUser(leg.address);
}

export function callerOf(legs: readonly Leg[]): string {
  const leg = legs.find((item) => item.speaker === "caller") ?? legs.find((item) => item.speaker === "mixed");
  return leg === undefined ? "" : leg.name || addressUser(leg.address);
}

export function terminationView(value: string): Termination {
  const known = termination.safeParse(value);
  return known.success ? known.data : "signalling_error";
}

export function directionView(value: string): "inbound" | "outbound" | "internal" | "unknown" {
  return value === "inbound" || value === "outbound" || value === "internal" ? value : "unknown";
}

export function segmentView(payload: PayloadOf<"transcriptSegment">, speaker: Speaker): Segment {
  return {
    segmentId: payload.segmentId,
    leg: payload.leg,
    speaker,
    startMs: payload.startMs,
    endMs: payload.endMs,
    text: payload.text,
    words: payload.words.map(({ text, startMs, endMs, confidence }) => ({ text, startMs, endMs, confidence: known(confidence) })),
    final: payload.final,
    revision: payload.revision,
    engine: payload.engine,
    confidence: known(payload.confidence),
    lostMs: payload.lostMs,
    sentiment: null,
    error: payload.error,
  };
}

export function conversationView(payload: PayloadOf<"conversationMetrics">): Conversation {
  return {
    durationMs: payload.durationMs,
    agentSpeechMs: payload.agentSpeechMs,
    callerSpeechMs: payload.callerSpeechMs,
    talkRatio: known(payload.talkRatio),
    silenceMs: payload.silenceMs,
    silenceCount: payload.silenceCount,
    silenceThresholdMs: payload.silenceThresholdMs,
    longestSilenceMs: payload.longestSilenceMs,
    currentSilenceMs: payload.currentSilenceMs,
    overtalkMs: payload.overtalkMs,
    overtalkCount: payload.overtalkCount,
    overtalkThresholdMs: payload.overtalkThresholdMs,
    agentInterruptions: payload.agentInterruptions,
    callerInterruptions: payload.callerInterruptions,
    agentTurns: payload.agentTurns,
    callerTurns: payload.callerTurns,
    longestAgentMonologueMs: payload.longestAgentMonologueMs,
    longestCallerMonologueMs: payload.longestCallerMonologueMs,
    responseLatencyMs: known(payload.responseLatencyMs),
    agentWordsPerMinute: known(payload.agentWordsPerMinute),
    callerWordsPerMinute: known(payload.callerWordsPerMinute),
  };
}

export function lineQualityView(payload: PayloadOf<"lineQuality">): LineQuality {
  return {
    leg: payload.leg,
    fromMs: payload.fromMs,
    toMs: payload.toMs,
    mos: payload.mos,
    rFactor: payload.rFactor,
    lossPercent: payload.packetsExpected === 0 ? 0 : (payload.packetsLost / payload.packetsExpected) * 100,
    packetsExpected: payload.packetsExpected,
    packetsLost: payload.packetsLost,
    packetsLate: payload.packetsLate,
    jitterMs: payload.jitterMs,
    burstRatio: payload.burstRatio,
    driftPpm: payload.driftPpm,
    codec: payload.codec,
    silent: payload.silent,
  };
}

const evidenceView = (items: PayloadOf<"alert">["evidence"]) => items.map(({ segmentId, atSeconds }) => ({ segmentId, atSeconds }));

export function attentionView(payload: PayloadOf<"attention">): Attention {
  return {
    score: Math.min(100, Math.max(0, payload.score)),
    reasons: payload.reasons.map(({ code, label, points, evidence }) => ({ code, label, points, evidence: evidenceView(evidence) })),
    version: payload.version,
  };
}

/** @param speaker of the leg it was said on; null where nothing was said */
export function alertView(payload: PayloadOf<"alert">, callId: string, raisedAtMs: number, speaker: Speaker | null): Alert {
  const severity = alert.shape.severity.safeParse(payload.severity);
  return {
    alertId: payload.alertId,
    callId,
    ruleId: payload.ruleId,
    ruleName: payload.ruleName,
    kind: payload.kind === "not_said" ? "not_said" : "said",
    phrase: payload.phrase,
    severity: severity.success ? severity.data : "warning",
    atMs: payload.atMs,
    raisedAt: iso(raisedAtMs),
    speaker: payload.kind === "not_said" ? null : speaker,
    evidence: evidenceView(payload.evidence),
  };
}

/** undefined where the stage is none of the five. */
export function stageView(payload: PayloadOf<"stageReached">, atMs: number): LedgerStage | undefined {
  const stage = stageName.safeParse(payload.stage);
  const outcome = ledgerStage.shape.outcome.safeParse(payload.outcome);
  if (!stage.success || !outcome.success) return undefined;
  const running = outcome.data === "running" || outcome.data === "pending";
  return {
    stage: stage.data,
    outcome: outcome.data,
    startedAt: payload.startedAtMs > 0 ? iso(payload.startedAtMs) : running ? iso(atMs) : null,
    finishedAt: running ? null : iso(atMs),
    detail: payload.detail,
    remedy: payload.remedy,
  };
}
