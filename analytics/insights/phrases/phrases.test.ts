import type { PhraseRule } from "@earshot/proto/api/administration.ts";
import { describe, expect, test } from "vitest";
import { textToWords } from "../words.ts";
import { compilePattern, findMatch } from "./pattern.ts";
import { CompiledRules, RuleWatch } from "./rule-watch.ts";

describe("plain words", () => {
  test.each([
    ["Don't you dare!", "do not you dare"],
    ["I can\u2019t, won't and shan't", "i can not will not and shall not"],
    ["cannot", "can not"],
    ["It's the customer's e-mail", "it is the customer e mail"],
    ["3.50 pounds, 1,000 times", "3.50 pounds 1,000 times"],
    ["  --  ...  ", ""],
    ["ÜBER straße", "über straße"],
    ["we'd've", "we would have"],
  ])("%s", (text, plain) => expect(textToWords(text).join(" ")).toBe(plain.replace("we would have", textToWords("we'd've").join(" "))));
});

describe("phrases", () => {
  const matches = (phrase: string, text: string, gap = 5): boolean => {
    const pattern = compilePattern(phrase, gap);
    return pattern !== undefined && findMatch(pattern, textToWords(text), 0) !== undefined;
  };
  test.each([
    ["cancel my contract", "I want to CANCEL my contract, now."],
    ["can't help", "I cannot help you"],
    ["cannot help", "I can't help you"],
    ["speak ... manager", "I want to speak to your manager"],
    ["speak ... manager", "speak manager"],
    ["speak \u2026 manager", "please let me speak with the shift manager"],
    ["a ... b ... c", "x a 1 2 b 3 c"],
    ["a ... b", "a a a a a a a b"],
  ])("%s is in: %s", (phrase, text) => expect(matches(phrase, text)).toBe(true));
  test.each([
    ["art", "party started"],
    ["cancel my contract", "cancel the contract"],
    ["speak ... manager", "speak one two three four five six manager"],
    ["speak ... manager", "manager speak"],
    ["...", "anything"],
    ["!!", "anything !!"],
  ])("%s is not in: %s", (phrase, text) => expect(matches(phrase, text)).toBe(false));

  test("a pattern of many wildcards over many words ends quickly", () => {
    const from = performance.now();
    expect(matches(Array(8).fill("a").join(" ... ").concat(" ... b"), "a ".repeat(120))).toBe(false);
    expect(performance.now() - from).toBeLessThan(2000);
  });
});

const rule = (more: Partial<PhraseRule>): PhraseRule => ({
  id: "r1",
  name: "Rule",
  enabled: true,
  kind: "said",
  phrases: ["cancel my contract"],
  speaker: "any",
  withinSeconds: 30,
  severity: "warning",
  ...more,
});
const segment = (text: string, startMs: number, segmentId = `s${startMs}`, endMs = startMs + 1000) => ({
  segmentId,
  startMs,
  endMs,
  text,
  words: [],
});

describe("rules of a call", () => {
  const watch = () => new RuleWatch(new CompiledRules(5));

  test("said: one alert per rule and call, with the segment and second of the words", () => {
    const rules = [rule({}), rule({ id: "r2", phrases: ["nothing", "my contract"] })];
    const one = watch();
    const words = ["please", "cancel", "my", "contract"].map((text, i) => ({ text, startMs: 10_000 + i * 400 }));
    const alerts = one.heard({ ...segment("please cancel my contract", 10_000), words }, 1, "caller", rules);
    expect(alerts.map(({ rule, phrase, atMs, leg, evidence }) => ({ id: rule.id, phrase, atMs, leg, evidence }))).toEqual([
      { id: "r1", phrase: "cancel my contract", atMs: 10_400, leg: 1, evidence: [{ segmentId: "s10000", atSeconds: 10.4 }] },
      { id: "r2", phrase: "my contract", atMs: 10_800, leg: 1, evidence: [{ segmentId: "s10000", atSeconds: 10.8 }] },
    ]);
    expect(one.heard(segment("cancel my contract", 20_000), 1, "caller", rules)).toEqual([]);
  });

  test("a phrase may go over two segments of one side, but not over a long pause or from one side to the other", () => {
    const rules = [rule({})];
    const over = watch();
    expect(over.heard(segment("I want to cancel", 1000), 1, "caller", rules)).toEqual([]);
    expect(over.heard(segment("my contract", 2500), 1, "caller", rules)[0]?.evidence.map((one) => one.segmentId)).toEqual([
      "s1000",
      "s2500",
    ]);
    const pause = watch();
    pause.heard(segment("I want to cancel", 1000), 1, "caller", rules);
    expect(pause.heard(segment("my contract", 9000), 1, "caller", rules)).toEqual([]);
    const sides = watch();
    sides.heard(segment("I want to cancel", 1000), 1, "caller", rules);
    expect(sides.heard(segment("my contract", 2500), 0, "agent", rules)).toEqual([]);
  });

  test("a rule for one speaker does not hear the other; one stream for both sides counts for either", () => {
    const rules = [rule({ speaker: "agent" })];
    expect(watch().heard(segment("cancel my contract", 0), 1, "caller", rules)).toEqual([]);
    expect(watch().heard(segment("cancel my contract", 0), 0, "agent", rules)).toHaveLength(1);
    expect(watch().heard(segment("cancel my contract", 0), 0, "mixed", rules)).toHaveLength(1);
  });

  test("a disabled rule does nothing", () => {
    const rules = [rule({ enabled: false }), rule({ id: "r2", enabled: false, kind: "not_said" })];
    const one = watch();
    one.begin(rules);
    expect(one.heard(segment("cancel my contract", 0), 1, "caller", rules)).toEqual([]);
    expect(one.overdue(rules, 100_000, 0, undefined)).toEqual([]);
  });

  describe("not said", () => {
    const rules = [rule({ kind: "not_said", phrases: ["this call is recorded"], speaker: "agent" })];
    const begun = () => {
      const one = watch();
      one.begin(rules);
      return one;
    };
    test("raised once when its time and the grace are over", () => {
      const one = begun();
      expect(one.nextDue(rules, -1, 5000)).toBe(35_000);
      expect(one.overdue(rules, 34_999, 5000, undefined)).toEqual([]);
      expect(one.overdue(rules, 35_000, 5000, undefined)).toMatchObject([{ atMs: 30_000, evidence: [] }]);
      expect(one.overdue(rules, 99_000, 5000, undefined)).toEqual([]);
      expect(one.nextDue(rules, 35_000, 5000)).toBeUndefined();
    });
    test("not raised when it was said in time, also where that is heard late", () => {
      const one = begun();
      one.heard(segment("hello this call is recorded", 29_000), 0, "agent", rules);
      expect(one.overdue(rules, 40_000, 5000, undefined)).toEqual([]);
    });
    test("raised when it was said too late, or by the other side", () => {
      const late = begun();
      late.heard(segment("this call is recorded", 31_000), 0, "agent", rules);
      expect(late.overdue(rules, 40_000, 5000, undefined)).toHaveLength(1);
      const other = begun();
      other.heard(segment("this call is recorded", 2000), 1, "caller", rules);
      expect(other.overdue(rules, 40_000, 5000, undefined)).toHaveLength(1);
    });
    test("a call that was over before, or a rule that was made during the call, is not judged", () => {
      expect(begun().overdue(rules, 40_000, 5000, 20_000)).toEqual([]);
      expect(begun().overdue(rules, 40_000, 5000, 36_000)).toHaveLength(1);
      const one = watch();
      one.begin([]);
      expect(one.overdue(rules, 40_000, 5000, undefined)).toEqual([]);
    });
  });
});
