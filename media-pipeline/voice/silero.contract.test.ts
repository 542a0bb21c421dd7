import { readFileSync } from "node:fs";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EnergyGate, levelDb } from "../leg/energy-gate.ts";
import { Resampler } from "../leg/resampler.ts";
import { syntheticSpeech } from "../testing/call-audio.ts";
import { evaluationFile } from "../testing/evaluation-data.ts";
import { readWav } from "../testing/wav-file.ts";
import { type VoiceDetector, windowMs, windowSamples } from "./detector.ts";
import { SileroDetector } from "./silero-detector.ts";

const metrics = createMetrics();
let detector: VoiceDetector;
beforeAll(async () => {
  detector = new SileroDetector({ clock: systemClock, log: silentLog, metrics }, { batchIntervalMs: 1, queueWindows: 40 });
  await detector.start();
});
afterAll(() => detector.stop(2000));

/** Judges a whole recording; the queue never overflows. */
async function judge(pcm: Int16Array, gated = true, owner = detector): Promise<number[]> {
  const probabilities: number[] = [];
  const stream = owner.open({ judged: (_, probability) => probabilities.push(probability), marked: () => {} });
  const gate = new EnergyGate();
  const windows = Math.floor(pcm.length / windowSamples);
  for (let i = 0; i < windows; i++) {
    while (i - probabilities.length > 20) await new Promise((resolve) => setTimeout(resolve, 1));
    const window = pcm.subarray(i * windowSamples, (i + 1) * windowSamples);
    const level = levelDb(window, 0, windowSamples);
    const open = gate.step(level) || !gated;
    stream.push(window, { position: i * windowSamples, ringStart: 0, levelDb: level, lastVoicedAtMs: 0 }, open, 0);
  }
  while (probabilities.length < windows) await new Promise((resolve) => setTimeout(resolve, 1));
  stream.close();
  return probabilities;
}

describe("Silero in its thread", () => {
  const wav = evaluationFile("overlap/pyannote/sample.wav");
  const rttm = evaluationFile("overlap/pyannote/sample.rttm");
  it.skipIf(wav === undefined || rttm === undefined)("finds who speaks when in a real conversation: at least 94 % of windows", async () => {
    const { pcm, sampleRate } = readWav(wav!);
    const narrow = new Int16Array(pcm.length);
    const length = new Resampler(sampleRate, 8000, pcm.length).process(pcm, pcm.length, narrow);
    const probabilities = await judge(narrow.subarray(0, length));
    const speech = readFileSync(rttm!, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/).slice(3, 5).map(Number) as [number, number]);
    const right = probabilities.filter((probability, i) => {
      const at = ((i + 0.5) * windowMs) / 1000;
      return probability >= 0.5 === speech.some(([from, seconds]) => at >= from && at < from + seconds);
    }).length;
    expect(right / probabilities.length).toBeGreaterThan(0.94);
  });

  const call = evaluationFile("calls/aws-lca/Auto_Repairs_40_caller.wav");
  it.skipIf(call === undefined)("loses next to nothing to the energy gate on a real telephone call", async () => {
    const { pcm } = readWav(call!);
    const minute = pcm.subarray(0, 60 * 8000);
    const gated = await judge(minute);
    const all = await judge(minute, false);
    const voiced = all.filter((probability) => probability >= 0.5).length;
    const missed = all.filter((probability, i) => probability >= 0.5 && gated[i]! < 0.35).length;
    expect(voiced).toBeGreaterThan(400);
    expect(missed / voiced).toBeLessThan(0.03);
  });

  const webrtc = evaluationFile("vad/py-webrtcvad/leak-test.wav");
  it.skipIf(webrtc === undefined)("hears the speech in the WebRTC detector's own sample", async () => {
    const probabilities = await judge(readWav(webrtc!).pcm);
    expect(probabilities.filter((probability) => probability >= 0.5).length / probabilities.length).toBeGreaterThan(0.3);
  });

  it("gives each of many legs the same answers as alone", async () => {
    const pcm = syntheticSpeech(4000, [[500, 2000]]);
    const alone = await judge(pcm);
    const together = await Promise.all(Array.from({ length: 70 }, (_, i) => judge(i % 2 === 0 ? pcm : new Int16Array(pcm.length))));
    expect(Math.max(...alone)).toBeGreaterThan(0.8);
    for (const [i, probabilities] of together.entries()) {
      for (const [window, probability] of probabilities.entries()) {
        expect(Math.abs(probability - (i % 2 === 0 ? alone[window]! : 0))).toBeLessThan(0.02);
      }
    }
  });

  it("takes noise for no speech", async () => {
    const noise = syntheticSpeech(4000, []);
    for (let i = 0; i < noise.length; i++) noise[i] = noise[i]! * 150;
    const probabilities = await judge(noise, false);
    expect(probabilities.filter((probability) => probability >= 0.5).length).toBeLessThan(5);
  });

  it("judges the oldest by energy when a leg's queue is full, and keeps order and marks", async () => {
    const small = new SileroDetector(
      { clock: systemClock, log: silentLog, metrics: createMetrics() },
      { batchIntervalMs: 50, queueWindows: 4 },
    );
    await small.start();
    const positions: number[] = [];
    let marked = 0;
    const stream = small.open({ judged: (window) => positions.push(window.position), marked: () => (marked = positions.length) });
    const window = syntheticSpeech(1000, [[0, 1000]]).subarray(0, windowSamples);
    for (let i = 0; i < 30; i++) stream.push(window, { position: i, ringStart: 0, levelDb: -20, lastVoicedAtMs: 0 }, true, 0.7);
    stream.mark("end");
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(positions).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(marked).toBe(30);
    await small.stop(1000);
  });
});
