import { expect, test } from "vitest";
import { floors, type Point, settled, trend } from "./trend.ts";

/** One point a minute for an hour: `mib` of the minute. */
const hour = (mib: (minute: number) => number): Point[] => Array.from({ length: 60 }, (_, minute) => [minute / 60, mib(minute)]);
/** Up by 120 within seven minutes, then down at once: a heap between two collections. */
const sawtooth = (minute: number): number => ((minute * 37) % 259) * (120 / 259);
const noise = (minute: number): number => ((minute * 7919) % 101) / 10 - 5;

test("a line is found, however long the margin", () => {
  expect(trend(hour((minute) => 600 + minute)).perHour).toBeCloseTo(60);
  const noisy = trend(hour((minute) => 600 + minute + noise(minute)));
  expect(Math.abs(noisy.perHour - 60)).toBeLessThan(noisy.margin);
  expect(noisy.margin).toBeLessThan(10);
});

test("a sawtooth without a slope is told apart from growth, and growth under it is found", () => {
  const flat = trend(hour((minute) => 600 + sawtooth(minute)));
  expect(Math.abs(flat.perHour)).toBeLessThan(flat.margin);
  const grows = trend(hour((minute) => 600 + sawtooth(minute) + 5 * minute));
  expect(grows.perHour - grows.margin).toBeGreaterThan(0);
});

test("points that hang together count as few: the margin is wider than that of independent ones", () => {
  const steps = trend(hour((minute) => 600 + 10 * (Math.floor(minute / 10) % 2)));
  const single = trend(hour((minute) => 600 + 10 * (minute % 2)));
  expect(steps.margin).toBeGreaterThan(3 * single.margin);
});

test("the first quarter does not count, and the floor is the least of each stretch", () => {
  expect(settled([1, 2, 3, 4, 5, 6, 7, 8])).toEqual([3, 4, 5, 6, 7, 8]);
  expect(
    floors(
      hour((minute) => (minute === 10 ? 1 : 5 + minute / 60)),
      3,
    ),
  ).toEqual([1, 5 + 20 / 60, 5 + 40 / 60]);
});
