import { afterEach, describe, expect, it } from "vitest";
import { mosWord, sentimentWord, signed, toneOf } from "./sentiment.ts";
import { ago, clockTime, dayName, duration, exactTime, setTimeZone, spokenDuration } from "./time.ts";
import { percent, plural } from "./words.ts";

afterEach(() => setTimeZone("UTC"));

describe("durations and times", () => {
  it("writes durations as 4:07", () => {
    expect([null, 0, 999, 247_000, 3_729_000, -5].map(duration)).toEqual(["–", "0:00", "0:00", "4:07", "1:02:09", "0:00"]);
    expect([41_000, 240_000, 247_000, 3_900_000].map(spokenDuration)).toEqual(["41 s", "4 min", "4 min 7 s", "1 h 5 min"]);
  });

  it("shows wall clock in the tenant's zone, and names the zone", () => {
    setTimeZone("Asia/Tokyo");
    expect(clockTime("2026-11-20T15:30:05Z")).toBe("00:30:05");
    expect(exactTime("2026-11-20T15:30:05Z")).toMatch(/Sat.*21 November 2026.*00:30:05.*(GMT\+9|JST)/);
    setTimeZone("Mars/Olympus");
    expect(clockTime("2026-11-20T15:30:05Z")).toBe("15:30:05");
  });

  it("leaves a day its date in every zone", () => {
    setTimeZone("America/Los_Angeles");
    expect(dayName("2026-11-20")).toBe("20 Nov");
  });

  it("says how long ago", () => {
    const now = Date.parse("2026-11-20T12:00:00Z");
    expect([1, 30, 90, 7200, 200_000].map((seconds) => ago(new Date(now - seconds * 1000).toISOString(), now))).toEqual([
      "now",
      "30 s ago",
      "1 min ago",
      "2 h ago",
      "2 d ago",
    ]);
  });
});

describe("sentiment and line in words", () => {
  it("has four tones with fixed bounds", () => {
    expect([0.2, 0.19, -0.2, -0.21, -0.5, -0.51, null].map(toneOf)).toEqual([
      "positive",
      "neutral",
      "neutral",
      "uneasy",
      "uneasy",
      "negative",
      "neutral",
    ]);
    expect(sentimentWord(null)).toBe("No words yet");
  });

  it("writes scores with a true minus, and no signed zero", () => {
    expect([0.42, -0.3, -0.001, 0, null].map(signed)).toEqual(["+0.42", "−0.30", "0.00", "0.00", "–"]);
  });

  it("names MOS", () => {
    expect([4.41, 3.7, 3.2, 2].map(mosWord)).toEqual(["Good", "Fair", "Poor", "Bad"]);
  });

  it("counts and shares", () => {
    expect([plural(1, "call"), plural(1200, "call"), percent(null), percent(0.567)]).toEqual(["1 call", "1,200 calls", "–", "57 %"]);
  });
});
