/** Each table as the binary insert sees it, and how an event becomes its row. The order of writes is the order of `structure`. */

import type { Conversation } from "@earshot/proto/api/calls.ts";
import type { Event, PayloadOf } from "@earshot/proto/event.ts";
import type { InsertTarget } from "./native-block.ts";
import { columnsOf, type NativeBlock } from "./native-block.ts";

export function target(name: string, structure: string): InsertTarget {
  const columns = columnsOf(structure)
    .map(({ name }) => name)
    .join(", ");
  return { name, structure, columns };
}

export const segmentsTable = target(
  "segments",
  "tenant String, call_id String, start_ms UInt32, segment_id String, revision UInt32, leg UInt16, end_ms UInt32, text String, " +
    "word_texts Array(String), word_starts Array(UInt32), word_ends Array(UInt32), word_confidences Array(Float32), engine String, " +
    "engine_version String, language String, confidence Float32, lost_ms UInt32, error String",
);

export function writeSegment(out: NativeBlock, event: Event, segment: PayloadOf<"transcriptSegment">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.u32(segment.startMs);
  out.string(segment.segmentId);
  out.u32(segment.revision);
  out.u16(segment.leg);
  out.u32(segment.endMs);
  out.string(segment.text);
  const words = segment.words;
  out.length(words.length);
  for (const word of words) out.string(word.text);
  out.length(words.length);
  for (const word of words) out.u32(word.startMs);
  out.length(words.length);
  for (const word of words) out.u32(word.endMs);
  out.length(words.length);
  for (const word of words) out.f32(word.confidence);
  out.string(segment.engine);
  out.string(segment.engineVersion);
  out.string(segment.language);
  out.f32(segment.confidence);
  out.u32(segment.lostMs);
  out.string(segment.error);
  out.rows++;
}

export const sentimentsTable = target(
  "sentiments",
  "tenant String, call_id String, segment_id String, version UInt64, leg UInt16, start_ms UInt32, score Float32, trend Float32, " +
    "analyser String, analyser_version String",
);

export function writeSentiment(out: NativeBlock, event: Event, sentiment: PayloadOf<"sentiment">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.string(sentiment.segmentId);
  out.i64(event.occurredAtMs);
  out.u16(sentiment.leg);
  out.u32(sentiment.startMs);
  out.f32(sentiment.score);
  out.f32(sentiment.trend);
  out.string(sentiment.analyser);
  out.string(sentiment.analyserVersion);
  out.rows++;
}

export const lineQualityTable = target(
  "line_quality",
  "tenant String, call_id String, leg UInt16, from_ms UInt32, version UInt64, to_ms UInt32, packets_expected UInt32, " +
    "packets_received UInt32, packets_lost UInt32, packets_late UInt32, packets_duplicate UInt32, packets_reordered UInt32, " +
    "jitter_ms Float32, burst_ratio Float32, drift_ppm Float32, r_factor Float32, mos Float32, delay_ms Float32, codec String, silent UInt8",
);

export function writeLineQuality(out: NativeBlock, event: Event, quality: PayloadOf<"lineQuality">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.u16(quality.leg);
  out.u32(quality.fromMs);
  out.i64(event.occurredAtMs);
  out.u32(quality.toMs);
  out.u32(quality.packetsExpected);
  out.u32(quality.packetsReceived);
  out.u32(quality.packetsLost);
  out.u32(quality.packetsLate);
  out.u32(quality.packetsDuplicate);
  out.u32(quality.packetsReordered);
  out.f32(quality.jitterMs);
  out.f32(quality.burstRatio);
  out.f32(quality.driftPpm);
  out.f32(quality.rFactor);
  out.f32(quality.mos);
  out.f32(quality.delayMs);
  out.string(quality.codec);
  out.u8(quality.silent ? 1 : 0);
  out.rows++;
}

export const conversationsTable = target(
  "conversations",
  "tenant String, call_id String, version UInt64, final UInt8, talk_ratio Nullable(Float32), metrics String",
);

export function writeConversation(out: NativeBlock, event: Event, metrics: PayloadOf<"conversationMetrics">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.i64(conversationVersion(event, metrics));
  out.u8(metrics.final ? 1 : 0);
  out.nullableF32(unknownBelowZero(metrics.talkRatio));
  out.string(JSON.stringify(conversationOf(metrics)));
  out.rows++;
}

/** Of the same moment the final metrics count. */
export function conversationVersion(event: Event, metrics: PayloadOf<"conversationMetrics">): number {
  return Math.trunc(event.occurredAtMs) * 2 + (metrics.final ? 1 : 0);
}

export function unknownBelowZero(value: number): number | null {
  return value < 0 ? null : value;
}

