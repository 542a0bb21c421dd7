import { describe, expect, it } from "vitest";
import { Resampler } from "./resampler.ts";

function sine(rate: number, hertz: number, samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) => Math.round(10_000 * Math.sin((2 * Math.PI * hertz * i) / rate)));
}

function inBlocks(resampler: Resampler, input: Int16Array, block: number): Int16Array {
  const out: number[] = [];
  const made = new Int16Array(resampler.outputBound(block) + 4);
  for (let at = 0; at < input.length; at += block) {
    const part = input.subarray(at, Math.min(input.length, at + block));
    const count = resampler.process(part, part.length, made);
    expect(count).toBeLessThanOrEqual(resampler.outputBound(part.length));
    out.push(...made.subarray(0, count));
  }
  return Int16Array.from(out);
}

/** Size of one frequency in the second half of a signal. */
function amplitude(pcm: Int16Array, rate: number, hertz: number): number {
  let re = 0;
  let im = 0;
  const from = pcm.length >> 1;
  const whole = Math.floor(((pcm.length - from) * hertz) / rate);
  const length = Math.floor((whole * rate) / hertz);
  for (let i = 0; i < length; i++) {
    re += pcm[from + i]! * Math.cos((2 * Math.PI * hertz * i) / rate);
    im += pcm[from + i]! * Math.sin((2 * Math.PI * hertz * i) / rate);
  }
  return (2 * Math.hypot(re, im)) / length;
}

describe("resampler", () => {
  it.each([
    [8000, 16000],
    [16000, 8000],
    [48000, 16000],
    [48000, 8000],
    [16000, 24000],
    [8000, 24000],
    [44100, 16000],
  ])("%i Hz to %i Hz keeps a 1 kHz tone and the length", (from, to) => {
    const made = inBlocks(new Resampler(from, to), sine(from, 1000, from), Math.round(from / 50));
    expect(Math.abs(made.length - to)).toBeLessThanOrEqual(1);
    expect(Math.abs(amplitude(made, to, 1000) - 10_000)).toBeLessThan(150);
  });

  it.each([
    [16000, 8000, 5500],
    [48000, 16000, 11_000],
    [48000, 8000, 5500],
  ])("%i Hz to %i Hz suppresses %i Hz, which would fold back", (from, to, hertz) => {
    const made = inBlocks(new Resampler(from, to), sine(from, hertz, from), 960);
    const peak = made.subarray(made.length >> 1).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    expect(peak).toBeLessThan(150);
  });

  it("gives the same samples however the input is cut", () => {
    const input = sine(48000, 700, 9600);
    expect(inBlocks(new Resampler(48000, 16000), input, 960)).toEqual(inBlocks(new Resampler(48000, 16000), input, 331));
    expect(inBlocks(new Resampler(44100, 8000), input, 960)).toEqual(inBlocks(new Resampler(44100, 8000), input, 77));
  });
});
