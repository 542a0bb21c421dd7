/**
 * Word error rate and real-time factor of every speech engine that can be used here, over the evaluation recordings (../shared/data/asr,
 * where present) and the demo calls, wideband and as a G.711 line leaves them.
 * `npm run bench -- recognisers [engine ...] [--live] [--words]`: --live feeds in real time, so that the wait for the final words is a listener's.
 */
import { readdirSync, readFileSync } from "node:fs";
import { chooseRecogniser } from "@earshot/media-pipeline/recogniser/choose.ts";
import { recogniserSettings } from "@earshot/media-pipeline/recogniser/settings.ts";
import { type Clip, evaluationClips } from "@earshot/media-pipeline/recogniser/testing/evaluation-clips.ts";
import { measure } from "@earshot/media-pipeline/recogniser/testing/measure.ts";
import { throughTelephone } from "@earshot/media-pipeline/recogniser/testing/telephone.ts";
import { normaliserName } from "@earshot/media-pipeline/recogniser/testing/word-error-rate.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";

const everyEngine = ["openai", "openai-realtime", "huggingface", "whisper", "pocketsphinx"];
const demoAudio = new URL("../deploy/demo-pbx/audio/", import.meta.url);

async function run(): Promise<void> {
  const given = process.argv.slice(2);
  const asked = given.filter((name) => !name.startsWith("--"));
  const clips = [...(evaluationClips() ?? []), ...demoClips()];
  if (evaluationClips() === undefined) console.log("The evaluation recordings (../shared/data/asr) are not here: demo calls only.");
  console.log(
    `Normaliser: ${normaliserName}. RTF: time per time of audio, one utterance at a time; final: from the end of the audio to the words.`,
  );
  for (const engine of asked.length > 0 ? asked : everyEngine) {
    const { values, faults } = readSettings({ recogniser: recogniserSettings }, { ...recogniserEnvironment(), EARSHOT_ASR: engine });
    if (faults.length > 0) throw new Error(faults.map((fault) => `${fault.env}: ${fault.problem}`).join("; "));
    try {
      const deps = { settings: values.recogniser, log: createLog({ level: "error" }), metrics: createMetrics(), clock: systemClock };
      const { recogniser, status } = await chooseRecogniser(deps);
      // Asked for by name it would be fetched; a benchmark that nobody pointed at it does not start a download.
      if (engine === "whisper" && asked.length === 0 && status.reason.includes("will be fetched")) throw new Error("its model is not here");
      await recogniser.start();
      for (const [band, ofBand] of [
        ["wideband", clips],
        ["telephone", clips.map((clip) => ({ ...clip, leg: `${clip.leg}-telephone`, pcm: throughTelephone(clip.pcm) }))],
      ] as const) {
        const sets = await measure(
          recogniser,
          ofBand,
          (clip, text) => given.includes("--words") && console.log(`  ${clip.set}\n    said  ${clip.truth}\n    heard ${text}`),
          given.includes("--live") ? "live" : "fast",
        );
        print(engine, band, sets);
      }
      await recogniser.stop(0);
    } catch (error) {
      console.log(`${engine}: not measured (${error instanceof Error ? error.message : String(error)})`);
    }
  }
}

function print(engine: string, band: string, sets: Awaited<ReturnType<typeof measure>>): void {
  const all = { set: "all", errors: 0, words: 0, audioMs: 0, elapsedMs: 0, finalMs: [] as number[] };
  for (const set of sets) {
    all.errors += set.errors;
    all.words += set.words;
    all.audioMs += set.audioMs;
    all.elapsedMs += set.elapsedMs;
    all.finalMs.push(...set.finalMs);
  }
  for (const { set, errors, words, audioMs, elapsedMs, finalMs } of [...sets, all]) {
    const sorted = [...finalMs].sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!.toFixed(0);
    const wer = ((100 * errors) / words).toFixed(1);
    console.log(
      `${engine.padEnd(15)} ${band.padEnd(9)} ${set.padEnd(16)} WER ${wer.padStart(5)} % of ${String(words).padStart(4)} words  RTF ${(elapsedMs / audioMs).toFixed(2)}  final p50 ${at(0.5)} ms p95 ${at(0.95)} ms`,
    );
  }
}

/** The turns of the demo calls, 200 ms before and 300 ms after included, as a segmenter would cut them. */
function demoClips(): Clip[] {
  const clips: Clip[] = [];
  for (const name of readdirSync(demoAudio).filter((file) => file.endsWith(".json"))) {
    const truth = JSON.parse(readFileSync(new URL(name, demoAudio), "utf8")) as {
      turns: { speaker: "agent" | "caller"; startMs: number; endMs: number; words: { word: string }[] }[];
    };
    const call = name.slice(0, -".json".length);
    const sides = stereo(readFileSync(new URL(`${call}.wav`, demoAudio)));
    for (const side of ["agent", "caller"] as const)
      for (const turn of truth.turns.filter(({ speaker, words }) => speaker === side && words.length > 0))
        clips.push({
          set: `demo ${call}`,
          leg: `${call}-${side}`,
          truth: turn.words.map(({ word }) => word).join(" "),
          pcm: sides[side === "agent" ? 0 : 1].slice(Math.max(0, (turn.startMs - 200) * 16), (turn.endMs + 300) * 16),
        });
  }
  return clips;
}

/** Two-channel mu-law WAV at 16 kHz, with the data chunk last. */
function stereo(file: Uint8Array): [Int16Array, Int16Array] {
  const start = Buffer.from(file.buffer, file.byteOffset, 200).indexOf("data") + 8;
  const length = (file.length - start) >> 1;
  const sides: [Int16Array, Int16Array] = [new Int16Array(length), new Int16Array(length)];
  for (let i = 0; i < length * 2; i++) {
    const code = ~file[start + i]! & 0xff;
    const magnitude = (((code & 0x0f) << 3) + 132) << ((code >> 4) & 7);
    sides[i & 1]![i >> 1] = code & 0x80 ? 132 - magnitude : magnitude - 132;
  }
  return sides;
}

function recogniserEnvironment(): Record<string, string | undefined> {
  const own = new Set(Object.values(recogniserSettings).map(({ env }) => env));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => own.has(name)));
}

await run();
// Native engines and sockets keep handles open; the figures are out.
process.exit(0);
