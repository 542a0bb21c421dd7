import { describe, expect, it } from "vitest";
import { PublishedSpeech } from "./published-speech.ts";

describe("what was published of a leg before a hand-over", () => {
  it("settles the windows of final segments, and lets nothing begin just before one", () => {
    const known = new PublishedSpeech({ settledToMs: 1000, finals: [6000, 7000, 3008, 4000], begun: [] });
    const found = [992, 1024, 2656, 2720, 3008, 3968, 4000, 5600, 5696, 6016, 7008].map((ms) => known.at(ms));
    expect(found).toEqual(["settled", "new", "new", "before-final", "final", "final", "new", "new", "before-final", "final", "new"]);
    expect(known.isPast(7008)).toBe(true);
  });

  it("lets an utterance go on under the segment whose partials are out, once, and gives up one that is not found again", () => {
    const known = new PublishedSpeech({
      settledToMs: 0,
      finals: [],
      begun: [
        { startMs: 2000, revision: 5 },
        { startMs: 9000, revision: 2 },
      ],
    });
    expect(known.adopt(1600)).toBeUndefined();
    expect(known.adopt(2064)).toEqual({ startMs: 2000, revision: 5 });
    expect(known.adopt(2064)).toBeUndefined();
    expect(known.vanished(9500)).toEqual([]);
    expect(known.isPast(9500)).toBe(false);
    expect(known.vanished(10_000)).toEqual([{ startMs: 9000, revision: 2 }]);
    expect(known.isPast(10_000)).toBe(true);
  });
});
