/** Whisper on this machine: transformers.js in a worker thread; the model is fetched once, or lies in a given folder. */
import { basename, dirname, join, resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { EngineDeps } from "../engine.ts";
import { languageNotSupported } from "../failures.ts";
import { primaryTag } from "../language.ts";
import type { Recogniser } from "../port.ts";
import { wholeUtteranceRecogniser } from "../whole-utterance.ts";
import type { FromWhisper, ToWhisper, WhisperSetup } from "./messages.ts";
import type { WhisperAbilities } from "./model.ts";
import { showProgress } from "./progress.ts";

/** A first start may fetch some hundred megabytes. */
const fetchTimeoutMs = 30 * 60_000;

export const whisperCacheFolder = (dataDir: string) => join(dataDir, "models");

type Waiting = { resolve(words: Pick<Extract<FromWhisper, { kind: "words" }>, "text" | "words">): void; reject(error: EarshotError): void };

/** @param makeWorker for tests */
export function whisperRecogniser(deps: EngineDeps, makeWorker: (setup: WhisperSetup) => Worker = threadOf): Recogniser {
  const { settings, clock } = deps;
  const id = "whisper";
  const log = deps.log.child({ component: id });
  const folder = settings.whisperModelDir === "" ? undefined : resolve(settings.whisperModelDir);
  const setup: WhisperSetup = {
    model: folder === undefined ? settings.whisperModel : basename(folder),
    localFolder: folder === undefined ? undefined : dirname(folder),
    cacheFolder: resolve(whisperCacheFolder(deps.dataDir)),
  };
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  /** Of the model that was loaded last. */
  let abilities: WhisperAbilities = { wordTimes: false, languages: undefined };
  let nextId = 1;

  const failAll = (reason: string) => {
    for (const { reject } of waiting.values()) reject(crashed(reason));
    waiting.clear();
  };
  const receive = (message: FromWhisper) => {
    if (message.kind !== "words" && message.kind !== "failed") return;
    const one = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.kind === "words") one?.resolve(message);
    else one?.reject(crashed(message.reason));
  };

  /** Resolves when the model is loaded. */
  const load = () =>
    new Promise<void>((resolveLoad, rejectLoad) => {
      const progress = showProgress(setup.model, log);
      const thread = makeWorker(setup);
      worker = thread;
      let loaded = false;
      const giveUp = (reason: string) => {
        cancel();
        progress.end();
        if (worker === thread) worker = undefined;
        void thread.terminate();
        if (!loaded) rejectLoad(unusable(setup, reason));
        else failAll(reason);
      };
      const cancel = clock.after(fetchTimeoutMs, () => giveUp("the model was not there in time"));
      thread.on("message", (message: FromWhisper) => {
        if (message.kind === "loading") progress.show(message.file, message.loaded, message.total);
        else if (message.kind === "unusable") giveUp(message.reason);
        else if (message.kind === "ready") {
          loaded = true;
          abilities = message.abilities;
          cancel();
          progress.end();
          resolveLoad();
        } else receive(message);
      });
      thread.on("error", (error) => giveUp(error instanceof Error ? error.message : String(error)));
      thread.on("exit", () => giveUp("the worker thread ended"));
    });

  return wholeUtteranceRecogniser(
    {
      id,
      version: setup.model,
      // Word times depend on the model's export and come where it has them; they are no promise.
      capabilities: { words: false, languages: "any", sampleRate: 16000 },
      concurrency: 1,
      waiting: settings.whisperQueue,
      limitEnv: "EARSHOT_WHISPER_QUEUE",
      audioMs: settings.utteranceAudioMs,
      timeoutMs: settings.utteranceTimeoutMs,
      retries: 1,
      start: load,
      async stop() {
        const thread = worker;
        worker = undefined;
        thread?.removeAllListeners();
        await thread?.terminate();
        failAll("stopped");
      },
      async transcribe(pcm, options, signal) {
        if (worker === undefined) await load();
        const { languages = ["en"] } = abilities;
        if (options.language !== "" && !languages.includes(primaryTag(options.language)))
          throw languageNotSupported(setup.model, options.language, languages.length === 1 ? "English" : `${languages.length} languages`);
        return new Promise((resolveWords, reject) => {
          const one = nextId++;
          waiting.set(one, { resolve: resolveWords, reject });
          signal.addEventListener("abort", () => {
            waiting.delete(one);
            reject(crashed("given up"));
          });
          const message: ToWhisper = { id: one, pcm, language: options.language };
          worker?.postMessage(message);
        });
      },
    },
    clock,
    deps.metrics,
  );
}

const threadOf = (setup: WhisperSetup) =>
  new Worker(new URL("./worker.ts", import.meta.url), { workerData: setup, execArgv: ["--disable-warning=ExperimentalWarning"] });

const crashed = (reason: string) =>
  new EarshotError("unavailable", "recogniser_failed", "Whisper failed on this utterance.", { details: { engine: "whisper", reason } });

function unusable(setup: WhisperSetup, reason: string): EarshotError {
  return new EarshotError("unavailable", "whisper_unusable", "The Whisper model could not be loaded.", {
    remedy:
      setup.localFolder === undefined
        ? "Allow this machine to reach huggingface.co once, or put the model into a folder and set EARSHOT_WHISPER_MODEL_DIR."
        : "EARSHOT_WHISPER_MODEL_DIR must hold a Whisper model: its JSON files, and in onnx/ encoder_model and decoder_model_merged, such as onnx/encoder_model_quantized.onnx.",
    details: { engine: "whisper", model: setup.model, reason },
  });
}
