import { decodeMediaChunk } from "@earshot/proto/media-chunk-codec.ts";
import { expect, test } from "vitest";
import { type BacklogCall, backlogCalls, spoken, turnsOf } from "./backlog.ts";
import { cutOtherwise, notHeard } from "./heard.ts";

const scenarios = ["sale", "service"];
const calls = backlogCalls(scenarios, 24, 12, 1_764_000_000_000);

function chunksOf(some: readonly BacklogCall[]) {
  const chunks: {
    readonly step: number;
    readonly key: string;
    readonly leg: number;
    readonly position: number;
    readonly sequence: number;
    readonly occurredAtMs: number;
  }[] = [];
  let step = 0;
  const sink: Parameters<typeof spoken>[1] = (key, encoder, fields) => {
    const bytes = new Uint8Array(encoder.maxLength(fields));
    const { leg, position, sequence, occurredAtMs } = decodeMediaChunk(bytes.subarray(0, encoder.encode(fields, bytes, 0)));
    chunks.push({ step, key, leg, position, sequence, occurredAtMs });
    return true;
  };
  for (const _ of spoken(some, sink)) step++;
  return chunks;
}

test("calls that are up together write one chunk of each leg after the other, a fifth of them every 20 ms", () => {
  const chunks = chunksOf(calls);
  expect(chunks).toHaveLength(24 * 2 * 120);
  for (const call of calls)
    for (const leg of [0, 1]) {
      const mine = chunks.filter((chunk) => chunk.key === call.id && chunk.leg === leg);
      expect(mine.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 120 }, (_, i) => i));
      expect(mine.at(-1)).toMatchObject({ position: 119 * 800, occurredAtMs: call.startedAtMs + 12_000 });
    }
  const inOneSecond = chunks.filter(({ step }) => step >= 100 && step < 150);
  expect(inOneSecond).toHaveLength(24 * 2 * 10);
  for (let step = 100; step < 150; step++) expect(inOneSecond.filter((chunk) => chunk.step === step).length / 48).toBeCloseTo(0.2, 1);
});

test("a turn is in the call where the dialogue has it, and in the next round of the dialogue too", () => {
  const [fromTheStart] = calls;
  const [first] = turnsOf(fromTheStart!);
  expect(first!.startMs).toBeLessThan(3000);
  const later = calls.find(({ scenario, shiftMs }) => scenario === "sale" && shiftMs > 45_000)!;
  expect(turnsOf({ ...later, seconds: 60 }).filter(({ startMs }) => startMs > 5900).length).toBeGreaterThan(8);
  for (const call of calls) for (const turn of turnsOf(call)) expect(turn.endMs).toBeLessThanOrEqual(12_000);
});

test("what was not heard is said, and calls that were cut otherwise than their like are counted", () => {
  const all = new Map(calls.map((call) => [call.id, turnsOf(call)]));
  expect(notHeard(calls, all)).toEqual([]);
  expect(cutOtherwise(calls, all)).toBe(0);
  const alike = calls.find(
    (call, i) => calls.findIndex((other) => other.scenario === call.scenario && other.shiftMs === call.shiftMs) < i,
  )!;
  const [turn, ...others] = turnsOf(alike);
  expect(notHeard(calls, new Map(all).set(alike.id, others))).toEqual([
    expect.stringMatching(new RegExp(`^${alike.id} .* only 0 % is in a segment`)),
  ]);
  const middleMs = (turn!.startMs + turn!.endMs) / 2;
  const inTwo = new Map(all).set(alike.id, [{ ...turn!, endMs: middleMs }, { ...turn!, startMs: middleMs }, ...others]);
  expect(notHeard(calls, inTwo)).toEqual([]);
  expect(cutOtherwise(calls, inTwo)).toBe(1);
});
