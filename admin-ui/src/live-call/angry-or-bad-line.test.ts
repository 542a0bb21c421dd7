import { describe, expect, it } from "vitest";
import { lineAt } from "../../dev/fake-calls.ts";
import type { BoardCall } from "../live-connection/live-store.ts";
import { verdictOf } from "./angry-or-bad-line.ts";

/** A call whose caller is in this mood, over a line with this MOS. */
const call = (mood: number, mos: number) =>
  ({
    lineQuality: [{ ...lineAt(1, 0, false), mos }],
    sentimentCurve: { agent: [], caller: [[0, mood]] },
    callerSentiment: mood,
  }) as unknown as BoardCall;

describe("angry, or a bad line?", () => {
  it.each([
    [-0.7, 4.3, "The conversation, not the line", /fine \(MOS 4\.3\)/],
    [-0.7, 3.62, "More the conversation", /only fair \(MOS 3\.6\)/],
    [-0.7, 2.9, "Perhaps the line", /MOS 2\.9/],
    [0.3, 2.9, "A bad line", /bears it/],
    [0.3, 3.8, "Neither", /line is fair \(MOS 3\.8\)/],
  ])("mood %d over MOS %d: %s", (mood, mos, title, why) => {
    const verdict = verdictOf(call(mood, mos));
    expect(verdict.title).toBe(title);
    expect(verdict.why).toMatch(why);
  });
});
