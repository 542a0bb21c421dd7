import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cardText, parseCard } from "./call-card.ts";
import { CallState } from "./call-state.ts";

const leg = fc.record({
  index: fc.nat(),
  label: fc.string({ unit: "binary" }),
  speaker: fc.constantFrom("agent" as const, "caller" as const, "mixed" as const),
  speakerReason: fc.string(),
  name: fc.string({ unit: "binary" }),
  address: fc.string({ unit: "grapheme" }),
  agentName: fc.string({ unit: "grapheme" }),
  codec: fc.constantFrom("", "PCMA", "opus"),
  state: fc.constantFrom("active" as const, "paused" as const, "removed" as const),
});
const measure = fc.oneof(fc.constant(null), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0.05, 0.25, -1, 4.41));
const timeMs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 999_999 }), fc.maxSafeNat());

const card = fc.record({
  startedAtMs: timeMs,
  endedAtMs: timeMs,
  changedAtMs: timeMs,
  terminationDetail: fc.string({ unit: "binary", maxLength: 3000 }),
  queue: fc.string({ unit: "grapheme" }),
  recordingPaused: fc.boolean(),
  agentSentiment: measure,
  callerSentiment: measure,
  mos: measure,
  attention: fc.double({ noNaN: true, noDefaultInfinity: true }),
  packetsReceived: timeMs,
  legs: fc.array(leg, { maxLength: 6 }),
});

const empty = new CallState("t", "c").toCard();

describe("a call's card", () => {
  it("comes back from the store's text as it was", () => {
    fc.assert(
      fc.property(card, (values) => {
        const back = parseCard({ version: 1, card: cardText({ ...empty, ...values }) });
        for (const [name, value] of Object.entries(values))
          expect(back[name as keyof typeof values], name).toEqual(value === 0 ? 0 : value);
      }),
      { numRuns: 500 },
    );
  });

  it("prints numbers of every length", () => {
    for (const value of [
      0,
      7,
      ...Array.from({ length: 15 }, (_, digits) => 10 ** digits),
      ...Array.from({ length: 15 }, (_, digits) => 10 ** (digits + 1) - 1),
      1_000_001,
      2 ** 31,
      1_764_000_000_123,
      1e15,
      Number.MAX_SAFE_INTEGER,
      1e21,
    ])
      expect(parseCard({ version: 1, card: cardText({ ...empty, startedAtMs: value }) }).startedAtMs).toBe(value);
  });

  it("writes null for what is not a number", () => {
    expect(parseCard({ version: 1, card: cardText({ ...empty, mos: Number.NaN, talkRatio: Number.POSITIVE_INFINITY }) })).toMatchObject({
      mos: null,
      talkRatio: null,
    });
  });
});
