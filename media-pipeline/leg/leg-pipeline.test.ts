import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { decodeMediaChunk, type MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import { describe, expect, it } from "vitest";
import type { MediaPipelineSettings } from "../settings.ts";
import { type ChunkOptions, encodeChunks, syntheticSpeech, toMuLaw } from "../testing/call-audio.ts";
import { testSettings } from "../testing/harness.ts";
import { type ScriptedOptions, ScriptedRecogniser } from "../testing/scripted-recogniser.ts";
import { createEnergyDetector } from "../voice/energy-detector.ts";
import { muLawTable } from "./codec/g711.ts";
import { OpusDecoders } from "./codec/opus.ts";
import { LegPipeline } from "./leg-pipeline.ts";
import { createLegScratch } from "./leg-scratch.ts";
import type { LegSink, UtteranceInfo } from "./leg-sink.ts";
import { createFeedScratch, type UtteranceResult } from "./utterance-run.ts";

class Recorded implements LegSink {
  readonly audioAt: { position: number; pcm: Int16Array }[] = [];
  readonly finals: { info: UtteranceInfo; result: UtteranceResult }[] = [];
  speechMs = 0;
  audio(_: number, __: number, pcm: Int16Array, length: number, position: number): void {
    this.audioAt.push({ position, pcm: pcm.slice(0, length) });
  }
  speech(_: number, fromMs: number, toMs: number): void {
    this.speechMs += toMs - fromMs;
  }
  partial(): void {}
  vanished(): void {}
  final(_: number, info: UtteranceInfo, result: UtteranceResult): void {
    this.finals.push({ info, result });
  }

  /** All audio by its place. */
  timeline(length: number): Int16Array {
    const all = new Int16Array(length);
    for (const { position, pcm } of this.audioAt) all.set(pcm, position);
    return all;
  }
}

function leg(changed: Partial<MediaPipelineSettings> = {}, script: ScriptedOptions = { sampleRate: 8000 }, stillMs = 0) {
  const sink = new Recorded();
  const recogniser = new ScriptedRecogniser(script);
  const clock = new ManualClock();
  const pipeline = new LegPipeline({
    tenantId: tenantId("t"),
    callId: callId("c"),
    index: 0,
    settings: testSettings(changed),
    clock,
    detector: createEnergyDetector("test"),
    recogniser,
    scratch: createLegScratch(createFeedScratch(), new OpusDecoders()),
    sink,
    stillMs,
    hints: () => ({ language: "de", vocabulary: ["Earshot"] }),
  });
  return { sink, recogniser, clock, pipeline };
}

function chunks(pcm: Int16Array, more: Partial<ChunkOptions> = {}): MediaChunkView[] {
  return encodeChunks({ tenantId: "t", callId: "c", leg: 0, pcm, originMs: 1_000_000, ...more }).map(decodeMediaChunk);
}

const decoded = (pcm: Int16Array): Int16Array => pcm.map((sample) => muLawTable[toMuLaw(sample)]!);

describe("a leg", () => {
  it("decodes every sample to its place, and feeds an utterance its own audio with pre-roll", async () => {
    const { sink, recogniser, pipeline } = leg();
    const pcm = syntheticSpeech(4000, [[1000, 2500]]);
    for (const chunk of chunks(pcm)) expect(pipeline.accept(chunk)).toBe("taken");
    await pipeline.end();
    expect(sink.timeline(pcm.length)).toEqual(decoded(pcm));
    const [utterance] = recogniser.utterances;
    const { info } = sink.finals[0]!;
    expect(info.feedStartMs).toBe(info.startMs - 200);
    // From the pre-roll to the end of the pause, without a hole.
    const pauseEndMs = info.endMs + 512;
    expect(Math.abs(utterance!.samples / 8 - (pauseEndMs - info.feedStartMs))).toBeLessThanOrEqual(64);
    expect(utterance!.options).toMatchObject({ language: "de", vocabulary: ["Earshot"], tenantId: "t", callId: "c", leg: 0 });
  });

  it.each([16000, 24000] as const)("feeds the recogniser at its own rate, %i Hz", async (sampleRate) => {
    const { sink, recogniser, pipeline } = leg({}, { sampleRate });
    for (const chunk of chunks(syntheticSpeech(4000, [[1000, 2500]]))) pipeline.accept(chunk);
    await pipeline.end();
    const { info } = sink.finals[0]!;
    const fedMs = (recogniser.utterances[0]!.samples * 1000) / sampleRate;
    expect(Math.abs(fedMs - (info.endMs + 512 - info.feedStartMs))).toBeLessThanOrEqual(64);
  });

  it("takes each chunk once, by sequence", () => {
    const { sink, pipeline } = leg();
    const all = chunks(syntheticSpeech(1000, []));
    expect([0, 1, 1, 0, 2].map((i) => pipeline.accept(all[i]!))).toEqual(["taken", "taken", "duplicate", "duplicate", "taken"]);
    expect(sink.audioAt.reduce((sum, { pcm }) => sum + pcm.length, 0)).toBe(2400);
  });

  it("fills a hole of lost chunks, counts it, and goes on in the same utterance", async () => {
    const { sink, pipeline } = leg();
    const pcm = syntheticSpeech(4000, [[500, 3000]]);
    for (const [i, chunk] of chunks(pcm).entries()) if (i < 12 || i >= 15) pipeline.accept(chunk);
    await pipeline.end();
    expect(pipeline.lostMs).toBe(300);
    expect(sink.finals).toHaveLength(1);
    expect(sink.finals[0]!.info.lostMs).toBe(300);
    expect(sink.timeline(pcm.length).subarray(8 * 1500)).not.toEqual(new Int16Array(8 * 2500));
    expect(pipeline.positionMs).toBe(4000);
  });

  it("ends the utterance at a longer hole", async () => {
    const { sink, pipeline } = leg();
    for (const chunk of chunks(syntheticSpeech(1500, [[300, 1500]]))) pipeline.accept(chunk);
    for (const chunk of chunks(syntheticSpeech(2000, [[0, 1000]]), { startSample: 8 * 10_000, firstSequence: 40 })) pipeline.accept(chunk);
    await pipeline.end();
    expect(sink.finals).toHaveLength(2);
    expect(sink.finals[0]!.info.endMs).toBeLessThanOrEqual(1500);
    expect(sink.finals[1]!.info.feedStartMs).toBeGreaterThan(10_000 - 32);
    expect(pipeline.lostMs).toBe(8500);
  });

  it("skips frames that were heard already", () => {
    const { sink, pipeline } = leg();
    const pcm = syntheticSpeech(1000, [[0, 1000]]);
    for (const chunk of chunks(pcm.subarray(0, 4000))) pipeline.accept(chunk);
    for (const chunk of chunks(pcm.subarray(3680), { startSample: 3680, firstSequence: 5 })) pipeline.accept(chunk);
    expect(sink.timeline(8000).subarray(0, 7840)).toEqual(decoded(pcm).subarray(0, 7840));
    expect(sink.audioAt.reduce((sum, one) => sum + one.pcm.length, 0)).toBe(pipeline.positionMs * 8);
  });

  it("finishes what was said when the stream just stops", async () => {
    const { sink, clock, pipeline } = leg();
    for (const chunk of chunks(syntheticSpeech(2000, [[500, 2000]]))) pipeline.accept(chunk);
    clock.advance(700);
    pipeline.tick(clock.monotonicMs(), 0);
    await Promise.resolve();
    expect(sink.finals).toHaveLength(0);
    clock.advance(200);
    pipeline.tick(clock.monotonicMs(), 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.finals).toHaveLength(1);
    expect(sink.finals[0]!.info.endMs).toBeGreaterThan(1800);
  });

  it("does not take a log that is late for a stream that stops, unless the call's other leg goes on", async () => {
    const { sink, clock, pipeline } = leg({}, { sampleRate: 8000 }, 3000);
    for (const chunk of chunks(syntheticSpeech(2000, [[500, 2000]]))) pipeline.accept(chunk);
    clock.advance(2900);
    pipeline.tick(clock.monotonicMs(), pipeline.heardToMs + 700);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.finals).toHaveLength(0);
    pipeline.tick(clock.monotonicMs(), pipeline.heardToMs + 800);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.finals).toHaveLength(1);
  });

  it("splits an endless utterance without losing or repeating audio", async () => {
    const { sink, recogniser, pipeline } = leg({ maxUtteranceMs: 5000 });
    for (const chunk of chunks(syntheticSpeech(14_000, [[1000, 12_500]]))) pipeline.accept(chunk);
    await pipeline.end();
    expect(sink.finals.length).toBeGreaterThanOrEqual(3);
    const fedMs = recogniser.utterances.reduce((sum, utterance) => sum + utterance.samples / 8, 0);
    const first = sink.finals[0]!.info;
    const last = sink.finals.at(-1)!.info;
    expect(Math.abs(fedMs - (last.endMs + 512 - first.feedStartMs))).toBeLessThanOrEqual(64);
    for (const [i, { info }] of sink.finals.slice(1).entries()) {
      expect(info.startMs).toBeGreaterThanOrEqual(sink.finals[i]!.info.endMs);
      expect(info.startMs - sink.finals[i]!.info.startMs).toBeLessThanOrEqual(5000);
    }
    expect(new Set(sink.finals.map(({ info }) => info.startMs)).size).toBe(sink.finals.length);
  });

  it("refuses what it cannot decode, and goes on", () => {
    const { pipeline } = leg();
    const [first, second] = chunks(syntheticSpeech(200, [])) as [MediaChunkView, MediaChunkView];
    expect(pipeline.accept({ ...first, codec: 99 as Codec })).toBe("unusable");
    expect(pipeline.accept({ ...first, frameSamples: 0 })).toBe("unusable");
    expect(pipeline.accept({ ...first, frameSamples: 1_000_000 })).toBe("unusable");
    expect(pipeline.accept({ ...first, sampleRate: 1 })).toBe("unusable");
    expect(pipeline.accept(first)).toBe("taken");
    expect(pipeline.accept(second)).toBe("taken");
    expect(pipeline.positionMs).toBe(200);
  });

  it("changes the codec in mid-call and keeps its place", () => {
    const { sink, pipeline } = leg();
    const [first] = chunks(syntheticSpeech(100, [])) as [MediaChunkView];
    pipeline.accept(first);
    const wide = { ...first, sequence: 1, codec: Codec.L16, sampleRate: 16000, frameSamples: 320, position: 1600 };
    const payload = new Uint8Array(5 * 640);
    for (let i = 0; i < payload.length; i += 2) payload[i] = 0x10;
    expect(pipeline.accept({ ...wide, frameBytes: [640, 640, 640, 640, 640], payload })).toBe("taken");
    expect(pipeline.positionMs).toBe(200);
    const last = sink.audioAt.at(-1)!;
    expect(last.position + last.pcm.length).toBe(1600);
    expect(Math.abs(last.pcm[100]! - 0x1000)).toBeLessThan(50);
  });
});
