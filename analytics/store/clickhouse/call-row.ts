/** The row of a call: columns for what is filtered, sorted and summed, and the card with everything that is shown. */
import type { CallSummary, Termination } from "@earshot/proto/api/calls.ts";
import { termination as terminations } from "@earshot/proto/api/calls.ts";
import { type CallCard, writeCard } from "./call-card.ts";
import { stagesFromLetters } from "./ledger.ts";
import type { NativeBlock } from "./native-block.ts";
import { target } from "./tables.ts";

const shared =
  "started_at DateTime64(3, 'UTC'), ended_at DateTime64(3, 'UTC'), duration_ms Nullable(UInt32), termination String, direction String, " +
  "queue String, trunk_id String, agent String, caller String, agent_sentiment Nullable(Float32), caller_sentiment Nullable(Float32), " +
  "attention Float32, mos Nullable(Float32), alert_count UInt16, card String";

/** Settled calls: each is there once. */
export const callsTable = target("calls", `tenant String, newest_first Int64, call_id String, version UInt64, ${shared}, said String`);
/** Between two segments in `said`: a token of its own that nobody says (private use), so that no phrase reaches across. */
export const saidSeparator = " \u{E000} ";

/** Calls that are up or changed a moment ago: the newest version counts. */
export const openCallsTable = target(
  "calls_open",
  `tenant String, call_id String, version UInt64, in_settled UInt8, written_at DateTime64(3, 'UTC'), newest_first Int64, ${shared}`,
);

/** @param said the call's words; saidSeparator between segments */
export function writeSettledCall(out: NativeBlock, tenant: string, version: number, card: CallCard, said: string): void {
  out.string(tenant);
  out.i64(-card.startedAtMs);
  out.string(card.id);
  out.i64(version);
  writeShared(out, card);
  writeCard(out, card);
  out.string(said);
  out.rows++;
}

/** @param inSettled there may be a row among the settled calls too, which this one replaces */
export function writeOpenCall(
  out: NativeBlock,
  tenant: string,
  version: number,
  card: CallCard,
  text: string,
  inSettled: boolean,
  nowMs: number,
): void {
  out.string(tenant);
  out.string(card.id);
  out.i64(version);
  out.u8(inSettled ? 1 : 0);
  out.i64(nowMs);
  out.i64(-card.startedAtMs);
  writeShared(out, card);
  out.string(text);
  out.rows++;
}

function writeShared(out: NativeBlock, card: CallCard): void {
  out.i64(card.startedAtMs);
  out.i64(card.endedAtMs);
  out.nullableU32(card.durationMs);
  out.string(card.termination);
  out.string(card.direction);
  out.string(card.queue);
  out.string(card.trunkId);
  out.string(card.agent);
  out.string(card.caller);
  out.nullableF32(card.agentSentiment);
  out.nullableF32(card.callerSentiment);
  out.f32(card.attention);
  out.nullableF32(card.mos);
  out.u16(card.alertCount);
}

const directions = new Set<string>(["inbound", "outbound", "internal", "unknown"]);
const terminationNames = new Set<string>(terminations.options);

export function summaryOf(card: CallCard, nowMs: number): CallSummary {
  return {
    id: card.id,
    startedAt: new Date(card.startedAtMs).toISOString(),
    endedAt: card.endedAtMs > 0 ? new Date(card.endedAtMs).toISOString() : null,
    durationMs: card.durationMs,
    termination: terminationOf(card.termination, card.endedAtMs),
    terminationDetail: card.terminationDetail,
    direction: directions.has(card.direction) ? (card.direction as CallSummary["direction"]) : "unknown",
    queue: card.queue,
    trunkId: card.trunkId,
    trunkName: card.trunkName,
    source: card.source,
    agent: card.agent,
    caller: card.caller,
    legs: [...card.legs],
    recordingPaused: card.recordingPaused,
    agentSentiment: card.agentSentiment,
    callerSentiment: card.callerSentiment,
    attention: card.attention,
    talkRatio: card.talkRatio,
    mos: card.mos,
    alertCount: card.alertCount,
    stages: stagesFromLetters(card.stages, card.endedAtMs, nowMs),
  };
}

function terminationOf(name: string, endedAtMs: number): Termination | null {
  if (endedAtMs === 0) return null;
  return terminationNames.has(name) ? (name as Termination) : "signalling_error";
}
