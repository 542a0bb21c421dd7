/** The comparison finds what it is there for: a lost middle, something twice, something displaced. */
import { describe, expect, test } from "vitest";
import { muLawWav } from "../demo-pbx/stereo-wav.ts";
import { audioMissing, delayOf, readWav, segmentFaults } from "./compare.ts";
import { undisturbedCall } from "./undisturbed-call.ts";

const seconds = 20;
const call = await undisturbedCall("sale", seconds);
const { samples, segments } = call;
const sent = samples.caller;
const behindMs = 30;

/** As a recording that begins a little before the first packet. */
function recorded(change: (pcm: Int16Array) => Int16Array = (pcm) => pcm): Int16Array {
  const pcm = new Int16Array(sent.length + behindMs * 8);
  pcm.set(sent, behindMs * 8);
  return change(pcm);
}

describe("a recording", () => {
  test("of all that was sent has nothing missing", () => {
    const delay = delayOf(recorded(), sent)!;
    expect(delay).toBe(behindMs * 8);
    expect(audioMissing(recorded(), sent, delay, seconds * 1000)).toEqual([]);
  });

  test("with a hole of 200 ms in the middle of a word lacks it, and nothing else", () => {
    const holed = recorded((pcm) => pcm.fill(0, (12_000 + behindMs) * 8, (12_200 + behindMs) * 8));
    expect(audioMissing(holed, sent, delayOf(holed, sent)!, seconds * 1000)).toEqual([{ fromMs: 12_000, toMs: 12_200 }]);
  });

  test("that lost 200 ms and closed up lacks everything after them", () => {
    const short = recorded((pcm) => {
      const at = (14_000 + behindMs) * 8;
      pcm.copyWithin(at, at + 1600);
      return pcm.subarray(0, pcm.length - 1600);
    });
    const missing = audioMissing(short, sent, delayOf(short, sent)!, seconds * 1000);
    expect(missing.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)).toBeGreaterThan(1000);
  });

  test("cut off at the end lacks the end; of another call it is no recording of this one", () => {
    const cut = recorded((pcm) => pcm.subarray(0, 15_000 * 8));
    expect(audioMissing(cut, sent, delayOf(cut, sent)!, 14_900)).toEqual([]);
    expect(audioMissing(cut, sent, delayOf(cut, sent)!, seconds * 1000).at(-1)!.toMs).toBe(seconds * 1000);
    expect(delayOf(samples.agent, sent)).toBeUndefined();
  });

  test("that is no 16-bit PCM is refused", () => {
    expect(() => readWav(Buffer.from(muLawWav(8000, [new Uint8Array(80), new Uint8Array(80)])))).toThrow(/no recording/);
  });
});

describe("a transcript", () => {
  const late = segments.map((segment) => ({ ...segment, startMs: segment.startMs + behindMs, endMs: segment.endMs + behindMs }));
  const faults = (found: typeof late, toMs = Number.POSITIVE_INFINITY, mayBeCut = false): string[] =>
    segmentFaults(found, call, { delayMs: behindMs, toMs, mayBeCut });

  test("with every segment once has no fault", () => {
    expect(segments.length).toBeGreaterThan(3);
    expect(faults(late)).toEqual([]);
  });

  test("without one from its middle lacks that one", () => {
    const lacks = faults(late.toSpliced(2, 1));
    expect(lacks.filter((fault) => !fault.startsWith("no segment for"))).toEqual([
      expect.stringMatching(/^missing or cut otherwise: caller/),
    ]);
    expect(lacks.length).toBeGreaterThan(10);
  });

  test("with one twice has it twice", () => {
    expect(faults([...late, late[2]!])).toEqual([expect.stringMatching(/^twice/), expect.stringMatching(/^not expected/)]);
  });

  test("with one in two halves, or on the other side, has other segments than it should", () => {
    const [before, middle] = [late.slice(0, 2), late[2]!];
    const half = (middle.startMs + middle.endMs) / 2;
    const cut = [...before, { ...middle, endMs: half }, { ...middle, startMs: half + 200 }, ...late.slice(3)];
    expect(faults(cut)).toHaveLength(3);
    expect(faults(cut, Number.POSITIVE_INFINITY, true)).toEqual([]);
    const torn = [...before, { ...middle, endMs: half - 600 }, { ...middle, startMs: half + 600 }, ...late.slice(3)];
    expect(faults(torn, Number.POSITIVE_INFINITY, true).length).toBeGreaterThan(3);
    expect(faults([...before, { ...middle, speaker: "agent" }, ...late.slice(3)]).length).toBeGreaterThan(10);
  });

  test("of a call that was cut off is judged up to there", () => {
    expect(faults(late.slice(0, 2), 10_000)).toEqual([]);
    expect(faults(late.slice(0, 1), 10_000).length).toBeGreaterThan(1);
  });
});
