import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";

test("a time too long for Node's timers is long, not over at once", async () => {
  let early = 0;
  const cancels = [
    systemClock.after(2 ** 31, () => early++),
    systemClock.every(2 ** 40, () => early++),
    systemClock.after(Infinity, () => early++),
  ];
  await new Promise((resolve) => setTimeout(resolve, 30));
  for (const cancel of cancels) cancel();
  expect(early).toBe(0);
});
