/** pocketsphinx: streaming recognition on this machine's own cores, in child processes, with partials, word times and posteriors. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { Drain } from "../drain.ts";
import { aborted, endedTwice, languageNotSupported, notStarted, stopped, timedOut, tooManyUtterances } from "../failures.ts";
import { primaryTag } from "../language.ts";
import type { Capabilities, Recogniser, Recognition, Utterance, UtteranceOptions } from "../port.ts";
import type { RecogniserSettings } from "../settings.ts";
import { UtteranceAudio } from "../utterance-audio.ts";
import { type Channel, unheard } from "./channel.ts";
import type { Installation } from "./find-installation.ts";
import type { FromWorker } from "./messages.ts";
import { tuning } from "./tuning.ts";
import { WorkerProcess } from "./worker-process.ts";

const samplesPerMs = 16;
const startTimeoutMs = 30_000;
/** Legs whose channel is remembered; beyond that the oldest is forgotten, should legEnded never come for it. */
const mostChannels = 10_000;

export type PocketsphinxDeps = {
  readonly settings: RecogniserSettings;
  readonly installation: Installation;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
};

type Open = {
  readonly id: number;
  readonly options: UtteranceOptions;
  /** Audio that waits for a decoder. */
  readonly waitingAudio: UtteranceAudio;
  worker: WorkerProcess | undefined;
  /** Samples fed and not yet decoded. */
  backlog: number;
  drained: (() => void)[];
  overflowed: boolean;
  ended: boolean;
  settled: boolean;
  failure: EarshotError | undefined;
  resolve: (recognition: Recognition) => void;
  reject: (error: EarshotError) => void;
  cancelTimeout: () => void;
};

/**
 * Utterances wait in line for a decoder (the setting `pocketsphinxDecoders`), each keeping its audio; decoders lie in
 * `pocketsphinxWorkers` processes, and each process decodes its utterances in turns of 100 ms.
 */
