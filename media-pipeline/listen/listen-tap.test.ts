import { describe, expect, it } from "vitest";
import { ListenTap } from "./listen-tap.ts";

type Heard = { positionMs: number; pcm: Int16Array };

function tap(rate: 8000 | 16000 = 8000): { tap: ListenTap; heard: Heard[] } {
  const heard: Heard[] = [];
  return {
    tap: new ListenTap(rate, (positionMs, _rate, pcm) => heard.push({ positionMs, pcm: new Int16Array(pcm.slice().buffer) })),
    heard,
  };
}

const constant = (value: number, samples: number): Int16Array => new Int16Array(samples).fill(value);
const sides = ({ pcm }: Heard): [number, number] => [pcm[0]!, pcm[1]!];

describe("listen tap", () => {
  it("joins both sides by their place in the call", () => {
    const { tap: one, heard } = tap();
    one.write(0, constant(100, 1600), 1600, 8000, 8000);
    expect(heard).toHaveLength(0);
    one.write(1, constant(-7, 1600), 1600, 8000, 8000);
    expect(heard.map((chunk) => [chunk.positionMs, ...sides(chunk), chunk.pcm.length])).toEqual([
      [1000, 100, -7, 1600],
      [1100, 100, -7, 1600],
    ]);
  });

  it("does not wait for a side that is silent for long", () => {
    const { tap: one, heard } = tap();
    for (let i = 0; i < 10; i++) one.write(1, constant(5, 800), 800, i * 800, 8000);
    expect(heard).toHaveLength(7);
    expect(heard.every((chunk) => chunk.pcm[0] === 0 && chunk.pcm[1] === 5)).toBe(true);
  });

  it("skips a long pause, and never repeats old audio after it", () => {
    const { tap: one, heard } = tap();
    for (const side of [0, 1] as const) one.write(side, constant(9, 800), 800, 0, 8000);
    for (const side of [0, 1] as const) one.write(side, constant(3, 800), 800, 800_000, 8000);
    expect(heard.map((chunk) => [chunk.positionMs, ...sides(chunk)])).toEqual([
      [0, 9, 9],
      [100_000, 3, 3],
    ]);
  });

  it("hears several legs of one side together, and a mixed leg on both", () => {
    const { tap: one, heard } = tap();
    one.write(0, constant(1000, 800), 800, 0, 8000);
    one.write(0, constant(500, 800), 800, 0, 8000);
    one.write(1, constant(1, 800), 800, 0, 8000);
    expect(sides(heard[0]!)).toEqual([1500, 1]);
    const { tap: mixed, heard: both } = tap();
    mixed.write(2, constant(4, 800), 800, 0, 8000);
    expect(sides(both[0]!)).toEqual([4, 4]);
  });

  it("brings 8 and 16 kHz together", () => {
    const { tap: wide, heard } = tap(16000);
    wide.write(0, constant(2, 800), 800, 0, 8000);
    wide.write(1, constant(3, 1600), 1600, 0, 16000);
    expect(heard).toHaveLength(1);
    expect(heard[0]!.pcm.length).toBe(3200);
    expect([...heard[0]!.pcm].every((sample, i) => sample === (i % 2 === 0 ? 2 : 3))).toBe(true);
  });
});
