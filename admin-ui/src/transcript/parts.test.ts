import { describe, expect, it } from "vitest";
import { longScript, scripted } from "../../dev/fake-calls.ts";
import { partSize, partsOf, placeOf } from "./parts.ts";

const { segments } = scripted("c", longScript(partSize * 3 + 7));

describe("the parts of a transcript", () => {
  it("have every segment once, in order", () => {
    const parts = partsOf(segments, []);
    expect(parts.map((part) => part.length)).toEqual([partSize, partSize, partSize, 7]);
    expect(parts.flat()).toEqual(segments);
  });

  it("stay the same objects but for the one that changed", () => {
    const before = partsOf(segments, []);
    expect(partsOf([...segments], before).map((part, index) => part === before[index])).toEqual([true, true, true, true]);
    const grown = partsOf([...segments, { ...segments[0]!, segmentId: "new" }], before);
    expect(grown.map((part, index) => part === before[index])).toEqual([true, true, true, false]);
    const told = partsOf(segments.with(60, { ...segments[60]!, sentiment: -0.9 }), before);
    expect(told.map((part, index) => part === before[index])).toEqual([true, false, true, true]);
    expect(partsOf(segments.slice(0, partSize), before)).toEqual([before[0]]);
  });
});

describe("the place of words", () => {
  it("is the named segment's, else where it was being said, else the first", () => {
    const [, second] = segments;
    expect(placeOf(segments, second!.segmentId, 0)).toBe(1);
    expect(placeOf(segments, "gone", segments[40]!.startMs + 5)).toBe(40);
    expect(placeOf(segments, undefined, segments[40]!.startMs - 5)).toBe(39);
    expect(placeOf(segments, undefined, 0)).toBe(0);
    expect(placeOf(segments, undefined, 1e12)).toBe(segments.length - 1);
    expect(placeOf([], "gone", 5)).toBe(-1);
  });
});
