import { describe, expect, it } from "vitest";
import { Concealment } from "./concealment.ts";

const rate = 8000;
const frame = 160;

function tone(from: number, length: number): Int16Array {
  return Int16Array.from({ length }, (_, i) => Math.round(8000 * Math.sin((2 * Math.PI * 125 * (from + i)) / rate)));
}

function rms(pcm: Int16Array): number {
  return Math.sqrt(pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length);
}

describe("concealment", () => {
  it("goes on with a periodic sound almost unchanged for the first 10 ms", () => {
    const concealment = new Concealment(rate);
    for (let i = 0; i < 4; i++) concealment.good(tone(i * frame, frame), frame);
    const made = new Int16Array(frame);
    concealment.lost(made, frame);
    const truth = tone(4 * frame, frame);
    let off = 0;
    for (let i = 0; i < 80; i++) off = Math.max(off, Math.abs(made[i]! - truth[i]!));
    expect(off).toBeLessThan(400);
  });

  it("fades from 10 ms on and is silent after 60 ms", () => {
    const concealment = new Concealment(rate);
    for (let i = 0; i < 4; i++) concealment.good(tone(i * frame, frame), frame);
    const levels = Array.from({ length: 5 }, () => {
      const made = new Int16Array(frame);
      concealment.lost(made, frame);
      return rms(made);
    });
    expect(levels[0]!).toBeGreaterThan(4000);
    expect(levels[1]!).toBeLessThan(levels[0]!);
    expect(levels[2]!).toBeLessThan(levels[1]!);
    expect(levels[3]).toBe(0);
    expect(levels[4]).toBe(0);
  });

  it("blends the first frame that arrives again, then leaves frames alone", () => {
    const concealment = new Concealment(rate);
    for (let i = 0; i < 4; i++) concealment.good(tone(i * frame, frame), frame);
    concealment.lost(new Int16Array(frame), frame);
    const constant = new Int16Array(frame).fill(5000);
    concealment.good(constant, frame);
    expect(constant[0]).not.toBe(5000);
    expect([...constant.subarray(40)].every((sample) => sample === 5000)).toBe(true);
    const next = new Int16Array(frame).fill(5000);
    concealment.good(next, frame);
    expect([...next].every((sample) => sample === 5000)).toBe(true);
  });

  it("makes nothing up after a reset", () => {
    const concealment = new Concealment(rate);
    concealment.good(tone(0, frame), frame);
    concealment.reset();
    const made = new Int16Array(frame).fill(1);
    concealment.lost(made, frame);
    expect(rms(made)).toBe(0);
  });
});
