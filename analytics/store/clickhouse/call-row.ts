/** The row of a call: columns for what is filtered, sorted and summed, and the card with everything that is shown. */
import type { CallSummary, Leg, Termination } from "@earshot/proto/api/calls.ts";
import { termination as terminations } from "@earshot/proto/api/calls.ts";
import { stagesFromLetters } from "./ledger.ts";
import { nameOfSide } from "./legs.ts";
import { GrowingBytes, type NativeBlock } from "./native-block.ts";
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

/** The card. Times are Unix ms, 0 = not known (yet). */
export type CallCard = {
  id: string;
  startedAtMs: number;
  endedAtMs: number;
  durationMs: number | null;
  /** When legs, direction and queue were told last. */
  changedAtMs: number;
  termination: string;
  terminationDetail: string;
  direction: string;
  queue: string;
  trunkId: string;
  trunkName: string;
  source: string;
  agent: string;
  caller: string;
  legs: readonly Leg[];
  recordingPaused: boolean;
  agentSentiment: number | null;
  callerSentiment: number | null;
  attention: number;
  talkRatio: number | null;
  mos: number | null;
  alertCount: number;
  dtmfCount: number;
  /** One letter per stage: ledger.ts. */
  stages: string;
  externalCallId: string;
  sipCallId: string;
  peer: string;
  userAgent: string;
  packetsReceived: number;
  packetsLost: number;
};

/** As read from the store. */
export type CallRow = { version: number; card: string };
export const callRowColumns = "toFloat64(version) AS version, card";

/**
 * The card as JSON: the values in a fixed order, without their names, since ten million of them are stored; what follows from others is left
 * out. Into bytes, since most of what a call record costs would else be texts that live for a moment.
 */
function writeCard(out: GrowingBytes, card: CallCard): void {
  out.ascii("[");
  jsonText(out, card.id);
  jsonNumber(out, card.startedAtMs);
  jsonNumber(out, card.endedAtMs);
  jsonNumber(out, card.changedAtMs);
  jsonText(out, card.termination);
  jsonText(out, card.terminationDetail);
  jsonText(out, card.direction);
  jsonText(out, card.queue);
  jsonText(out, card.trunkId);
  jsonText(out, card.trunkName);
  jsonText(out, card.source);
  jsonNumber(out, card.recordingPaused ? 1 : 0);
  jsonNumber(out, card.agentSentiment);
  jsonNumber(out, card.callerSentiment);
  jsonNumber(out, card.attention);
  jsonNumber(out, card.talkRatio);
  jsonNumber(out, card.mos);
  jsonNumber(out, card.alertCount);
  jsonNumber(out, card.dtmfCount);
  jsonText(out, card.stages);
  jsonText(out, card.externalCallId);
  jsonText(out, card.sipCallId);
  jsonText(out, card.peer);
  jsonText(out, card.userAgent);
  jsonNumber(out, card.packetsReceived);
  jsonNumber(out, card.packetsLost);
  out.ascii("[");
  for (let index = 0; index < card.legs.length; index++) {
    const leg = card.legs[index]!;
    out.ascii(index === 0 ? "[" : ",[");
    jsonNumber(out, leg.index);
    jsonText(out, leg.label);
    jsonText(out, leg.speaker);
    jsonText(out, leg.speakerReason);
    jsonText(out, leg.name);
    jsonText(out, leg.address);
    jsonText(out, leg.agentName);
    jsonText(out, leg.codec);
    jsonLast(out, leg.state);
    out.ascii("]");
  }
  out.ascii("]]");
}

const comma = 0x2c;

function jsonNumber(out: GrowingBytes, value: number | null): void {
  if (value === null || !Number.isFinite(value)) out.ascii("null,");
  else {
    if (Number.isSafeInteger(value) && value >= 0) out.digits(value);
    else out.ascii(String(value));
    out.u8(comma);
  }
}

function jsonText(out: GrowingBytes, value: string): void {
  jsonLast(out, value);
  out.u8(comma);
}

function jsonLast(out: GrowingBytes, value: string): void {
  if (out.plainText(value)) return;
  out.utf8(JSON.stringify(value));
}

const scratch = new GrowingBytes();

/** The card as it is in the store. */
export function cardText(card: CallCard): string {
  scratch.reset();
  writeCard(scratch, card);
  return scratch.bytes().toString("utf8");
}

type LegText = [number, string, Leg["speaker"], string, string, string, string, string, Leg["state"]];
type CardText = [
  id: string,
  startedAtMs: number,
  endedAtMs: number,
  changedAtMs: number,
  termination: string,
  terminationDetail: string,
  direction: string,
  queue: string,
  trunkId: string,
  trunkName: string,
  source: string,
  recordingPaused: number,
  agentSentiment: number | null,
  callerSentiment: number | null,
  attention: number,
  talkRatio: number | null,
  mos: number | null,
  alertCount: number,
  dtmfCount: number,
  stages: string,
  externalCallId: string,
  sipCallId: string,
  peer: string,
  userAgent: string,
  packetsReceived: number,
  packetsLost: number,
  legs: LegText[],
];

export function parseCard(row: CallRow): CallCard {
  const text = JSON.parse(row.card) as CardText;
  const legs = text[26].map(
    ([index, label, speaker, speakerReason, name, address, agentName, codec, state]): Leg => ({
      index,
      label,
      speaker,
      speakerReason,
      name,
      address,
      agentName,
      codec,
      state,
    }),
  );
  return {
    id: text[0],
    startedAtMs: text[1],
    endedAtMs: text[2],
    changedAtMs: text[3],
    termination: text[4],
    terminationDetail: text[5],
    direction: text[6],
    queue: text[7],
    trunkId: text[8],
    trunkName: text[9],
    source: text[10],
    recordingPaused: text[11] === 1,
    agentSentiment: text[12],
    callerSentiment: text[13],
    attention: text[14],
    talkRatio: text[15],
    mos: text[16],
    alertCount: text[17],
    dtmfCount: text[18],
    stages: text[19],
    externalCallId: text[20],
    sipCallId: text[21],
    peer: text[22],
    userAgent: text[23],
    packetsReceived: text[24],
    packetsLost: text[25],
    durationMs: durationOf(text[1], text[2]),
    agent: nameOfSide(legs, "agent"),
    caller: nameOfSide(legs, "caller"),
    legs,
  };
}

/** Neither ended without a start nor up has a length. */
export function durationOf(startedAtMs: number, endedAtMs: number): number | null {
  return endedAtMs > 0 && startedAtMs > 0 ? Math.max(0, endedAtMs - startedAtMs) : null;
}

/** @param said the call's words; saidSeparator between segments */
export function writeSettledCall(out: NativeBlock, tenant: string, version: number, card: CallCard, said: string): void {
  out.string(tenant);
  out.i64(-card.startedAtMs);
  out.string(card.id);
  out.i64(version);
  writeShared(out, card);
  writeCard(out.openText(), card);
  out.closeText();
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