function conversationOf(metrics: PayloadOf<"conversationMetrics">): Conversation {
  return {
    durationMs: metrics.durationMs,
    agentSpeechMs: metrics.agentSpeechMs,
    callerSpeechMs: metrics.callerSpeechMs,
    talkRatio: unknownBelowZero(metrics.talkRatio),
    silenceMs: metrics.silenceMs,
    silenceCount: metrics.silenceCount,
    silenceThresholdMs: metrics.silenceThresholdMs,
    longestSilenceMs: metrics.longestSilenceMs,
    currentSilenceMs: metrics.currentSilenceMs,
    overtalkMs: metrics.overtalkMs,
    overtalkCount: metrics.overtalkCount,
    overtalkThresholdMs: metrics.overtalkThresholdMs,
    agentInterruptions: metrics.agentInterruptions,
    callerInterruptions: metrics.callerInterruptions,
    agentTurns: metrics.agentTurns,
    callerTurns: metrics.callerTurns,
    longestAgentMonologueMs: metrics.longestAgentMonologueMs,
    longestCallerMonologueMs: metrics.longestCallerMonologueMs,
    responseLatencyMs: unknownBelowZero(metrics.responseLatencyMs),
    agentWordsPerMinute: unknownBelowZero(metrics.agentWordsPerMinute),
    callerWordsPerMinute: unknownBelowZero(metrics.callerWordsPerMinute),
  };
}

export const attentionsTable = target(
  "attentions",
  "tenant String, call_id String, version UInt64, score Float32, reasons String, scorer_version String",
);

export function writeAttention(out: NativeBlock, event: Event, attention: PayloadOf<"attention">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.i64(event.occurredAtMs);
  out.f32(attention.score);
  out.string(
    JSON.stringify(attention.reasons.map(({ code, label, points, evidence }) => ({ code, label, points, evidence: evidenceOf(evidence) }))),
  );
  out.string(attention.version);
  out.rows++;
}

export const alertsTable = target(
  "alerts",
  "tenant String, call_id String, alert_id String, version UInt64, rule_id String, rule_name String, kind String, phrase String, " +
    "severity String, at_ms UInt32, leg UInt16, evidence String",
);

export function writeAlert(out: NativeBlock, event: Event, alert: PayloadOf<"alert">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.string(alert.alertId);
  out.i64(event.occurredAtMs);
  out.string(alert.ruleId);
  out.string(alert.ruleName);
  out.string(alert.kind);
  out.string(alert.phrase);
  out.string(alert.severity);
  out.u32(alert.atMs);
  out.u16(alert.leg);
  out.string(JSON.stringify(evidenceOf(alert.evidence)));
  out.rows++;
}

function evidenceOf(evidence: readonly { segmentId: string; atSeconds: number }[]): { segmentId: string; atSeconds: number }[] {
  return evidence.map(({ segmentId, atSeconds }) => ({ segmentId, atSeconds }));
}

export const recordingsTable = target(
  "recordings",
  "tenant String, call_id String, version UInt64, object_key String, bytes UInt32, duration_ms UInt32, sample_rate UInt32, channels UInt8, " +
    "sha256 String, peaks Array(String), peak_ms UInt32, channel_legs Array(UInt16)",
);

export function writeRecording(out: NativeBlock, event: Event, recording: PayloadOf<"recordingStored">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.i64(event.occurredAtMs);
  out.string(recording.objectKey);
  out.u32(recording.bytes);
  out.u32(recording.durationMs);
  out.u32(recording.sampleRate);
  out.u8(recording.channels);
  out.string(recording.sha256);
  out.length(recording.peaks.length);
  for (const channel of recording.peaks) out.blob(channel);
  out.u32(recording.peakMs);
  out.length(recording.channelLegs.length);
  for (const leg of recording.channelLegs) out.u16(leg);
  out.rows++;
}

export const ledgerTable = target(
  "ledger",
  "tenant String, call_id String, stage String, outcome String, version UInt64, stage_started_at DateTime64(3, 'UTC'), detail String, remedy String",
);

export function writeStage(out: NativeBlock, event: Event, stage: PayloadOf<"stageReached">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.string(stage.stage);
  out.string(stage.outcome);
  out.i64(event.occurredAtMs);
  out.i64(stage.startedAtMs);
  out.string(stage.detail);
  out.string(stage.remedy);
  out.rows++;
}

export const keyPressesTable = target(
  "key_presses",
  "tenant String, call_id String, leg UInt16, position_ms UInt32, version UInt64, duration_ms UInt32",
);

export function writeKeyPress(out: NativeBlock, event: Event, press: PayloadOf<"dtmfPressed">): void {
  out.string(event.tenantId);
  out.string(event.callId);
  out.u16(press.leg);
  out.u32(press.positionMs);
  out.i64(event.occurredAtMs);
  out.u32(press.durationMs);
  out.rows++;
}
