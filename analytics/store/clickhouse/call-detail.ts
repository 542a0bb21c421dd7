/** Everything about one call: its page, transcript, ledger and recording. */
import type { Alert, CallDetail, Conversation, LedgerStage, LineQuality, Segment } from "@earshot/proto/api/calls.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { StoredRecording } from "../port.ts";
import { type CallCard, type CallRow, callRowColumns, parseCard } from "./call-card.ts";
import { summaryOf } from "./call-row.ts";
import { type LedgerRow, ledgerOf } from "./ledger.ts";
import { speakerOfLeg } from "./legs.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";

const ofCall = `FINAL WHERE ${ofTenant} AND call_id = {id:String}`;

/** By id alone: among the open calls by key, among the settled ones the bloom filter leaves a few granules of the whole table. */
export async function callCard(query: TenantQuery, tenant: TenantId, id: string): Promise<CallCard | undefined> {
  const find = async () =>
    (
      await Promise.all([
        query<CallRow>(tenant, `SELECT ${callRowColumns} FROM calls_open ${ofCall}`, { id }),
        query<CallRow>(tenant, `SELECT ${callRowColumns} FROM calls WHERE ${ofTenant} AND call_id = {id:String}`, { id }),
      ])
    ).flat()[0];
  // In neither: perhaps it was moved from one to the other between the two queries.
  const row = (await find()) ?? (await find());
  if (row === undefined) return undefined;
  const card = parseCard(row);
  // Its start has not arrived yet: not a call that could be shown.
  return card.startedAtMs === 0 ? undefined : card;
}

export async function callDetail(query: TenantQuery, tenant: TenantId, id: string, nowMs: number): Promise<CallDetail | undefined> {
  const card = await callCard(query, tenant, id);
  if (card === undefined) return undefined;
  const legs = card.legs;
  const [conversations, attentions, alerts, quality, recordings] = await Promise.all([
    query<{ metrics: string }>(tenant, `SELECT metrics FROM conversations ${ofCall}`, { id }),
    query<{ reasons: string }>(tenant, `SELECT reasons FROM attentions ${ofCall}`, { id }),
    query<AlertRow>(
      tenant,
      `SELECT alert_id, toFloat64(version) AS at, rule_id, rule_name, kind, phrase, severity, at_ms, leg, evidence FROM alerts ${ofCall} ORDER BY at_ms, alert_id`,
      { id },
    ),
    query<QualityRow>(
      tenant,
      `SELECT leg, from_ms, to_ms, mos, r_factor, packets_expected, packets_lost, packets_late, jitter_ms, burst_ratio, drift_ppm, codec, silent FROM line_quality ${ofCall} ORDER BY from_ms, leg`,
      { id },
    ),
    query<{
      bytes: number;
      duration_ms: number;
      sample_rate: number;
      channels: number;
      peak_ms: number;
      peaks64: string[];
      channel_legs: number[];
    }>(
      tenant,
      `SELECT bytes, duration_ms, sample_rate, channels, peak_ms, arrayMap(x -> base64Encode(x), peaks) AS peaks64, channel_legs FROM recordings ${ofCall}`,
      { id },
    ),
  ]);
  const recording = recordings[0];
  return {
    ...summaryOf(card, nowMs),
    externalCallId: card.externalCallId,
    sipCallId: card.sipCallId,
    peer: card.peer,
    userAgent: card.userAgent,
    conversation: conversations[0] === undefined ? null : (JSON.parse(conversations[0].metrics) as Conversation),
    attentionReasons: attentions[0] === undefined ? [] : (JSON.parse(attentions[0].reasons) as CallDetail["attentionReasons"]),
    alerts: alerts.map((alert) => ({
      alertId: alert.alert_id,
      callId: id,
      ruleId: alert.rule_id,
      ruleName: alert.rule_name,
      kind: alert.kind === "not_said" ? "not_said" : "said",
      phrase: alert.phrase,
      severity: alert.severity === "critical" || alert.severity === "warning" ? alert.severity : "info",
      atMs: alert.at_ms,
      raisedAt: new Date(alert.at).toISOString(),
      // What was not said was said on no leg.
      speaker: alert.kind === "not_said" ? null : speakerOfLeg(legs, alert.leg),
      evidence: JSON.parse(alert.evidence) as Alert["evidence"],
    })),
    lineQuality: quality.map(lineQualityOf),
    recording:
      recording === undefined
        ? null
        : {
            durationMs: recording.duration_ms,
            sampleRate: recording.sample_rate,
            channels: recording.channels,
            bytes: recording.bytes,
            peakMs: recording.peak_ms,
            peaks: recording.peaks64,
            channelLegs: recording.channel_legs,
          },
    dtmfCount: card.dtmfCount,
  };
}

