/** Word error rate and time of a recogniser over clips, leg by leg, as fast as it takes them. */
import { callId as asCallId, tenantId as asTenantId } from "@earshot/proto/ids.ts";
import type { Recogniser } from "../port.ts";
import { resample } from "../resample.ts";
import type { Clip } from "./evaluation-clips.ts";
import { wordErrors } from "./word-error-rate.ts";

export type Measured = {
  readonly set: string;
  readonly errors: number;
  readonly words: number;
  readonly audioMs: number;
  readonly elapsedMs: number;
  /** From `end` to the words, each clip. */
  readonly finalMs: readonly number[];
};

const chunkMs = 100;

/** @param heard told each result, for printing */
export async function measure(
  recogniser: Recogniser,
  clips: readonly Clip[],
  heard: (clip: Clip, text: string) => void = () => {},
  /** "live" feeds as fast as it is spoken, so that `finalMs` is what a listener waits. */
  pace: "fast" | "live" = "fast",
): Promise<Measured[]> {
  const bySet = new Map<string, { errors: number; words: number; audioMs: number; elapsedMs: number; finalMs: number[] }>();
  const rate = recogniser.capabilities.sampleRate;
  const chunk = (rate * chunkMs) / 1000;
  for (const clip of clips) {
    const callId = asCallId(`measure-${clip.leg}`);
    const pcm = resample(clip.pcm, 16000, rate);
    const began = performance.now();
    const utterance = recogniser.utterance({
      tenantId: asTenantId("measure"),
      callId,
      leg: 0,
      language: "en",
      vocabulary: [],
      onPartial() {},
    });
    for (let at = 0; at < pcm.length; at += chunk) {
      utterance.feed(pcm.subarray(at, at + chunk));
      const dueMs = pace === "live" ? (at / chunk) * chunkMs - (performance.now() - began) : 0;
      if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
    }
    const ended = performance.now();
    const { text } = await utterance.end();
    const now = performance.now();
    const sum = bySet.get(clip.set) ?? { errors: 0, words: 0, audioMs: 0, elapsedMs: 0, finalMs: [] };
    bySet.set(clip.set, sum);
    const { errors, words } = wordErrors(clip.truth, text);
    sum.errors += errors;
    sum.words += words;
    sum.audioMs += clip.pcm.length / 16;
    sum.elapsedMs += now - began;
    sum.finalMs.push(now - ended);
    heard(clip, text);
  }
  return [...bySet].map(([set, sum]) => ({ set, ...sum }));
}
