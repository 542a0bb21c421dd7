/** What holds of every call after every fault: its recording and its transcript are those of the same call where nothing went wrong. */
import type { CallDetail, Segment } from "@earshot/proto/api/calls.ts";
import { expect } from "vitest";
import type { CallReader } from "../testing/call-reader.ts";
import { audioMissing, delayOf, readWav, segmentFaults } from "./compare.ts";
import { undisturbedCall } from "./undisturbed-call.ts";

export type Played = {
  readonly scenario: string;
  /** How long it was played. */
  readonly seconds: number;
  /** Where less of it was taken than played: so much surely was, seconds from the first frame. */
  readonly takenSeconds?: number;
  /** The log stood still for seconds: what was being said then may stand in two segments. */
  readonly mayBeCut?: boolean;
  /** Which API is asked. */
  readonly api?: string;
};

/** Played at the end and not yet sent when the last frame is: the sender's timer, and the last part of a chunk. */
const lastMs = 200;
/** What a packet that came too late, on a machine that tests other things meanwhile, may cost. */
const spareMs = 60;

/** Words are stored so long after the call's ledger, at most. */
const storedWithinMs = 20_000;

/** @returns its segments */
export async function expectWhole(
  source: CallReader,
  call: CallDetail,
  { scenario, seconds, takenSeconds, mayBeCut, api }: Played,
): Promise<Segment[]> {
  const reference = await undisturbedCall(scenario, seconds);
  const toMs = (takenSeconds ?? seconds) * 1000 - lastMs;
  const wav = readWav(await source.recording(call.id, 60_000, api));
  expect(wav.sampleRate).toBe(8000);
  let delay = 0;
  for (const [channel, side] of (["agent", "caller"] as const).entries()) {
    const recorded = wav.channels[channel]!;
    const sent = reference.samples[side];
    const found = delayOf(recorded, sent);
    expect(found, `the ${side}'s audio in the recording of ${call.id}`).toBeDefined();
    delay = found!;
    const holes = audioMissing(recorded, sent, delay, toMs).filter(({ fromMs, toMs: to }) => to - fromMs > spareMs);
    expect(holes, `the ${side}'s audio that is missing from the recording of ${call.id}`).toEqual([]);
    expect(recorded.length / 8000, `seconds recorded of ${call.id}`).toBeLessThan(seconds + 3);
  }

  const through = takenSeconds === undefined ? Number.POSITIVE_INFINITY : toMs - 1000;
  const faultsOf = (segments: readonly Segment[]) =>
    segmentFaults(
      segments.map(({ speaker, startMs, endMs }) => ({ speaker: speaker === "agent" ? speaker : ("caller" as const), startMs, endMs })),
      reference,
      { delayMs: delay / 8, toMs: through, mayBeCut },
    );
  // Each topic is stored by itself: after an outage of the column store a call's ledger may be there before its words.
  let segments = await source.transcript(call.id, api);
  for (const until = performance.now() + storedWithinMs; faultsOf(segments).length > 0 && performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    segments = await source.transcript(call.id, api);
  }
  expect(new Set(segments.map(({ segmentId }) => segmentId)).size, `ids of ${call.id}`).toBe(segments.length);
  expect(faultsOf(segments), `transcript of ${call.id}`).toEqual([]);
  for (const { error, final } of segments) expect({ error, final }, `a segment of ${call.id}`).toEqual({ error: "", final: true });
  return segments;
}
