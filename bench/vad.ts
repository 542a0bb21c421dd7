/**
 * Speech detection at 1,000 calls: energy gate and Silero, as a leg uses them. Audio is pushed as fast as it is judged, so the
 * figure (CPU time over audio time) holds on a busy machine too. Prints cores as a ratio of real time, and how well speech is found where the truth is known. `node bench/vad.ts [calls] [seconds]`
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { EnergyGate, levelDb } from "@earshot/media-pipeline/leg/energy-gate.ts";
import { Resampler } from "@earshot/media-pipeline/leg/resampler.ts";
import { syntheticSpeech } from "@earshot/media-pipeline/testing/call-audio.ts";
import { evaluationFile } from "@earshot/media-pipeline/testing/evaluation-data.ts";
import { readWav } from "@earshot/media-pipeline/testing/wav-file.ts";
import { type VoiceDetector, type VoiceStream, type Window, windowMs, windowSamples } from "@earshot/media-pipeline/voice/detector.ts";
import { SileroDetector } from "@earshot/media-pipeline/voice/silero-detector.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { runAhead } from "./rtp-packet/run-ahead.ts";

runAhead();

const calls = Number(process.argv[2] ?? 1000);
const seconds = Number(process.argv[3] ?? 10);

const metrics = createMetrics();
const detector = new SileroDetector({ clock: systemClock, log: silentLog, metrics }, { batchIntervalMs: 20, queueWindows: 40 });
await detector.start();
const keepAlive = setInterval(() => {}, 1000);

class BenchLeg {
  readonly gate = new EnergyGate();
  readonly #window = new Int16Array(windowSamples);
  readonly #info: Window = { position: 0, ringStart: 0, levelDb: 0, lastVoicedAtMs: 0 };
  readonly #stream: VoiceStream;
  readonly probabilities: number[] = [];
  judged = 0;
  voiced = 0;
  open = 0;
  pushed = 0;
  pushedInAll = 0;
  #audio: Int16Array;
  #at: number;

  constructor(owner: VoiceDetector, audio: Int16Array, at: number, remember = false) {
    this.#audio = audio;
    this.#at = at;
    this.#stream = owner.open({
      judged: (_window, probability) => {
        this.judged++;
        if (probability >= 0.5) this.voiced++;
        if (remember) this.probabilities.push(probability);
      },
      marked: () => {},
    });
  }

  get behind(): number {
    return this.pushedInAll - this.judged;
  }

  push(): void {
    if (this.#at + windowSamples > this.#audio.length) this.#at = 0;
    for (let i = 0; i < windowSamples; i++) this.#window[i] = this.#audio[this.#at + i]!;
    this.#at += windowSamples;
    const info = this.#info;
    info.levelDb = levelDb(this.#window, 0, windowSamples);
    const open = this.gate.step(info.levelDb);
    this.pushed++;
    this.pushedInAll++;
    if (open) this.open++;
    this.#stream.push(this.#window, info, open, this.gate.probability(info.levelDb));
  }
}

async function accuracy(): Promise<void> {
  const wavPath = evaluationFile("overlap/pyannote/sample.wav");
  const rttmPath = evaluationFile("overlap/pyannote/sample.rttm");
  if (wavPath === undefined || rttmPath === undefined) {
    console.log("accuracy: skipped, the evaluation data is not on this machine");
    return;
  }
  const wav = readWav(wavPath);
  const audio = new Int16Array(wav.pcm.length);
  const length = new Resampler(wav.sampleRate, 8000, wav.pcm.length).process(wav.pcm, wav.pcm.length, audio);
  const speech = readFileSync(rttmPath, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(/\s+/))
    .map((fields) => [Number(fields[3]) * 1000, (Number(fields[3]) + Number(fields[4])) * 1000] as const);
  const leg = new BenchLeg(detector, audio.subarray(0, length), 0, true);
  const windows = Math.floor(length / windowSamples);
  for (let i = 0; i < windows; i++) {
    leg.push();
    while (leg.judged < i) await sleep(0);
  }
  while (leg.judged < windows) await sleep(1);
  let right = 0;
  let missed = 0;
  let added = 0;
  leg.probabilities.forEach((probability, i) => {
    const at = i * windowMs + windowMs / 2;
    const truth = speech.some(([from, to]) => at >= from && at < to);
    if (probability >= 0.5 === truth) right++;
    else if (truth) missed++;
    else added++;
  });
  console.log(
    `accuracy on real conversation (AMI sample, gate + Silero at 8 kHz): ${((100 * right) / windows).toFixed(1)} % of windows right, ` +
      `${missed} missed, ${added} added, of ${windows}; gate closed ${(100 * (1 - leg.open / leg.pushed)).toFixed(0)} %`,
  );
}

async function load(): Promise<void> {
  const paths = ["agent", "caller"].map((side) => evaluationFile(`calls/aws-lca/Auto_Repairs_40_${side}.wav`));
  const real = paths.every((path) => path !== undefined);
  const audio = real
    ? paths.map((path) => readWav(path!).pcm)
    : [1, 2].map((seed) =>
        syntheticSpeech(
          60_000,
          Array.from({ length: 10 }, (_, i) => [i * 6000 + seed * 500, i * 6000 + seed * 500 + 2400] as const),
          seed,
        ),
      );
  const legs: BenchLeg[] = [];
  for (let i = 0; i < calls * 2; i++) {
    const source = audio[i % 2]!;
    legs.push(
      new BenchLeg(detector, source, Math.floor((((i * 7919) % 1000) / 1000) * (source.length / windowSamples - 1)) * windowSamples),
    );
  }
  // Two seconds warm up gates and code.
  const slices = 8;
  const warmUp = Math.round(2000 / windowMs);
  const rounds = Math.round((seconds * 1000) / windowMs);
  let cpu = process.cpuUsage();
  let began = performance.now();
  let askedBefore = 0;
  for (let round = 0; round < warmUp + rounds; round++) {
    if (round === warmUp) {
      cpu = process.cpuUsage();
      askedBefore = Number(/how="silero"} (\d+)/.exec(await metrics.expose())?.[1] ?? 0);
      began = performance.now();
      for (const leg of legs) {
        leg.voiced = 0;
        leg.open = 0;
        leg.pushed = 0;
      }
    }
    for (let slice = 0; slice < slices; slice++) {
      for (let i = slice; i < legs.length; i += slices) legs[i]!.push();
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Each leg at most three windows ahead, as a chunk of 100 ms brings them.
    while (legs.some((leg) => leg.behind > 3)) await sleep(4);
  }
  const used = process.cpuUsage(cpu);
  const wall = performance.now() - began;
  const sum = (pick: (leg: BenchLeg) => number): number => legs.reduce((total, leg) => total + pick(leg), 0);
  const cpuMs = (used.user + used.system) / 1000;
  const audioMs = rounds * windowMs;
  const text = await metrics.expose();
  const overflow = /how="overflow"} (\d+)/.exec(text)?.[1] ?? "0";
  const asked = Number(/how="silero"} (\d+)/.exec(text)?.[1] ?? 0) - askedBefore;
  console.log(
    `load: ${calls} calls, ${legs.length} legs of ${real ? "a real two-channel call" : "synthetic speech"}, ${(audioMs / 1000).toFixed(1)} s of audio in ${(wall / 1000).toFixed(1)} s`,
  );
  console.log(
    `  voiced ${((100 * sum((leg) => leg.voiced)) / sum((leg) => leg.pushed)).toFixed(0)} % of windows, past the gate ${((100 * sum((leg) => leg.open)) / sum((leg) => leg.pushed)).toFixed(0)} %, judged by it ${((100 * asked) / sum((leg) => leg.pushed)).toFixed(0)} %, by energy for want of time ${overflow}`,
  );
  console.log(`  cores: ${(cpuMs / audioMs).toFixed(2)} of one core (goal: at most 1.00)`);
}

await accuracy();
await load();
clearInterval(keepAlive);
await detector.stop(1000);
