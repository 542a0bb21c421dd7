import { expect, test } from "vitest";
import { SourceLatch } from "./source-latch.ts";

test("the first source is taken; another only after silence", () => {
  const latch = new SourceLatch(2000);
  expect(latch.accepts("10.0.0.1", 4000, 0)).toBe(true);
  latch.latch("10.0.0.1", 4000);
  expect(latch.isCurrent("10.0.0.1", 4000)).toBe(true);
  expect(latch.accepts("10.0.0.2", 4000, 1999)).toBe(false);
  expect(latch.accepts("10.0.0.2", 4000, 2000)).toBe(true);
});

test("the address of the offer overrules whoever came first, and an offer that moves it frees the latch", () => {
  const latch = new SourceLatch(2000);
  latch.signal("10.0.0.9", 5000);
  latch.latch("6.6.6.6", 1);
  expect(latch.accepts("10.0.0.9", 5001, 20)).toBe(false);
  expect(latch.accepts("10.0.0.9", 5000, 20)).toBe(true);
  latch.signal("10.0.0.9", 5000);
  expect(latch.latched).toBe(true);
  latch.signal("10.0.0.9", 6000);
  expect(latch.latched).toBe(false);
  expect(latch.accepts("7.7.7.7", 2, 30)).toBe(true);
});
