/** Entry of the thread that runs Whisper: inference is long and must not hold up the main loop. */
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { env, pipeline } from "@huggingface/transformers";
import type { FromWhisper, ToWhisper, WhisperSetup } from "./messages.ts";
import { abilitiesOf, precisionsIn } from "./model.ts";
import { type SpeechPipeline, transcribe } from "./transcribe.ts";

const send = (message: FromWhisper) => parentPort?.postMessage(message);
const setup = workerData as WhisperSetup;

env.cacheDir = setup.cacheFolder;
env.allowRemoteModels = setup.localFolder === undefined;
env.allowLocalModels = true;
env.localModelPath = setup.localFolder ?? setup.cacheFolder;

try {
  const speech = await pipeline("automatic-speech-recognition", setup.model, {
    dtype: setup.localFolder === undefined ? "q8" : precisionsIn(join(setup.localFolder, setup.model)),
    progress_callback(progress) {
      if (progress.status === "progress") send({ kind: "loading", file: progress.file, loaded: progress.loaded, total: progress.total });
    },
  });
  const abilities = abilitiesOf(speech.model);
  send({ kind: "ready", abilities });
  let last: Promise<void> = Promise.resolve();
  parentPort?.on("message", ({ id, pcm, language }: ToWhisper) => {
    // One after another: the model uses all the cores it may by itself.
    last = last.then(async () => {
      try {
        send({ kind: "words", id, ...(await transcribe(speech as unknown as SpeechPipeline, pcm, language, abilities)) });
      } catch (error) {
        send({ kind: "failed", id, reason: error instanceof Error ? error.message : String(error) });
      }
    });
  });
} catch (error) {
  send({ kind: "unusable", reason: error instanceof Error ? error.message : String(error) });
}
