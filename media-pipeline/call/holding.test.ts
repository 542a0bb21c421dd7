import { describe, expect, it } from "vitest";
import { EarlyAudio } from "./early-audio.ts";
import { RecentCalls } from "./recent-calls.ts";
import { ReplayMarks } from "./replay-marks.ts";
import { TenantHints } from "./tenant-hints.ts";

describe("early audio", () => {
  it("names the first record of a call once, in bounds of calls and time", () => {
    const early = new EarlyAudio({ calls: 2, heldMs: 1000 });
    expect([7, 8, 9].map((offset) => early.note("a", offset, 0))).toEqual([true, true, true]);
    expect(["b", "c"].map((call) => early.note(call, 10, 500))).toEqual([true, false]);
    expect([early.take("b"), early.take("b"), early.take("c")]).toEqual([10, undefined, undefined]);
    expect(early.expire(999)).toBe(0);
    expect(early.expire(1000)).toBe(3);
    expect(early.note("c", 11, 1000)).toBe(true);
  });
});

describe("replay marks", () => {
  it("name the newest record that must be heard again, and the noise before it", () => {
    const marks = new ReplayMarks();
    expect(marks.before(0)).toBeUndefined();
    for (let i = 0; i < 100; i++) marks.mark(i * 100, 1000 + i, -70 + i / 10);
    expect(marks.before(0)?.offset).toBe(1000);
    expect(marks.before(3450)).toEqual({ positionMs: 3000, offset: 1030, noiseFloorDb: -67 });
    expect(marks.before(3999)?.offset).toBe(1030);
    expect(marks.before(4000)?.offset).toBe(1040);
  });

  it("get coarser, never later, over a long utterance", () => {
    const marks = new ReplayMarks();
    for (let i = 0; i < 6000; i++) marks.mark(i * 100, i, -70);
    const { offset } = marks.before(300_000)!;
    expect(offset).toBeLessThanOrEqual(3000);
    expect(offset).toBeGreaterThan(2500);
    expect(marks.before(300_000)?.offset).toBe(offset);
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