export function pocketsphinxRecogniser(deps: PocketsphinxDeps): Recogniser {
  const { settings, clock } = deps;
  const log = deps.log.child({ component: "pocketsphinx" });
  const decodersPerWorker = Math.max(1, Math.floor(settings.pocketsphinxDecoders / settings.pocketsphinxWorkers));
  const concurrency = decodersPerWorker * settings.pocketsphinxWorkers;
  const mostOpen = concurrency + settings.pocketsphinxWaiting;
  const backlogLimit = settings.pocketsphinxBacklogMs * samplesPerMs;
  /** Who can wait with more audio goes on when no more than this is undecoded. */
  const drainedSamples = Math.min(2000 * samplesPerMs, backlogLimit / 2);
  const version = "5prealpha en-us";
  const id = "pocketsphinx";

  const restarts = deps.metrics.counter("earshot_pocketsphinx_worker_deaths_total", "Decoding processes that ended unasked");
  const inUse = deps.metrics.gauge("earshot_pocketsphinx_utterances", "Utterances open, decoding and waiting");

  const open = new Map<number, Open>();
  const drain = new Drain(open, clock);
  const line: Open[] = [];
  const channels = new Map<string, Channel>();
  let workers: WorkerProcess[] = [];
  let nextId = 1;
  let running = false;

  const forget = (utterance: Open) => {
    utterance.settled = true;
    utterance.cancelTimeout();
    utterance.waitingAudio.clear();
    for (const resolve of utterance.drained.splice(0)) resolve();
    open.delete(utterance.id);
    const place = line.indexOf(utterance);
    if (place >= 0) line.splice(place, 1);
    inUse.set(open.size);
    drain.oneIsOver();
  };
  const remember = (key: string, channel: Channel) => {
    channels.delete(key);
    channels.set(key, channel);
    if (channels.size > mostChannels)
      for (const oldest of channels.keys()) {
        channels.delete(oldest);
        break;
      }
  };
  /** Before `end` the failure is kept for it: nobody is listening yet. */
  const fail = (utterance: Open, error: EarshotError) => {
    if (utterance.settled) return;
    utterance.failure = error;
    forget(utterance);
    if (utterance.ended) utterance.reject(error);
  };

  const assign = () => {
    while (line.length > 0) {
      let worker: WorkerProcess | undefined;
      for (const candidate of workers)
        if (candidate.ready && candidate.utterances.size < decodersPerWorker)
          if (worker === undefined || candidate.utterances.size < worker.utterances.size) worker = candidate;
      if (worker === undefined) return;
      const utterance = line.shift()!;
      utterance.worker = worker;
      worker.utterances.add(utterance.id);
      worker.send({
        kind: "begin",
        id: utterance.id,
        partials: utterance.options.onPartial !== undefined,
        channel: channels.get(legKey(utterance.options)) ?? unheard,
      });
      for (const pcm of utterance.waitingAudio.chunks) worker.send({ kind: "audio", id: utterance.id, pcm });
      utterance.waitingAudio.clear();
      if (utterance.ended) worker.send({ kind: "end", id: utterance.id });
    }
  };

  const receive = (worker: WorkerProcess, message: FromWorker) => {
    if (message.kind === "ready" || message.kind === "unusable") return;
    if (message.kind === "released") {
      worker.utterances.delete(message.id);
      assign();
      return;
    }
    const utterance = open.get(message.id);
    if (utterance === undefined) return;
    if (message.kind === "progress") {
      utterance.backlog -= message.samples;
      if (utterance.backlog <= drainedSamples) for (const resolve of utterance.drained.splice(0)) resolve();
    } else if (message.kind === "partial") utterance.options.onPartial?.(message.text, message.words);
    else if (message.kind === "failed")
      fail(
        utterance,
        new EarshotError("unavailable", "recogniser_failed", "pocketsphinx failed on this utterance.", {
          details: { reason: message.reason },
        }),
      );
    else {
      const { text, words, channel } = message;
      remember(legKey(utterance.options), channel);
      forget(utterance);
      const confident = words.filter((word) => word.confidence !== undefined);
      const confidence =
        confident.length === 0 ? undefined : confident.reduce((sum, word) => sum + (word.confidence ?? 0), 0) / confident.length;
      utterance.resolve({ text, words, language: "en", confidence, engine: id, engineVersion: version });
    }
  };

  const died = (worker: WorkerProcess) => {
    restarts.inc();
    for (const utteranceId of worker.utterances) {
      const utterance = open.get(utteranceId);
      if (utterance !== undefined)
        fail(
          utterance,
          new EarshotError("unavailable", "recogniser_crashed", "The decoding process ended in the middle of the utterance."),
        );
    }
  };

  const capabilities: Capabilities = { partials: true, words: true, languages: ["en"], sampleRate: 16000, vocabulary: false, concurrency };

  return {
    name: "recogniser:pocketsphinx",
    id,
    version,
    capabilities,

    async start() {
      const setup = { installation: deps.installation, tuning, partialSamples: settings.pocketsphinxPartialMs * samplesPerMs };
      await new Promise<void>((resolve, reject) => {
        const giveUp = (reason: string) => {
          cancel();
          for (const worker of workers) worker.kill();
          workers = [];
          reject(
            new EarshotError("unavailable", "pocketsphinx_unusable", "pocketsphinx could not be started.", {
              remedy: "Reinstall it: apt-get install --reinstall libpocketsphinx3 pocketsphinx-en-us",
              details: { reason },
            }),
          );
        };
        let started = false;
        const cancel = clock.after(startTimeoutMs, () => giveUp("its model did not load in time"));
        workers = Array.from(
          { length: settings.pocketsphinxWorkers },
          () =>
            new WorkerProcess(
              setup,
              {
                ready() {
                  if (!started) {
                    started = true;
                    cancel();
                    running = true;
                    resolve();
                  }
                  assign();
                },
                message: receive,
                died(worker) {
                  if (started) died(worker);
                  else giveUp(worker.reason || "its process ended at once");
                },
              },
              clock,
              log,
            ),
        );
        for (const worker of workers) worker.spawn();
      });
    },

    async stop(deadlineMs) {
      running = false;
      await drain.wait(deadlineMs);
      for (const utterance of [...open.values()]) fail(utterance, stopped(id));
      for (const worker of workers) worker.kill();
      workers = [];
    },

    utterance(options): Utterance {
      if (!running) throw notStarted(id);
      if (!speaksEnglish(options.language)) throw languageNotSupported(id, options.language, "US English");
      if (open.size >= mostOpen) throw tooManyUtterances(id, mostOpen, "EARSHOT_POCKETSPHINX_DECODERS or EARSHOT_POCKETSPHINX_WAITING");
      const utterance: Open = {
        id: nextId++,
        options,
        waitingAudio: new UtteranceAudio(backlogLimit),
        worker: undefined,
        backlog: 0,
        drained: [],
        overflowed: false,
        ended: false,
        settled: false,
        failure: undefined,
        resolve: () => {},
        reject: () => {},
        cancelTimeout: () => {},
      };
      open.set(utterance.id, utterance);
      line.push(utterance);
      inUse.set(open.size);
      assign();
      return {
        feed(pcm) {
          if (utterance.settled || utterance.ended || pcm.length === 0) return;
          if (utterance.backlog + pcm.length > backlogLimit) {
            utterance.overflowed = true;
            return;
          }
          utterance.backlog += pcm.length;
          if (utterance.worker === undefined) utterance.waitingAudio.append(pcm);
          else utterance.worker.send({ kind: "audio", id: utterance.id, pcm });
        },
        drained() {
          if (utterance.settled || utterance.backlog <= drainedSamples) return Promise.resolve();
          return new Promise((resolve) => utterance.drained.push(resolve));
        },
        end() {
          if (utterance.ended) return Promise.reject(endedTwice());
          utterance.ended = true;
          if (utterance.failure !== undefined) return Promise.reject(utterance.failure);
          return new Promise<Recognition>((resolve, reject) => {
            utterance.resolve = resolve;
            utterance.reject = reject;
            if (utterance.overflowed) {
              utterance.worker?.send({ kind: "abort", id: utterance.id });
              fail(utterance, backlogFull(settings.pocketsphinxBacklogMs));
              return;
            }
            utterance.cancelTimeout = clock.after(settings.utteranceTimeoutMs, () => {
              utterance.worker?.send({ kind: "abort", id: utterance.id });
              fail(utterance, timedOut(id, settings.utteranceTimeoutMs));
            });
            utterance.worker?.send({ kind: "end", id: utterance.id });
          });
        },
        abort() {
          if (utterance.settled) return;
          utterance.worker?.send({ kind: "abort", id: utterance.id });
          fail(utterance, aborted());
        },
      };
    },

    // Decoders belong to utterances; a leg has its channel only.
    legEnded(call, leg) {
      channels.delete(legKey({ callId: call, leg }));
    },
  };
}

const speaksEnglish = (language: string) => language === "" || primaryTag(language) === "en";

const legKey = (of: Pick<UtteranceOptions, "callId" | "leg">) => `${of.callId}/${of.leg}`;

const backlogFull = (limitMs: number) =>
  new EarshotError("unavailable", "recogniser_backlog_full", "The engine fell so far behind that audio of this utterance was dropped.", {
    remedy: "Give pocketsphinx more cores (EARSHOT_POCKETSPHINX_WORKERS), or raise EARSHOT_POCKETSPHINX_BACKLOG_MS.",
    details: { limitMs },
  });
