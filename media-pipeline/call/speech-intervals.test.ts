import { describe, expect, it } from "vitest";
import { SpeechIntervals } from "./speech-intervals.ts";

describe("speech intervals", () => {
  it("grows, joins over short gaps, and stays ordered and disjoint whatever comes", () => {
    const speech = new SpeechIntervals();
    speech.add(0, 100);
    speech.add(100, 132);
    speech.add(300, 400);
    speech.add(1000, 1100);
    expect(speech.bounds).toEqual([0, 400, 1000, 1100]);
    speech.add(1050, 1080);
    speech.add(2000, 2100);
    expect(speech.bounds).toEqual([0, 400, 1000, 1100, 2000, 2100]);
    speech.add(-1000, -900);
    speech.add(700, 720, 10);
    expect(speech.bounds).toEqual([-1000, -900, 0, 400, 700, 720, 1000, 1100, 2000, 2100]);
    speech.add(350, 1950, 10);
    expect(speech.bounds).toEqual([-1000, -900, 0, 1950, 2000, 2100]);
  });
});
