/** What every engine that takes an utterance whole (after its end) shares: audio kept, turns, time limit, retries by category. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { categoryOf, EarshotError, isRetryable } from "@earshot/proto/errors.ts";
import { Drain } from "./drain.ts";
import { aborted, endedTwice, notStarted, stopped, timedOut, tooManyUtterances, utteranceTooLong } from "./failures.ts";
import type { Capabilities, Recogniser, Recognition, Utterance, UtteranceOptions } from "./port.ts";
import { UtteranceAudio } from "./utterance-audio.ts";

const firstRetryMs = 250;

/** @param signal aborted at the time limit, at abort and at stop; whatever is thrown then does not matter */
export type Transcribe = (
  pcm: Int16Array,
  options: UtteranceOptions,
  signal: AbortSignal,
) => Promise<Omit<Recognition, "engine" | "engineVersion">>;

export type WholeUtteranceEngine = {
  readonly id: string;
  readonly version: string;
  readonly capabilities: Omit<Capabilities, "concurrency" | "partials">;
  /** `transcribe` calls under way at once. */
  readonly concurrency: number;
  /** Utterances open beyond that. */
  readonly waiting: number;
  /** The settings to raise where too many utterances are open. */
  readonly limitEnv: string;
  readonly audioMs: number;
  /** From `end` to the words, waiting and retries included. */
  readonly timeoutMs: number;
  readonly retries: number;
  readonly transcribe: Transcribe;
  start?(): Promise<void>;
  stop?(): Promise<void>;
};

type Open = {
  readonly audio: UtteranceAudio;
  readonly options: UtteranceOptions;
  readonly controller: AbortController;
  ended: boolean;
  settled: boolean;
  failure: EarshotError | undefined;
  settle: (result: Recognition | EarshotError) => void;
};

/** @returns a recogniser without partials: one `transcribe` per utterance, retried while its failures are retryable and time is left */
export function wholeUtteranceRecogniser(engine: WholeUtteranceEngine, clock: Clock, metrics: Metrics): Recogniser {
  const { id, version } = engine;
  const samplesPerMs = engine.capabilities.sampleRate / 1000;
  const mostOpen = engine.concurrency + engine.waiting;
  const requests = metrics.counter("earshot_recogniser_attempts_total", "Attempts to have an utterance transcribed", ["engine", "outcome"]);
  const open = new Set<Open>();
  const drain = new Drain(open, clock);
  const line: (() => void)[] = [];
  let busy = 0;
  let running = false;
  /** A server that said Retry-After is left alone by every utterance until then. */
  let quietUntil = 0;

  const sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve);
      signal.addEventListener("abort", () => {
        cancel();
        resolve();
      });
    });
  const turn = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (busy < engine.concurrency) {
        busy++;
        resolve();
        return;
      }
      const go = () => {
        busy++;
        resolve();
      };
      line.push(go);
      signal.addEventListener("abort", () => {
        const place = line.indexOf(go);
        if (place >= 0) line.splice(place, 1);
      });
    });
  const leave = () => {
    busy--;
    line.shift()?.();
  };

  const attempt = async (utterance: Open, pcm: Int16Array): Promise<Recognition> => {
    const { signal } = utterance.controller;
    await turn(signal);
    try {
      signal.throwIfAborted();
      const words = await engine.transcribe(pcm, utterance.options, signal);
      requests.inc({ engine: id, outcome: "ok" });
      return { ...words, engine: id, engineVersion: version };
    } catch (error) {
      requests.inc({ engine: id, outcome: signal.aborted ? "cancelled" : categoryOf(error) });
      throw error;
    } finally {
      leave();
    }
  };

  const run = async (utterance: Open): Promise<void> => {
    const { signal } = utterance.controller;
    const deadline = clock.monotonicMs() + engine.timeoutMs;
    const pcm = utterance.audio.joined();
    utterance.audio.clear();
    for (let tried = 0; ; tried++) {
      const quiet = quietUntil - clock.monotonicMs();
      if (quiet > 0) await sleep(quiet, signal);
      if (signal.aborted) return;
      try {
        utterance.settle(await attempt(utterance, pcm));
        return;
      } catch (error) {
        if (signal.aborted) return;
        const failure =
          error instanceof EarshotError
            ? error
            : new EarshotError("bug", "recogniser_failed", "The speech engine failed unexpectedly.", {
                cause: error,
                details: { engine: id },
              });
        const waitMs = failure.retryAfterMs ?? firstRetryMs * 2 ** tried;
        if (failure.retryAfterMs !== undefined) quietUntil = Math.max(quietUntil, clock.monotonicMs() + failure.retryAfterMs);
        if (!isRetryable(failure) || tried >= engine.retries || clock.monotonicMs() + waitMs >= deadline) {
          utterance.settle(failure);
          return;
        }
        await sleep(waitMs, signal);
      }
    }
  };

  const fail = (utterance: Open, error: EarshotError) => {
    if (utterance.settled) return;
    utterance.failure = error;
    utterance.settle(error);
    utterance.controller.abort();
  };

  return {
    name: `recogniser:${id}`,
    id,
    version,
    capabilities: { ...engine.capabilities, partials: false, concurrency: engine.concurrency },

    async start() {
      await engine.start?.();
      running = true;
    },

    async stop(deadlineMs) {
      running = false;
      await drain.wait(deadlineMs);
      for (const utterance of [...open]) fail(utterance, stopped(id));
      await engine.stop?.();
    },

    utterance(options): Utterance {
      if (!running) throw notStarted(id);
      if (open.size >= mostOpen) throw tooManyUtterances(id, mostOpen, engine.limitEnv);
      let resolveEnd: (recognition: Recognition) => void = () => {};
      let rejectEnd: (error: EarshotError) => void = () => {};
      let cancelTimeout = () => {};
      const utterance: Open = {
        audio: new UtteranceAudio(engine.audioMs * samplesPerMs),
        options,
        controller: new AbortController(),
        ended: false,
        settled: false,
        failure: undefined,
        settle(result) {
          if (utterance.settled) return;
          utterance.settled = true;
          cancelTimeout();
          utterance.audio.clear();
          open.delete(utterance);
          drain.oneIsOver();
          if (result instanceof EarshotError) rejectEnd(result);
          else resolveEnd(result);
        },
      };
      open.add(utterance);
      return {
        feed(pcm) {
          if (!utterance.settled && !utterance.ended) utterance.audio.append(pcm);
        },
        end() {
          if (utterance.ended) return Promise.reject(endedTwice());
          utterance.ended = true;
          if (utterance.failure !== undefined) return Promise.reject(utterance.failure);
          return new Promise<Recognition>((resolve, reject) => {
            resolveEnd = resolve;
            rejectEnd = reject;
            if (utterance.audio.overflowed) return fail(utterance, utteranceTooLong(id, engine.audioMs));
            if (utterance.audio.samples === 0) return utterance.settle({ text: "", words: [], engine: id, engineVersion: version });
            cancelTimeout = clock.after(engine.timeoutMs, () => fail(utterance, timedOut(id, engine.timeoutMs)));
            void run(utterance);
          });
        },
        abort() {
          fail(utterance, aborted());
        },
      };
    },

    legEnded() {},
  };
}
