import { expect, test } from "vitest";
import { ManualClock } from "./manual-clock.ts";

test("time stands still until it is advanced, and timers run in order of time", () => {
  const clock = new ManualClock(1000);
  const events: string[] = [];
  clock.after(30, () => events.push(`c at ${clock.now()}`));
  clock.after(10, () => {
    events.push(`a at ${clock.now()}`);
    clock.after(5, () => events.push(`b at ${clock.now()}`));
  });
  expect(clock.now()).toBe(1000);
  clock.advance(9);
  expect(events).toEqual([]);
  clock.advance(21);
  expect(events).toEqual(["a at 1010", "b at 1015", "c at 1030"]);
  expect(clock.now()).toBe(1030);
  expect(clock.monotonicMs()).toBe(1030);
});

test("a repeated timer repeats until it is cancelled, a single one may be cancelled before", () => {
  const clock = new ManualClock(0);
  let repeated = 0;
  let single = 0;
  const cancelRepeated = clock.every(10, () => repeated++);
  clock.after(25, () => single++)();
  clock.advance(35);
  cancelRepeated();
  clock.advance(100);
  expect([repeated, single]).toEqual([3, 0]);
});
