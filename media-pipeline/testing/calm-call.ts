/** A call of 12 s, and whether another worker made of it what one alone makes: for tests of calls that move. */
import { expect } from "vitest";
import { syntheticSpeech } from "./call-audio.ts";
import type { PipelineHarness } from "./harness.ts";

export const agentSpeech = (): Int16Array =>
  syntheticSpeech(12_000, [
    [500, 2500],
    [4000, 7500],
    [9000, 10_500],
  ]);
export const callerSpeech = (): Int16Array =>
  syntheticSpeech(
    12_000,
    [
      [2700, 3900],
      [7700, 8800],
    ],
    7,
  );

export type Result = { finals: unknown[]; recording: Uint8Array; conversation: unknown };

/** What is on the log and in the object store of a call that has ended. */
export function resultOf(harness: PipelineHarness, call: string): Result {
  const finals = harness.finals(call).map(({ segmentId, leg, startMs, endMs, text, speaker, error }) => ({
    segmentId: segmentId.replace(call, "call"),
    leg,
    startMs,
    endMs,
    text,
    speaker,
    error,
  }));
  const conversation = harness.payloads("conversation.v1", "conversationMetrics", call).at(-1);
  return { finals, recording: harness.objectStore.objects.get(`tenants/tenant-1/recordings/${call}.wav`)!, conversation };
}

/** Words, ids, measures and recording are those of the undisturbed call, and nothing of the way there is left behind. */
export function expectSame(harness: PipelineHarness, call: string, calm: Result): void {
  const result = resultOf(harness, call);
  expect(result.finals).toEqual(calm.finals);
  expect(Buffer.compare(result.recording, calm.recording), "the recording differs").toBe(0);
  expect(result.conversation).toEqual(calm.conversation);
  // Every segment of which a word was shown has its final.
  const segments = harness.payloads("transcripts.v1", "transcriptSegment", call);
  const ended = new Set(segments.filter(({ final }) => final).map(({ segmentId }) => segmentId));
  expect(segments.filter(({ segmentId }) => !ended.has(segmentId))).toEqual([]);
  expect([...harness.objectStore.objects.keys()].filter((key) => key.includes("checkpoints/"))).toEqual([]);
}
