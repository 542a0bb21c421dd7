/** The wide row of a call: what the list, its filters and its charts read. */
import type { CallSummary, Leg, Termination } from "@earshot/proto/api/calls.ts";
import { termination as terminations } from "@earshot/proto/api/calls.ts";
import { stagesFromLetters } from "./ledger.ts";
import type { RowBinaryWriter } from "./row-binary.ts";
import { target } from "./tables.ts";

const shared =
  "ended_at DateTime64(3, 'UTC'), duration_ms Nullable(UInt32), changed_at DateTime64(3, 'UTC'), termination String, " +
  "termination_detail String, direction String, queue String, trunk_id String, trunk_name String, source String, agent String, " +
  "caller String, legs String, recording_paused UInt8, agent_sentiment Nullable(Float32), caller_sentiment Nullable(Float32), " +
  "attention Float32, talk_ratio Nullable(Float32), mos Nullable(Float32), alert_count UInt16, dtmf_count UInt16, stages String, " +
  "external_call_id String, sip_call_id String, peer String, user_agent String, packets_received UInt32, packets_lost UInt32";

/** Settled calls: each is there once. */
export const callsTable = target(
  "calls",
  `tenant String, newest_first Int64, call_id String, version UInt64, started_at DateTime64(3, 'UTC'), ${shared}`,
);

/** Calls that are up or changed a moment ago: the newest version counts. */
export const openCallsTable = target(
  "calls_open",
  "tenant String, call_id String, version UInt64, in_settled UInt8, written_at DateTime64(3, 'UTC'), newest_first Int64, " +
    `started_at DateTime64(3, 'UTC'), ${shared}`,
);

/** Times are Unix ms, 0 = not known (yet). */
export type CallRow = {
  call_id: string;
  version: number;
  started_at_ms: number;
  ended_at_ms: number;
  duration_ms: number | null;
  changed_at_ms: number;
  termination: string;
  termination_detail: string;
  direction: string;
  queue: string;
  trunk_id: string;
  trunk_name: string;
  source: string;
  agent: string;
  caller: string;
  legs: string;
  recording_paused: number;
  agent_sentiment: number | null;
  caller_sentiment: number | null;
  attention: number;
  talk_ratio: number | null;
  mos: number | null;
  alert_count: number;
  dtmf_count: number;
  stages: string;
  external_call_id: string;
  sip_call_id: string;
  peer: string;
  user_agent: string;
  packets_received: number;
  packets_lost: number;
};

/** Do the two say the same, whatever their versions? */
export function sameCall(a: CallRow, b: CallRow): boolean {
  for (const name in a) {
    const key = name as keyof CallRow;
    if (key !== "version" && !same(a[key], b[key])) return false;
  }
  return true;
}

/** The store keeps fractions as Float32. */
function same(a: CallRow[keyof CallRow], b: CallRow[keyof CallRow]): boolean {
  if (a === b) return true;
  return typeof a === "number" && typeof b === "number" && !Number.isInteger(a) && Math.fround(a) === Math.fround(b);
}

/** The SELECT list of a CallRow. */
export const callRowColumns =
  "call_id, toFloat64(version) AS version, toFloat64(toUnixTimestamp64Milli(started_at)) AS started_at_ms, " +
  "toFloat64(toUnixTimestamp64Milli(ended_at)) AS ended_at_ms, duration_ms, toFloat64(toUnixTimestamp64Milli(changed_at)) AS changed_at_ms, " +
  "termination, termination_detail, direction, queue, trunk_id, trunk_name, source, agent, caller, legs, recording_paused, agent_sentiment, " +
  "caller_sentiment, attention, talk_ratio, mos, alert_count, dtmf_count, stages, external_call_id, sip_call_id, peer, user_agent, " +
  "packets_received, packets_lost";

export function writeSettledCall(out: RowBinaryWriter, tenant: string, row: CallRow): void {
  out.string(tenant);
  out.i64(-row.started_at_ms);
  out.string(row.call_id);
  out.i64(row.version);
  out.i64(row.started_at_ms);
  writeShared(out, row);
}

/** @param inSettled there may be a row among the settled calls too, which this one replaces */
export function writeOpenCall(out: RowBinaryWriter, tenant: string, row: CallRow, inSettled: boolean, nowMs: number): void {
  out.string(tenant);
  out.string(row.call_id);
  out.i64(row.version);
  out.u8(inSettled ? 1 : 0);
  out.i64(nowMs);
  out.i64(-row.started_at_ms);
  out.i64(row.started_at_ms);
  writeShared(out, row);
}

function writeShared(out: RowBinaryWriter, row: CallRow): void {
  out.i64(row.ended_at_ms);
  out.nullableU32(row.duration_ms);
  out.i64(row.changed_at_ms);
  out.string(row.termination);
  out.string(row.termination_detail);
  out.string(row.direction);
  out.string(row.queue);
  out.string(row.trunk_id);
  out.string(row.trunk_name);
  out.string(row.source);
  out.string(row.agent);
  out.string(row.caller);
  out.string(row.legs);
  out.u8(row.recording_paused);
  out.nullableF32(row.agent_sentiment);
  out.nullableF32(row.caller_sentiment);
  out.f32(row.attention);
  out.nullableF32(row.talk_ratio);
  out.nullableF32(row.mos);
  out.u16(row.alert_count);
  out.u16(row.dtmf_count);
  out.string(row.stages);
  out.string(row.external_call_id);
  out.string(row.sip_call_id);
  out.string(row.peer);
  out.string(row.user_agent);
  out.u32(row.packets_received);
  out.u32(row.packets_lost);
  out.rows++;
}

const directions = new Set<string>(["inbound", "outbound", "internal", "unknown"]);
const terminationNames = new Set<string>(terminations.options);

export function summaryOf(row: CallRow, nowMs: number): CallSummary {
  return {
    id: row.call_id,
    startedAt: new Date(row.started_at_ms).toISOString(),
    endedAt: row.ended_at_ms > 0 ? new Date(row.ended_at_ms).toISOString() : null,
    durationMs: row.duration_ms,
    termination: terminationOf(row.termination, row.ended_at_ms),
    terminationDetail: row.termination_detail,
    direction: directions.has(row.direction) ? (row.direction as CallSummary["direction"]) : "unknown",
    queue: row.queue,
    trunkId: row.trunk_id,
    trunkName: row.trunk_name,
    source: row.source,
    agent: row.agent,
    caller: row.caller,
    legs: parseLegs(row.legs),
    recordingPaused: row.recording_paused === 1,
    agentSentiment: row.agent_sentiment,
    callerSentiment: row.caller_sentiment,
    attention: row.attention,
    talkRatio: row.talk_ratio,
    mos: row.mos,
    alertCount: row.alert_count,
    stages: stagesFromLetters(row.stages, row.ended_at_ms, nowMs),
  };
}

function terminationOf(name: string, endedAtMs: number): Termination | null {
  if (endedAtMs === 0) return null;
  return terminationNames.has(name) ? (name as Termination) : "signalling_error";
}

export function parseLegs(json: string): Leg[] {
  return json === "" ? [] : (JSON.parse(json) as Leg[]);
}
