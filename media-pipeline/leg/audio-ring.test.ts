import { describe, expect, it } from "vitest";
import { AudioRing } from "./audio-ring.ts";

describe("audio ring", () => {
  it("gives back what it holds, and leaves out what it no longer or not yet holds", () => {
    const ring = new AudioRing(1000);
    expect(ring.capacity).toBe(1024);
    const target = new Int16Array(5000);
    for (let block = 0; block < 30; block++)
      ring.write(
        Int16Array.from({ length: 100 }, (_, i) => block * 100 + i),
        100,
      );
    expect([ring.head, ring.tail]).toEqual([3000, 1976]);
    expect(ring.read(2990, 4000, target)).toBe(10);
    expect([...target.subarray(0, 10)]).toEqual([2990, 2991, 2992, 2993, 2994, 2995, 2996, 2997, 2998, 2999]);
    expect(ring.read(0, 1980, target)).toBe(4);
    expect(target[0]).toBe(1976);
    expect(ring.read(0, 1000, target)).toBe(0);
  });
});
