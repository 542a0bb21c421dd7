import { EarshotError } from "@earshot/proto/errors.ts";
import { expect, test } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { watchStore } from "./watch.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a store that refuses, hangs and is back is told as such", async () => {
  const clock = new ManualClock();
  let answer: () => Promise<unknown> = async () => 1;
  let asked = 0;
  const watch = watchStore("column store", clock, () => {
    asked++;
    return answer();
  });
  await watch.start();
  const advance = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await settled();
  };
  await advance(2000);
  expect(watch.fault).toBeUndefined();

  answer = () => Promise.reject(new EarshotError("unavailable", "column_store_unreachable", "The column store does not answer."));
  await advance(2000);
  expect(watch.fault).toBe("The column store does not answer.");

  let go = (_: unknown): void => {};
  answer = () => new Promise((resolve) => (go = resolve));
  await advance(2000);
  const before = asked;
  await advance(6000);
  expect(watch.fault).toBe("it has not answered for 5 s");
  expect(asked).toBe(before);

  answer = async () => 1;
  go(1);
  await settled();
  expect(watch.fault).toBeUndefined();
  await watch.stop(0);
  await advance(10_000);
  expect(asked).toBe(before);
});
