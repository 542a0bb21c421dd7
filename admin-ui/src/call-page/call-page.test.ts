import { describe, expect, it } from "vitest";
import { billing, lineAt, scripted } from "../../dev/fake-calls.ts";
import { lineSteps } from "./line-steps.ts";
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

describe("the steps of the line chart", () => {
  const points = Array.from({ length: 1440 }, (_, index) => ({ ...lineAt(0, index * 5000, false), mos: index === 777 ? 1.5 : 4.3 }));

  it("are the measures themselves where they are few", () => {
    expect(lineSteps(points.slice(0, 160), 160).map(({ worst }) => worst)).toEqual(points.slice(0, 160));
  });

  it("are the worst of several where they are many, without a gap", () => {
    const steps = lineSteps(points, 160);
    expect(steps).toHaveLength(160);
    expect(steps.filter(({ worst }) => worst.mos === 1.5).map(({ worst }) => worst.fromMs)).toEqual([777 * 5000]);
    expect(steps.slice(1).every((step, index) => step.fromMs === steps[index]!.toMs)).toBe(true);
    expect(steps.at(-1)!.toMs).toBe(1440 * 5000);
  });
});
