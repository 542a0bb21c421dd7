import { describe, expect, it } from "vitest";
import { billing, scripted } from "../../dev/fake-calls.ts";
import { columnPeaks, readPeaks } from "./peaks.ts";
import { segmentAt, segmentsAt, turnFrom } from "./word-clock.ts";

const { segments } = scripted("c", billing);

describe("the clock of the words", () => {
  it("finds who speaks at a moment, and nobody in a pause", () => {
    const third = segments[2]!;
    expect(segmentAt(segments, third.startMs)).toBe(2);
    expect(segmentsAt(segments, third.startMs + 10)).toEqual([third]);
    expect(segmentsAt(segments, third.endMs + 10)).toEqual([]);
    expect(segmentsAt(segments, 0)).toEqual([]);
  });

  it("finds both when both speak", () => {
    const [a, b] = [segments[0]!, { ...segments[1]!, startMs: segments[0]!.startMs + 500 }];
    expect(segmentsAt([a, b], a.startMs + 600)).toEqual([a, b]);
  });

  it("goes to the next turn, to the start of this one, and to the one before", () => {
    const [, second, third] = segments;
    expect(turnFrom(segments, second!.startMs, 1)).toBe(third!.startMs);
    expect(turnFrom(segments, second!.startMs + 2000, -1)).toBe(second!.startMs);
    expect(turnFrom(segments, second!.startMs + 100, -1)).toBe(segments[0]!.startMs);
    expect(turnFrom(segments, 0, -1)).toBe(0);
    expect(turnFrom(segments, 1e9, 1)).toBe(1e9);
  });
});

describe("the waveform's columns", () => {
  it("are the loudest peak of their part, for fewer and for more columns than peaks", () => {
    const peaks = readPeaks(Buffer.from([0, 255, 51, 0]).toString("base64"));
    expect([...columnPeaks(peaks, 2)].map((peak) => peak.toFixed(1))).toEqual(["1.0", "0.2"]);
    expect([...columnPeaks(peaks, 8)].map((peak) => peak.toFixed(1))).toEqual(["0.0", "0.0", "1.0", "1.0", "0.2", "0.2", "0.0", "0.0"]);
    expect([...columnPeaks(new Uint8Array(0), 2)]).toEqual([0, 0]);
  });
});
