import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { scoreText } from "./analyser.ts";
import { measureSentiment, readRatedSentences } from "./measure.ts";
import { MoodTrend } from "./trend.ts";

describe("sentiment of what is said on the telephone", () => {
  test.each([
    "my internet connection is not working since last night",
    "It doesn't work.",
    "it isn't working at all",
    "I want to cancel my contract",
    "I am really angry. You charged me twice this month and nobody called me back.",
    "This is a terrible service and I am very disappointed.",
    "i want to speak to your manager",
    "your price is too expensive for me",
    "this fucking thing is broken again",
    "I have been on hold for an hour, this is ridiculous",
    "this is not good",
    "I'm not happy with that",
    "the telephone is not working and now this line is bad as well",
    "nobody has answered my letters",
    "it was slow every evening",
  ])("bad: %s", (text) => expect(scoreText(text)).toBeLessThan(-0.1));

  test.each([
    "That is wonderful, thank you very much for your help.",
    "yes it is working again that is great",
    "Perfect. That sounds very good.",
    "that is better than i expected",
    "you have been very helpful",
    "I have no problems with it, not bad at all",
    "it was expensive but it is absolutely brilliant",
    "Good. That is all I wanted to know.",
  ])("good: %s", (text) => expect(scoreText(text)).toBeGreaterThan(0.1));

  test.each([
    "Good morning, thank you for calling Northwind. This call is recorded. My name is Sarah, how can I help you today?",
    "Have a nice day, goodbye.",
    "You're welcome.",
    "No, thank you.",
    "I am sorry to hear that. Please enter your customer number on the keypad.",
    "I would like to know when my new telephone arrives.",
    "my number is four one two seven",
    "",
    "...",
  ])("neither, however polite: %s", (text) => expect(Math.abs(scoreText(text))).toBeLessThan(0.1));

  test("boosters strengthen, negation turns, and what follows a but weighs more", () => {
    expect(scoreText("it is very good")).toBeGreaterThan(scoreText("it is good"));
    expect(scoreText("it is slightly bad")).toBeGreaterThan(scoreText("it is bad"));
    expect(scoreText("it is not good")).toBeLessThan(0);
    expect(scoreText("the price is good but the service is awful")).toBeLessThan(0);
    expect(scoreText("the price is awful but the service is good")).toBeGreaterThan(
      scoreText("the service is good but the price is awful"),
    );
  });

  test("case and punctuation, which a recogniser may or may not write, do not decide", () => {
    for (const text of ["This is terrible!", "THIS IS TERRIBLE", "this is terrible"])
      expect(scoreText(text)).toBeCloseTo(scoreText("this is terrible"), 5);
  });

  test("stays within -1 and 1, whatever comes", () => {
    for (const text of [
      "terrible ".repeat(5000),
      "constructor __proto__ toString hasOwnProperty",
      "\u0000 \u{1f600} ''' --- n't 's",
      "not ".repeat(100),
    ]) {
      const score = scoreText(text);
      expect(score).toBeGreaterThanOrEqual(-1);
      expect(score).toBeLessThanOrEqual(1);
    }
  });
});

const path = fileURLToPath(new URL("../../../../shared/data/text/vader/amazonReviewSnippets_GroundTruth.txt", import.meta.url));
test.skipIf(!existsSync(path))("against people's ratings: better than plain vader-sentiment, and above its floor", async () => {
  const { rows } = await measureSentiment(readRatedSentences(path));
  const [own, vader, majority] = rows;
  expect(own!.correlation).toBeGreaterThan(0.6);
  expect(own!.accuracy).toBeGreaterThan(0.61);
  expect(own!.correlation).toBeGreaterThan(vader!.correlation);
  expect(own!.accuracy).toBeGreaterThan(vader!.accuracy);
  expect(own!.macroF1).toBeGreaterThan(vader!.macroF1);
  expect(own!.accuracy).toBeGreaterThan(majority!.accuracy + 0.1);
});

describe("mood", () => {
  test("is the first segment's score at first, then follows the last few", () => {
    const mood = new MoodTrend();
    expect([mood.now, mood.change, mood.segments]).toEqual([0, 0, 0]);
    mood.add(0.6);
    expect(mood.now).toBeCloseTo(0.6);
    expect(mood.change).toBeCloseTo(0);
    for (let i = 0; i < 6; i++) mood.add(-0.6);
    expect(mood.now).toBeLessThan(-0.3);
    expect(mood.change).toBeLessThan(-0.05);
    for (let i = 0; i < 100; i++) mood.add(-0.6);
    expect(mood.now).toBeCloseTo(-0.6, 3);
    expect(mood.change).toBeCloseTo(0, 2);
  });
});
