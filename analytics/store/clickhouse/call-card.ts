/** What is shown of a call, as one text in the store: the values in a fixed order, without their names, since ten million of them are stored. */
import type { Leg } from "@earshot/proto/api/calls.ts";
import { nameOfSide } from "./legs.ts";
import type { NativeBlock } from "./native-block.ts";

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

/** JSON writes one unit of UTF-16 as six bytes at most: \\u0000. */
const bytesPerUnit = 6;
/** The longest number in decimals, with sign, exponent and comma. */
const numberBytes = 32;
/** Where writing goes on once there was no room: nothing is written there. */
const full = Number.POSITIVE_INFINITY;
let bytes = Buffer.allocUnsafe(4096);

/** The card as JSON in UTF-8, as one value of the block's next column. */
export function writeCard(block: NativeBlock, card: CallCard): void {
  const byteLength = encode(card);
  block.blob(bytes, byteLength);
}

/** The card as it is in the store. */
export function cardText(card: CallCard): string {
  const byteLength = encode(card);
  return bytes.toString("utf8", 0, byteLength);
}

/** Into `bytes`, which grows until the card fits. @returns how many */
function encode(card: CallCard): number {
  for (;;) {
    const byteLength = encodeInto(bytes, card);
    if (byteLength <= bytes.length) return byteLength;
    bytes = Buffer.allocUnsafe(bytes.length * 2);
  }
}

/**
 * Byte by byte, since most of what a call record costs would else be texts that live for a moment.
 * @returns how many bytes; more than `out` has where the card does not fit
 */
function encodeInto(out: Buffer, card: CallCard): number {
  let at = 0;
  out[at++] = openBracket;
  at = text(out, at, card.id);
  at = number(out, at, card.startedAtMs);
  at = number(out, at, card.endedAtMs);
  at = number(out, at, card.changedAtMs);
  at = text(out, at, card.termination);
  at = text(out, at, card.terminationDetail);
  at = text(out, at, card.direction);
  at = text(out, at, card.queue);
  at = text(out, at, card.trunkId);
  at = text(out, at, card.trunkName);
  at = text(out, at, card.source);
  at = number(out, at, card.recordingPaused ? 1 : 0);
  at = number(out, at, card.agentSentiment);
  at = number(out, at, card.callerSentiment);
  at = number(out, at, card.attention);
  at = number(out, at, card.talkRatio);
  at = number(out, at, card.mos);
  at = number(out, at, card.alertCount);
  at = number(out, at, card.dtmfCount);
  at = text(out, at, card.stages);
  at = text(out, at, card.externalCallId);
  at = text(out, at, card.sipCallId);
  at = text(out, at, card.peer);
  at = text(out, at, card.userAgent);
  at = number(out, at, card.packetsReceived);
  at = number(out, at, card.packetsLost);
  out[at++] = openBracket;
  const legs = card.legs;
  for (let index = 0; index < legs.length; index++) {
    const leg = legs[index]!;
    out[at++] = openBracket;
    at = number(out, at, leg.index);
    at = text(out, at, leg.label);
    at = text(out, at, leg.speaker);
    at = text(out, at, leg.speakerReason);
    at = text(out, at, leg.name);
    at = text(out, at, leg.address);
    at = text(out, at, leg.agentName);
    at = text(out, at, leg.codec);
    at = text(out, at, leg.state);
    out[at - 1] = closeBracket;
    out[at++] = comma;
  }
  if (legs.length > 0) at--;
  out[at++] = closeBracket;
  out[at++] = closeBracket;
  return at;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Which ASCII characters stand for themselves in JSON. */
const plain = new Uint8Array(0x80);
for (let code = 0x20; code < 0x7f; code++) plain[code] = code === quote || code === backslash ? 0 : 1;

/** The text in quotes, and a comma. @returns where to go on; `full` where there was no room */
function text(out: Buffer, from: number, value: string): number {
  const length = value.length;
  if (from + length * bytesPerUnit + 3 > out.length) return full;
  let at = from;
  out[at++] = quote;
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index);
    if (code > 0x7f || plain[code] === 0) return escaped(out, from, value);
    out[at++] = code;
  }
  out[at] = quote;
  out[at + 1] = comma;
  return at + 2;
}

function escaped(out: Buffer, from: number, value: string): number {
  const at = from + out.write(JSON.stringify(value), from, "utf8");
  out[at] = comma;
  return at + 1;
}

/** The number, or null where there is none, and a comma. */
function number(out: Buffer, from: number, value: number | null): number {
  if (from + numberBytes > out.length) return full;
  let at = from;
  if (value === null || !Number.isFinite(value)) {
    out[at++] = 0x6e;
    out[at++] = 0x75;
    out[at++] = 0x6c;
    out[at++] = 0x6c;
  } else if (value === 0) out[at++] = 0x30;
  else if (value > 0 && value < 1e9 && value === (value | 0)) at = digits(out, at, value | 0, digitsOf(value | 0));
  else if (value >= 1e9 && value < 1e15 && Math.trunc(value) === value) {
    const high = Math.floor(value / 1e6);
    at = digits(out, at, high, digitsOf(high));
    at = digits(out, at, value - high * 1e6, 6);
  } else at += out.write(String(value), at, "latin1");
  out[at] = comma;
  return at + 1;
}

/** @param value from 1 to 999,999,999 */
function digitsOf(value: number): number {
  if (value < 10_000) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4;
  if (value < 1_000_000) return value < 100_000 ? 5 : 6;
  return value < 100_000_000 ? (value < 10_000_000 ? 7 : 8) : 9;
}

/** A whole number of so many digits; fewer of its own have zeros before them. */
function digits(out: Buffer, from: number, value: number, count: number): number {
  let rest = value | 0;
  for (let at = from + count - 1; at >= from; at--) {
    const tenth = (rest / 10) | 0;
    out[at] = 0x30 + (rest - tenth * 10);
    rest = tenth;
  }
  return from + count;
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
