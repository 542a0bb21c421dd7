import { expect, it } from "vitest";
import { Extents } from "./extents.ts";

it("stretches join, part and are told apart, as a set of samples would", () => {
  const extents = new Extents();
  const model = new Set<number>();
  let state = 7;
  const random = (most: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % most;
  };
  for (let step = 0; step < 500; step++) {
    const from = random(200);
    const to = from + random(30);
    const isAdded = random(3) > 0;
    if (isAdded) extents.add(from, to);
    else extents.remove(from, to);
    for (let at = from; at < to; at++) isAdded ? model.add(at) : model.delete(at);
    expect(extents.samples).toBe(model.size);
    expect(extents.first).toBe(model.size === 0 ? undefined : Math.min(...model));
    const within: number[] = [];
    extents.within(50, 90, (a, b) => {
      for (let at = a; at < b; at++) within.push(at);
    });
    expect(within).toEqual([...model].filter((at) => at >= 50 && at < 90).sort((a, b) => a - b));
  }
  expect(extents.take().length).toBeGreaterThan(0);
  expect(extents.isEmpty).toBe(true);
});
