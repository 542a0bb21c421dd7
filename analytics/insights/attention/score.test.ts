import { describe, expect, test } from "vitest";
import { type AttentionInput, scoreAttention } from "./score.ts";
import { attentionVersion, attentionWeights, ramp } from "./weights.ts";

const quiet: AttentionInput = { durationMs: 60_000, alerts: [], lines: [], recognition: { segments: 0, failed: 0, failures: [] } };
const codes = (input: Partial<AttentionInput>): [string, number][] =>
  scoreAttention({ ...quiet, ...input }).reasons.map((reason) => [reason.code, reason.points]);
const caller = (mood: number, change = 0, segments = 10) => ({
  mood,
  change,
  segments,
  worst: [{ segmentId: "s1", atSeconds: 4, score: mood }],
});
const conversation = (more: object) => ({ durationMs: 60_000, overtalkMs: 0, interruptions: 0, currentSilenceMs: 0, ...more });
const line = (mos: number, silent = false) => ({ leg: 0, mos, silent, atMs: 20_000 });
const evidence = [{ segmentId: "s1", atSeconds: 4 }];

describe("attention", () => {
  test("a call of which nothing is known, or nothing is wrong, has none", () => {
    expect(scoreAttention(quiet)).toEqual({ score: 0, reasons: [], version: attentionVersion });
    expect(
      codes({
        caller: caller(0.5, 0.1),
        conversation: conversation({}),
        lines: [line(4.4)],
        recognition: { segments: 10, failed: 0, failures: [] },
      }),
    ).toEqual([]);
  });

  test("each reason grows from nothing to its full points, and no further", () => {
    const rule = attentionWeights.caller_negative;
    expect([0, -0.1, -0.4, -0.7, -1].map((mood) => ramp(mood, rule))).toEqual([0, 0, expect.closeTo(15), expect.closeTo(30), 30]);
  });

  test.each<[string, Partial<AttentionInput>, [string, number][]]>([
    ["an unhappy caller", { caller: caller(-0.7) }, [["caller_negative", 30]]],
    ["a mood that falls", { caller: caller(0, -0.5) }, [["caller_falling", 15]]],
    ["a fall over too few segments", { caller: caller(0, -0.5, 3) }, []],
    ["a caller who has said nothing", { caller: caller(-0.7, 0, 0) }, []],
    ["both speaking at once", { conversation: conversation({ overtalkMs: 9000 }) }, [["overtalk", 10]]],
    ["overtalk in a call too young to tell", { conversation: conversation({ overtalkMs: 9000, durationMs: 10_000 }) }, []],
    ["interruptions", { conversation: conversation({ interruptions: 4 }) }, [["interruptions", 8]]],
    ["silence now", { conversation: conversation({ currentSilenceMs: 45_000 }) }, [["long_silence", 20]]],
    ["the worst leg's line", { lines: [line(4.3), line(2.4)] }, [["bad_line", 12]]],
    ["a side that is never heard, whose line is not judged besides", { lines: [line(1, true)] }, [["one_way_audio", 25]]],
    ["a long call", { durationMs: 40 * 60_000 }, [["long_duration", 8]]],
    ["words that are missing", { recognition: { segments: 4, failed: 4, failures: evidence } }, [["not_recognised", 6]]],
  ])("%s", (_what, input, expected) => expect(codes(input)).toEqual(expected));

  test("alerts count by severity, and not without end", () => {
    const alert = (severity: "info" | "warning" | "critical") => ({ severity, name: "A", atMs: 4000, evidence });
    expect(codes({ alerts: [alert("info"), alert("warning")] })).toEqual([
      ["alert", 15],
      ["alert", 4],
    ]);
    expect(codes({ alerts: [alert("critical"), alert("critical"), alert("critical")] })).toEqual([
      ["alert", 30],
      ["alert", 15],
    ]);
  });

  test("every point has a reason with evidence; the sum is the score, 100 at most, worst reason first", () => {
    const all = scoreAttention({
      durationMs: 40 * 60_000,
      caller: caller(-1, -1),
      alerts: [{ severity: "critical", name: "Cancellation", atMs: 4000, evidence }],
      conversation: conversation({ durationMs: 40 * 60_000, overtalkMs: 1e6, interruptions: 1000, currentSilenceMs: 60_000 }),
      lines: [line(1.5), line(1, true)],
      recognition: { segments: 10, failed: 10, failures: evidence },
    });
    expect(all.score).toBe(100);
    expect(all.reasons.map((reason) => reason.points)).toEqual(all.reasons.map((reason) => reason.points).toSorted((a, b) => b - a));
    for (const reason of all.reasons) expect(reason.evidence.length, reason.code).toBeGreaterThan(0);
    expect(new Set(all.reasons.map((reason) => reason.code))).toEqual(new Set(Object.keys(attentionWeights)));
    const some = scoreAttention({ ...quiet, caller: caller(-0.4), lines: [line(3)] });
    expect(some.score).toBe(some.reasons.reduce((sum, reason) => sum + reason.points, 0));
  });
});
