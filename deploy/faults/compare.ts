/** Holds what is left of a call against what an undisturbed one leaves: sample by sample, segment by segment. Each function names every difference. */
import type { Side } from "../demo-pbx/dialogue.ts";
import type { Stretch, UndisturbedCall } from "./undisturbed-call.ts";

export type Wav = { readonly sampleRate: number; readonly channels: readonly Int16Array[] };

/** 16-bit PCM behind a header of 44 bytes, as the product writes it. @throws Error where it is something else */
export function readWav(bytes: Buffer): Wav {
  if (bytes.toString("latin1", 0, 4) !== "RIFF" || bytes.readUInt16LE(34) !== 16) throw new Error("This is no recording in 16-bit PCM.");
  const count = bytes.readUInt16LE(22);
  const frames = Math.floor((bytes.length - 44) / 2 / count);
  const channels = Array.from({ length: count }, (_, channel) =>
    Int16Array.from({ length: frames }, (_, i) => bytes.readInt16LE(44 + (i * count + channel) * 2)),
  );
  return { sampleRate: bytes.readUInt32LE(24), channels };
}

const samplesPerMs = 8;
const frameSamples = 160;
/** A loud stretch of speech is never the same twice. */
const anchorSamples = 400;
const loud = 300;
const farthestSamples = 4000 * samplesPerMs;

function sameAt(recorded: Int16Array, at: number, sent: Int16Array, from: number, count: number): boolean {
  if (at < 0 || at + count > recorded.length) return false;
  for (let i = 0; i < count; i++) if (recorded[at + i] !== sent[from + i]) return false;
  return true;
}

/**
 * By how many samples a recording lies behind what was sent: as most of its loud stretches say.
 * @returns undefined where none of them is in it
 */
export function delayOf(recorded: Int16Array, sent: Int16Array): number | undefined {
  const votes = new Map<number, number>();
  for (let from = 0; from + anchorSamples <= sent.length; from += anchorSamples * 5) {
    let energy = 0;
    for (let i = from; i < from + anchorSamples; i++) energy += Math.abs(sent[i]!);
    if (energy < loud * anchorSamples) continue;
    for (let at = Math.max(0, from - farthestSamples); at < from + farthestSamples && at < recorded.length; at++) {
      if (!sameAt(recorded, at, sent, from, anchorSamples)) continue;
      votes.set(at - from, (votes.get(at - from) ?? 0) + 1);
      break;
    }
  }
  return [...votes].sort(([, a], [, b]) => b - a)[0]?.[0];
}

/**
 * Stretches of what was sent that are not in the recording at their place, in milliseconds from the first frame.
 * @param delay of `delayOf`
 * @param toMs how much of what was sent must be there
 */
export function audioMissing(recorded: Int16Array, sent: Int16Array, delay: number, toMs: number): { fromMs: number; toMs: number }[] {
  const missing: { fromMs: number; toMs: number }[] = [];
  const end = Math.min(sent.length, toMs * samplesPerMs);
  for (let from = 0; from + frameSamples <= end; from += frameSamples) {
    if (sameAt(recorded, from + delay, sent, from, frameSamples)) continue;
    const fromMs = from / samplesPerMs;
    const last = missing.at(-1);
    if (last?.toMs === fromMs) last.toMs += frameSamples / samplesPerMs;
    else missing.push({ fromMs, toMs: fromMs + frameSamples / samplesPerMs });
  }
  return missing;
}

/** A detector that begins anew in mid-call sees the same edge a few windows of 32 ms earlier or later. */
const toleranceMs = 250;
/** Where the stream stood still in mid-utterance, what was said until then is finished: the next segment follows within this. */
const cutMs = 300;

const name = ({ speaker, startMs, endMs }: Stretch): string => `${speaker} ${Math.round(startMs)} to ${Math.round(endMs)} ms`;

export type SegmentsOf = {
  /** By how much the call's segments lie behind the expected ones. */
  readonly delayMs: number;
  /** What reaches beyond this (of what was sent) is looked at for being there twice, and not else. */
  readonly toMs: number;
  /** The stream stood still: a segment may have been cut in two where it did. */
  readonly mayBeCut?: boolean;
};

/** What differs between the segments of a call and those it should have, in words; empty where each is there once, and with it every word. */
export function segmentFaults(
  found: readonly Stretch[],
  expected: Pick<UndisturbedCall, "segments" | "words">,
  options: SegmentsOf,
): string[] {
  const { delayMs, toMs, mayBeCut = false } = options;
  const faults: string[] = [];
  const all = found
    .map((segment) => ({ ...segment, startMs: segment.startMs - delayMs, endMs: segment.endMs - delayMs }))
    .sort((a, b) => a.startMs - b.startMs);
  for (const word of expected.words.filter(({ endMs }) => endMs <= toMs)) {
    const middle = (word.startMs + word.endMs) / 2;
    const over = all.filter(
      ({ speaker, startMs, endMs }) => speaker === word.speaker && startMs - toleranceMs <= middle && endMs + toleranceMs >= middle,
    );
    if (over.length === 0) faults.push(`no segment for the word "${word.word}" of the ${name(word)}`);
  }
  const left: (typeof all)[number][] = [];
  for (const speaker of ["agent", "caller"] satisfies Side[]) {
    let last: (typeof all)[number] | undefined;
    for (const segment of all) {
      if (segment.speaker !== speaker) continue;
      if (last !== undefined && segment.startMs < last.endMs - 50) faults.push(`twice: ${name(last)} and ${name(segment)}`);
      else if (mayBeCut && last !== undefined && segment.startMs - last.endMs <= cutMs) {
        last.endMs = segment.endMs;
        continue;
      }
      last = segment;
      left.push(segment);
    }
  }
  for (const segment of expected.segments.filter(({ endMs }) => endMs <= toMs)) {
    const at = left.findIndex(
      ({ speaker, startMs, endMs }) =>
        speaker === segment.speaker && Math.abs(startMs - segment.startMs) <= toleranceMs && Math.abs(endMs - segment.endMs) <= toleranceMs,
    );
    if (at < 0) faults.push(`missing or cut otherwise: ${name(segment)}`);
    else left.splice(at, 1);
  }
  for (const segment of left) if (segment.endMs <= toMs - toleranceMs) faults.push(`not expected: ${name(segment)}`);
  return faults;
}
