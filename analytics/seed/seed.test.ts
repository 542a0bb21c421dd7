import { describe, expect, it } from "vitest";
import { makeDialogue } from "./dialogues.ts";
import { randomOf } from "./random.ts";
import { daysOf, scenarios } from "./scenarios.ts";

const now = Date.parse("2026-03-18T15:00:00Z");
const seeded = (name: string, perDay = 20) => [...daysOf(name, "t1", now, perDay)];

describe("the seeder", () => {
  it("makes the same calls in every run", () => {
    expect(seeded("busy-day")).toEqual(seeded("busy-day"));
  });

  it("makes a day's calls the same, whichever day it is asked on", () => {
    const later = [...daysOf("bad-line", "t1", now + 86_400_000, 20)];
    expect(later[0]).toEqual(seeded("bad-line")[1]);
  });

  it.each(Object.keys(scenarios))("%s: every call is whole, in its day, and its words are in its time", (name) => {
    const days = seeded(name, 10);
    expect(days).toHaveLength(scenarios[name]!.days);
    for (const [index, day] of days.entries())
      for (const events of day) {
        const started = events.find((event) => event.payload.case === "callStarted")!;
        const ended = events.find((event) => event.payload.case === "callEnded")!.payload.value as { endedAtMs: number };
        expect(Math.floor(started.occurredAtMs / 86_400_000)).toBe(Math.floor(now / 86_400_000) - days.length + index);
        const durationMs = ended.endedAtMs - started.occurredAtMs;
        for (const event of events) {
          expect(event.occurredAtMs - started.occurredAtMs).toBeGreaterThanOrEqual(0);
          if (event.payload.case === "transcriptSegment") {
            expect(event.payload.value.endMs).toBeLessThanOrEqual(durationMs);
            expect(event.payload.value.endMs).toBeGreaterThan(event.payload.value.startMs);
          }
        }
        expect(new Set(events.map((event) => event.payload.case))).toContain("attention");
      }
  });

  it("varies: a hundred dialogues are a hundred different ones, with no slot left open", () => {
    const random = randomOf("varied");
    const texts = Array.from({ length: 100 }, () =>
      makeDialogue(random, "Ada Brandt")
        .lines.map(({ text }) => text)
        .join("\n"),
    );
    expect(new Set(texts).size).toBe(100);
    for (const text of texts) expect(text).not.toMatch(/[{}]/);
  });
});
