import { describe, expect, it } from "vitest";
import { Segmenter } from "./segmenter.ts";

const options = { threshold: 0.5, minSpeechWindows: 3, pauseWindows: 16, maxWindows: 100 };

/** Runs through probabilities; returns the changes that are not "none" or "voiced", with their windows. */
function changes(segmenter: Segmenter, probabilities: readonly number[], level = (_: number) => -30): [number, string][] {
  return probabilities.flatMap((probability, window): [number, string][] => {
    const change = segmenter.step(window, probability, level(window));
    return change === "none" || change === "voiced" ? [] : [[window, change]];
  });
}

const run = (length: number, probability: number): number[] => Array.from({ length }, () => probability);

describe("segmenter", () => {
  it("begins with the least speech and ends after the pause", () => {
    const segmenter = new Segmenter(options);
    expect(changes(segmenter, [...run(10, 0.1), ...run(20, 0.9), ...run(30, 0.1)])).toEqual([
      [12, "start"],
      [45, "end"],
    ]);
    expect([segmenter.startWindow, segmenter.lastVoicedWindow]).toEqual([10, 29]);
  });

  it("takes a click for no utterance", () => {
    expect(changes(new Segmenter(options), [...run(5, 0), 0.9, 0.9, ...run(10, 0), 0.9, ...run(10, 0)])).toEqual([]);
  });

  it("bridges pauses shorter than the endpointing pause", () => {
    const words = [...run(10, 0.9), ...run(15, 0.1), ...run(10, 0.9), ...run(16, 0.1)];
    expect(changes(new Segmenter(options), words)).toEqual([
      [2, "start"],
      [50, "end"],
    ]);
  });

  it("keeps speech that falls a little under the threshold", () => {
    const segmenter = new Segmenter(options);
    changes(segmenter, [...run(5, 0.9), ...run(30, 0.4)]);
    expect(segmenter.speaking).toBe(true);
    expect(segmenter.lastVoicedWindow).toBe(34);
  });

  it("splits at the limit, at the quietest window of the last second, and holds those back until then", () => {
    const segmenter = new Segmenter(options);
    const found: [number, string][] = [];
    let held = Number.POSITIVE_INFINITY;
    for (let window = 0; window < 150; window++) {
      const change = segmenter.step(window, 0.9, window === 83 ? -50 : -20);
      if (window === 80) held = segmenter.holdFromWindow;
      if (change === "start" || change === "split") found.push([window, change]);
    }
    expect(found).toEqual([
      [2, "start"],
      [99, "split"],
    ]);
    expect(held).toBe(69);
    expect(segmenter.splitWindow).toBe(83);
    expect(segmenter.startWindow).toBe(83);
  });

  it("ends what is open when it is reset", () => {
    const segmenter = new Segmenter(options);
    changes(segmenter, run(10, 0.9));
    expect(segmenter.reset()).toBe(true);
    expect(segmenter.reset()).toBe(false);
  });
});
