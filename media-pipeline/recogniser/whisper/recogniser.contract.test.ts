/**
 * Local Whisper: the contract with a thread that stands in for the model (none can be fetched in a test), and the real thread's failures to load.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import { type ContractSubject, recognise, recogniserContract, rejects, started } from "../contract.ts";
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
     parentPort.postMessage({ kind: "ready", wordTimes: false });
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