type AlertRow = {
  alert_id: string;
  at: number;
  rule_id: string;
  rule_name: string;
  kind: string;
  phrase: string;
  severity: string;
  at_ms: number;
  leg: number;
  evidence: string;
};

type QualityRow = {
  leg: number;
  from_ms: number;
  to_ms: number;
  mos: number;
  r_factor: number;
  packets_expected: number;
  packets_lost: number;
  packets_late: number;
  jitter_ms: number;
  burst_ratio: number;
  drift_ppm: number;
  codec: string;
  silent: number;
};

function lineQualityOf(row: QualityRow): LineQuality {
  return {
    leg: row.leg,
    fromMs: row.from_ms,
    toMs: row.to_ms,
    mos: row.mos,
    rFactor: row.r_factor,
    lossPercent: row.packets_expected === 0 ? 0 : (100 * row.packets_lost) / row.packets_expected,
    packetsExpected: row.packets_expected,
    packetsLost: row.packets_lost,
    packetsLate: row.packets_late,
    jitterMs: row.jitter_ms,
    burstRatio: row.burst_ratio,
    driftPpm: row.drift_ppm,
    codec: row.codec,
    silent: row.silent === 1,
  };
}

export async function transcript(query: TenantQuery, tenant: TenantId, id: string): Promise<Segment[]> {
  const [card, segments, sentiments] = await Promise.all([
    callCard(query, tenant, id),
    query<{
      segment_id: string;
      leg: number;
      start_ms: number;
      end_ms: number;
      text: string;
      word_texts: string[];
      word_starts: number[];
      word_ends: number[];
      word_confidences: number[];
      revision: number;
      engine: string;
      confidence: number;
      lost_ms: number;
      error: string;
    }>(
      tenant,
      `SELECT segment_id, leg, start_ms, end_ms, text, word_texts, word_starts, word_ends, word_confidences, revision, engine, confidence, lost_ms, error FROM segments ${ofCall} ORDER BY start_ms, leg, segment_id`,
      { id },
    ),
    query<{ segment_id: string; score: number }>(tenant, `SELECT segment_id, score FROM sentiments ${ofCall}`, { id }),
  ]);
  const legs = card?.legs ?? [];
  const scores = new Map(sentiments.map((sentiment) => [sentiment.segment_id, sentiment.score]));
  return segments.map((segment) => ({
    segmentId: segment.segment_id,
    leg: segment.leg,
    speaker: speakerOfLeg(legs, segment.leg),
    startMs: segment.start_ms,
    endMs: segment.end_ms,
    text: segment.text,
    words: segment.word_texts.map((text, index) => ({
      text,
      startMs: segment.word_starts[index] ?? 0,
      endMs: segment.word_ends[index] ?? 0,
      confidence: knownConfidence(segment.word_confidences[index] ?? -1),
    })),
    final: true,
    revision: segment.revision,
    engine: segment.engine,
    confidence: knownConfidence(segment.confidence),
    lostMs: segment.lost_ms,
    sentiment: scores.get(segment.segment_id) ?? null,
    error: segment.error,
  }));
}

function knownConfidence(value: number): number | null {
  return value < 0 ? null : value;
}

/** Empty where there is no such call. */
export async function ledger(query: TenantQuery, tenant: TenantId, id: string, nowMs: number): Promise<LedgerStage[]> {
  const [card, rows] = await Promise.all([
    callCard(query, tenant, id),
    query<LedgerRow>(
      tenant,
      `SELECT stage, outcome, toFloat64(version) AS version, toFloat64(toUnixTimestamp64Milli(stage_started_at)) AS stage_started_at, detail, remedy FROM ledger ${ofCall}`,
      { id },
    ),
  ]);
  return card === undefined ? [] : ledgerOf(rows, card.endedAtMs, nowMs);
}

export async function recording(query: TenantQuery, tenant: TenantId, id: string): Promise<StoredRecording | undefined> {
  const rows = await query<{ object_key: string; bytes: number; duration_ms: number; sample_rate: number; channels: number }>(
    tenant,
    `SELECT object_key, bytes, duration_ms, sample_rate, channels FROM recordings ${ofCall}`,
    { id },
  );
  const row = rows[0];
  return row === undefined
    ? undefined
    : { objectKey: row.object_key, bytes: row.bytes, durationMs: row.duration_ms, sampleRate: row.sample_rate, channels: row.channels };
}
