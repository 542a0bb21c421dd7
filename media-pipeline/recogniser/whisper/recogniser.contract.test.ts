/**
 * Local Whisper: the contract with a thread that stands in for the model, the real thread with a model of random weights (`testing/tiny-model`; one that
 * was trained cannot be fetched in a test), and its failures to load.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import { type ContractSubject, recognise, recogniserContract, rejects, started } from "../contract.ts";
import type { Recogniser } from "../port.ts";
import type { RecogniserSettings } from "../settings.ts";
import { engineDeps } from "../testing/deps.ts";
import { toneOf, wordsFor } from "../testing/in-memory-recogniser.ts";
import { whisperRecogniser } from "./recogniser.ts";

const folder = mkdtempSync(join(tmpdir(), "earshot-whisper-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Speaks the worker's messages; says which audio it got after `delayMs`, or dies at its first utterance. */
const standIn = (delayMs: number, dies = false) =>
  new Worker(
    `const { parentPort } = require("node:worker_threads");
     const wordsFor = ${wordsFor.toString()};
     parentPort.postMessage({ kind: "loading", file: "encoder.onnx", loaded: 1, total: 1 });
     parentPort.postMessage({ kind: "ready", abilities: { wordTimes: false, languages: ["en"] } });
     parentPort.on("message", ({ id, pcm }) => {
       if (${dies}) process.exit(3);
       setTimeout(() => parentPort.postMessage({ kind: "words", id, text: wordsFor(pcm), words: [] }), ${delayMs});
     });`,
    { eval: true },
  );
const clips = [1, 2].map((seed) => {
  const pcm = toneOf(seed, 40_000 + seed);
  return { pcm, isRight: (text: string) => text === wordsFor(pcm) };
}) as unknown as ContractSubject["clips"];

describe("whisper: the contract", () => {
  const subject: ContractSubject = {
    make: (settings: Partial<RecogniserSettings> = {}) =>
      whisperRecogniser(engineDeps(settings, folder), () => standIn(settings.utteranceTimeoutMs === undefined ? 5 : 500)),
    clips,
    crowded: { settings: { whisperQueue: 2 }, most: 3 },
    tooLong: { utteranceAudioMs: 100 },
    tooSlow: { utteranceTimeoutMs: 50 },
  };
  for (const check of recogniserContract) it(check.name, () => check.run(subject));
});

it("a thread that dies is replaced, and its utterance tried once more", async () => {
  let threads = 0;
  const make = () => whisperRecogniser(engineDeps({}, folder), () => standIn(5, ++threads === 1));
  await started({ make }, {}, async (recogniser) => {
    expect((await recognise(recogniser, clips[0].pcm)).text).toBe(wordsFor(clips[0].pcm));
    expect(threads).toBe(2);
  });
});

describe("whisper: the real runtime on a model of the smallest size, which says nonsense", () => {
  const tiny = join(import.meta.dirname, "testing/tiny-model");
  const plain = "decoder_model_merged_quantized.onnx";
  /** As models are laid out at Hugging Face. `decoder`: file of `tiny`; `change`: of its generation settings. */
  function modelIn(name: string, decoder: string, change: object = {}, suffix = "_quantized"): string {
    const target = join(folder, name);
    mkdirSync(join(target, "onnx"), { recursive: true });
    for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"])
      copyFileSync(join(tiny, file), join(target, file));
    copyFileSync(join(tiny, "encoder_model_quantized.onnx"), join(target, `onnx/encoder_model${suffix}.onnx`));
    copyFileSync(join(tiny, decoder), join(target, `onnx/decoder_model_merged${suffix}.onnx`));
    const generation = JSON.parse(readFileSync(join(tiny, "generation_config.json"), "utf8")) as { suppress_tokens: number[] };
    // One that was trained writes no times where none are asked for.
    const times = decoder === plain ? Array.from({ length: 1501 }, (_, i) => Math.max(...generation.suppress_tokens) + 1 + i) : [];
    const suppress = [...generation.suppress_tokens, ...times];
    writeFileSync(join(target, "generation_config.json"), JSON.stringify({ ...generation, suppress_tokens: suppress, ...change }));
    return target;
  }
  const make = (whisperModelDir: string): Recogniser => whisperRecogniser(engineDeps({ whisperModelDir }, folder));
  const pcm = toneOf(3, 40_000);

  it("gives the same text twice, in each language it knows, and refuses another one by name", async () => {
    const model = modelIn("multilingual", plain);
    await started({ make: () => make(model) }, {}, async (recogniser) => {
      const [first, second, german] = [
        await recognise(recogniser, pcm),
        await recognise(recogniser, pcm, { language: "en-GB" }),
        await recognise(recogniser, pcm, { language: "de-AT" }),
      ];
      expect(first).toMatchObject({ engine: "whisper", engineVersion: "multilingual", words: [] });
      expect(first.text).not.toBe("");
      expect(second.text).toBe(first.text);
      expect(german.text).not.toBe("");
      await expect(recognise(recogniser, pcm, { language: "xx" })).rejects.toMatchObject({
        category: "invalid_request",
        code: "language_not_supported",
      });
    });
  });

  it("gives word times where the model was exported with cross attentions", async () => {
    const model = modelIn("timestamped", "decoder_model_merged_attentions_quantized.onnx");
    await started({ make: () => make(model) }, {}, async (recogniser) => {
      const { words } = await recognise(recogniser, pcm);
      expect(words.length).toBeGreaterThan(0);
      for (const { startMs, endMs } of words)
        expect([startMs >= 0, endMs >= startMs, endMs <= pcm.length / 16]).toEqual([true, true, true]);
    });
  });

  it("tells a model that knows English alone of no language", async () => {
    const model = modelIn("english", plain, { is_multilingual: false, lang_to_id: undefined, task_to_id: undefined });
    await started({ make: () => make(model) }, {}, async (recogniser) => {
      expect((await recognise(recogniser, pcm, { language: "en" })).text).not.toBe("");
      await expect(recognise(recogniser, pcm, { language: "de" })).rejects.toMatchObject({ code: "language_not_supported" });
    });
  });

  it("takes the precision that lies in the folder", async () => {
    const model = modelIn("whole-numbers", plain, {}, "_int8");
    await started({ make: () => make(model) }, {}, async (recogniser) => {
      expect((await recognise(recogniser, pcm)).text).not.toBe("");
    });
  });
});

describe("whisper: a model that cannot be loaded fails the start with a reason and a remedy", () => {
  it("from a folder without a model", async () => {
    const whisperModelDir = join(folder, "not-a-model");
    mkdirSync(whisperModelDir);
    const error = await rejects(whisperRecogniser(engineDeps({ whisperModelDir }, folder)).start(), "unavailable");
    expect([error.code, error.details.reason]).toEqual(["whisper_unusable", expect.stringContaining("not-a-model")]);
    expect(error.remedy).toContain("EARSHOT_WHISPER_MODEL_DIR");
  });

  it("from a folder with a damaged model", async () => {
    const whisperModelDir = join(folder, "damaged");
    mkdirSync(join(whisperModelDir, "onnx"), { recursive: true });
    for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"])
      writeFileSync(join(whisperModelDir, name), '{"model_type": "whisper"');
    const error = await rejects(whisperRecogniser(engineDeps({ whisperModelDir }, folder)).start(), "unavailable");
    expect(error.details.reason).toMatch(/JSON/);
  });
});
