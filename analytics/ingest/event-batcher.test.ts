import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Event } from "@earshot/proto/event.ts";
import { describe, expect, it } from "vitest";
import { makeEvent } from "../seed/make-event.ts";
import { EventBatcher } from "./event-batcher.ts";

const event = (id: string): Event => makeEvent("t1", id, 1, { case: "attention", value: { score: 1 } });
const events = (...ids: string[]) => ids.map(event);
const settle = () => new Promise((resolve) => setImmediate(resolve));

function batcher(write?: (ids: string[]) => Promise<void>) {
  const clock = new ManualClock();
  const writes: string[][] = [];
  const made = new EventBatcher({
    async write(batch) {
      const ids = batch.map(({ callId }) => callId);
      writes.push(ids);
      await write?.(ids);
    },
    maxRows: 4,
    maxWaitMs: 500,
    clock,
    metrics: createMetrics(),
  });
  return { clock, writes, made };
}

describe("the event batcher", () => {
  it("writes groups together after the wait, and resolves each only then", async () => {
    const { clock, writes, made } = batcher();
    let done = 0;
    const waiting = [made.add(events("a")), made.add(events("b"))].map((promise) => promise.then(() => done++));
    await settle();
    expect([writes, done]).toEqual([[], 0]);
    clock.advance(500);
    await Promise.all(waiting);
    expect([writes, done]).toEqual([[["a", "b"]], 2]);
  });

  it("does not wait when it is full, or when asked not to", async () => {
    const { writes, made } = batcher();
    await Promise.all([made.add(events("a", "b")), made.add(events("c", "d"))]);
    await made.add(events("e"), true);
    expect(writes).toEqual([["a", "b", "c", "d"], ["e"]]);
  });

  it("keeps groups whole and writes one batch at a time", async () => {
    let running = 0;
    let most = 0;
    const { writes, made } = batcher(async () => {
      most = Math.max(most, ++running);
      await settle();
      running--;
    });
    await Promise.all([made.add(events("a", "b", "c")), made.add(events("d", "e", "f")), made.add(events("g", "h", "i"))]);
    expect(writes).toEqual([
      ["a", "b", "c"],
      ["d", "e", "f"],
      ["g", "h", "i"],
    ]);
    expect(most).toBe(1);
  });

  it("lets only the group with the event that cannot be stored fail", async () => {
    const { made } = batcher(async (ids) => {
      if (ids.includes("bad")) throw new EarshotError("invalid_request", "event_without_ids", "No.");
    });
    const results = await Promise.allSettled([made.add(events("a")), made.add(events("bad")), made.add(events("c", "d"))]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("writes nothing of what another process may store by then, and the rest of the batch", async () => {
    let release = (): void => {};
    const { writes, made } = batcher(() => new Promise((resolve) => (release = resolve)));
    let isOurs = true;
    const first = made.add(events("a"), true);
    const given = made.add(events("b", "c"), true, () => isOurs);
    const kept = made.add(events("d"), true);
    isOurs = false;
    release();
    await first;
    await expect(given).rejects.toMatchObject({ code: "partition_given_up", category: "unavailable" });
    release();
    await kept;
    await expect(made.add(events("e"), true, () => isOurs)).rejects.toMatchObject({ code: "partition_given_up" });
    const last = made.add(events("f", "g", "h", "i"));
    release();
    await last;
    expect(writes).toEqual([["a"], ["d"], ["f", "g", "h", "i"]]);
  });

  it("fails all where the store is away: each is tried again by its partition", async () => {
    const { writes, made } = batcher(async () => {
      throw new EarshotError("unavailable", "column_store_failed", "Away.");
    });
    const results = await Promise.allSettled([made.add(events("a", "b")), made.add(events("c", "d"))]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(writes).toHaveLength(1);
  });
});
