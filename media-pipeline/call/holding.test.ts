import { describe, expect, it } from "vitest";
import { PendingChunks } from "./pending-chunks.ts";
import { RecentCalls } from "./recent-calls.ts";
import { ReplayMarks } from "./replay-marks.ts";
import { TenantHints } from "./tenant-hints.ts";

describe("pending chunks", () => {
  const limits = { calls: 2, chunksPerCall: 3, heldMs: 1000 };

  it("copies what it holds, in order, and hands it over once", () => {
    const pending = new PendingChunks(limits);
    const bytes = Uint8Array.of(1, 2, 3);
    pending.hold("a", bytes, 0, 7, 0);
    bytes.fill(9);
    pending.hold("a", bytes, 0, 8, 0);
    expect(pending.take("a").map((chunk) => [chunk.offset, ...chunk.bytes])).toEqual([
      [7, 1, 2, 3],
      [8, 9, 9, 9],
    ]);
    expect(pending.take("a")).toEqual([]);
  });

  it("is bounded in calls, in chunks and in time", () => {
    const pending = new PendingChunks(limits);
    const one = Uint8Array.of(1);
    expect([0, 1, 2, 3].map((offset) => pending.hold("a", one, 0, offset, 0))).toEqual([true, true, true, false]);
    expect(["b", "c"].map((call) => pending.hold(call, one, 0, 0, 500))).toEqual([true, false]);
    expect(pending.expire(999)).toBe(0);
    expect(pending.expire(1000)).toBe(3);
    expect(pending.size).toBe(1);
    expect(pending.hold("c", one, 0, 0, 1000)).toBe(true);
  });
});

describe("replay marks", () => {
  it("name the newest record that a restart must read from", () => {
    const marks = new ReplayMarks();
    for (let i = 0; i < 100; i++) marks.mark(i * 100, 2, 1000 + i);
    expect(marks.partition).toBe(2);
    expect(marks.before(0)).toBe(1000);
    expect(marks.before(3450)).toBe(1030);
    expect(marks.before(3999)).toBe(1030);
    expect(marks.before(4000)).toBe(1040);
  });

  it("get coarser, never later, over a long utterance", () => {
    const marks = new ReplayMarks();
    for (let i = 0; i < 6000; i++) marks.mark(i * 100, 0, i);
    const offset = marks.before(300_000);
    expect(offset).toBeLessThanOrEqual(3000);
    expect(offset).toBeGreaterThan(2500);
    expect(marks.before(300_000)).toBe(offset);
  });
});

describe("recent calls", () => {
  it("forgets the oldest first", () => {
    const recent = new RecentCalls(2);
    for (const call of ["a", "b", "c"]) recent.add(call);
    expect(["a", "b", "c"].map((call) => recent.has(call))).toEqual([false, true, true]);
  });
});

describe("tenant hints", () => {
  it("are the newest settings, tenant by tenant", () => {
    const hints = new TenantHints();
    const settings = (language: string, version: number) =>
      ({ language, vocabulary: ["x"], version }) as unknown as Parameters<TenantHints["update"]>[1];
    hints.update("t1", settings("en", 2));
    hints.update("t1", settings("de", 1));
    hints.update("t2", settings("fr", 1));
    expect([hints.of("t1").language, hints.of("t2").language, hints.of("t3").language]).toEqual(["en", "fr", ""]);
    hints.update("t1", settings("de", 3));
    expect(hints.of("t1").language).toBe("de");
  });
});
