/** What every engine that is sent audio as it is spoken shares: audio kept until the words are there, attempt after attempt, time limit, stop. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { type EarshotError, isRetryable } from "@earshot/proto/errors.ts";
import { Drain } from "./drain.ts";
import { aborted, endedTwice, notStarted, stopped, timedOut, utteranceTooLong } from "./failures.ts";
import type { RecognisedWord, Recognition, Utterance, UtteranceOptions } from "./port.ts";
import type { RecogniserSettings } from "./settings.ts";
import { UtteranceAudio } from "./utterance-audio.ts";

const firstRetryMs = 250;

/** Of one attempt; told nothing any more once the attempt was released. */
export type AttemptListener = {
  partial(text: string, words: readonly RecognisedWord[]): void;
  final(recognition: Recognition): void;
  /** A retryable failure is followed by another attempt, with all audio from the start. */
  failed(error: EarshotError): void;
};

/** One connection's try at an utterance. */
export type Attempt = {
  /**
   * Sends what the line takes of the audio that this attempt has not sent; `ended`: no more will come.
   * @throws EarshotError where another attempt would not help
   */
  flow(audio: UtteranceAudio, ended: boolean): void;
  /** Gives back what is held. `silent`: the server gave no words in time. */
  release(why: "done" | "given-up" | "silent"): void;
};

export type StreamedEngine = {
  readonly id: string;
  readonly sampleRate: number;
  /** What the transcript names where nothing had to be asked. */
  signature(): { engine: string; engineVersion: string };
  /** @throws EarshotError where no utterance can be begun now */
  attempt(options: UtteranceOptions, listener: AttemptListener): Attempt;
};

/** Audio kept per utterance; from `end` to the words, retries included; further attempts after a retryable failure. */
type Limits = Pick<RecogniserSettings, "utteranceAudioMs" | "utteranceTimeoutMs" | "remoteRetries">;
type Deps = { readonly settings: Limits; readonly clock: Clock; readonly metrics: Metrics };

export class StreamedUtterances {
  readonly #engine: StreamedEngine;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #attempts;
  readonly #open = new Set<StreamedUtterance>();
  readonly #drain: Drain;
  #running = false;

  constructor(engine: StreamedEngine, deps: Deps) {
    this.#engine = engine;
    this.#limits = deps.settings;
    this.#clock = deps.clock;
    this.#drain = new Drain(this.#open, deps.clock);
    this.#attempts = deps.metrics.counter("earshot_recogniser_attempts_total", "Attempts to have an utterance transcribed", [
      "engine",
      "outcome",
    ]);
  }

  get size(): number {
    return this.#open.size;
  }

  start(): void {
    this.#running = true;
  }

  /** What is under way may finish until `deadlineMs` from now. */
  async stop(deadlineMs: number): Promise<void> {
    this.#running = false;
    await this.#drain.wait(deadlineMs);
    for (const utterance of [...this.#open]) utterance.fail(stopped(this.#engine.id));
  }

  /** @throws EarshotError where it is not running, or the first attempt cannot be begun */
  open(options: UtteranceOptions): Utterance {
    if (!this.#running) throw notStarted(this.#engine.id);
    const utterance = new StreamedUtterance(this.#engine, this.#limits, this.#clock, options, (outcome) =>
      this.#attempts.inc({ engine: this.#engine.id, outcome }),
    );
    utterance.onOver = () => {
      this.#open.delete(utterance);
      this.#drain.oneIsOver();
    };
    utterance.begin();
    this.#open.add(utterance);
    return utterance;
  }
}

class StreamedUtterance implements Utterance {
  onOver: () => void = () => {};
  readonly #engine: StreamedEngine;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #options: UtteranceOptions;
  readonly #count: (outcome: string) => void;
  readonly #audio: UtteranceAudio;
  #attempt: Attempt | undefined;
  #ended = false;
  #over = false;
  #retries = 0;
  #failure: EarshotError | undefined;
  #resolve: (recognition: Recognition) => void = () => {};
  #reject: (error: EarshotError) => void = () => {};
  #cancelTimeout = () => {};
  #cancelRetry = () => {};

  constructor(engine: StreamedEngine, limits: Limits, clock: Clock, options: UtteranceOptions, count: (outcome: string) => void) {
    this.#engine = engine;
    this.#limits = limits;
    this.#clock = clock;
    this.#options = options;
    this.#count = count;
    this.#audio = new UtteranceAudio((limits.utteranceAudioMs * engine.sampleRate) / 1000);
  }

  begin(): void {
    let released = false;
    const current = () => !this.#over && !released;
    const attempt = this.#engine.attempt(this.#options, {
      partial: (text, words) => {
        if (current() && text !== "") this.#options.onPartial?.(text, words);
      },
      final: (recognition) => {
        if (!current()) return;
        this.#count("ok");
        this.#finish("done");
        this.#resolve(recognition);
      },
      failed: (error) => {
        if (!current()) return;
        this.#count(error.category);
        this.#attempt?.release("given-up");
        released = true;
        this.#attempt = undefined;
        this.#again(error);
      },
    });
    this.#attempt = attempt;
    this.#flow();
  }

  feed(pcm: Int16Array): void {
    if (this.#over || this.#ended) return;
    this.#audio.append(pcm);
    this.#flow();
  }

  end(): Promise<Recognition> {
    if (this.#ended) return Promise.reject(endedTwice());
    this.#ended = true;
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise<Recognition>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const { id } = this.#engine;
      const { utteranceAudioMs, utteranceTimeoutMs } = this.#limits;
      if (this.#audio.overflowed) return this.fail(utteranceTooLong(id, utteranceAudioMs));
      if (this.#audio.samples === 0) {
        this.#finish("given-up");
        return resolve({ text: "", words: [], ...this.#engine.signature() });
      }
      this.#cancelTimeout = this.#clock.after(utteranceTimeoutMs, () => this.fail(timedOut(id, utteranceTimeoutMs), "silent"));
      this.#flow();
    });
  }

  abort(): void {
    this.fail(aborted());
  }

  fail(error: EarshotError, why: "given-up" | "silent" = "given-up"): void {
    if (this.#over) return;
    this.#failure = error;
    if (this.#attempt !== undefined) this.#count(error.category);
    this.#finish(why);
    this.#reject(error);
  }

  #flow(): void {
    try {
      this.#attempt?.flow(this.#audio, this.#ended);
    } catch (error) {
      this.fail(error as EarshotError);
    }
  }

  #again(error: EarshotError): void {
    if (!isRetryable(error) || this.#retries >= this.#limits.remoteRetries) {
      this.fail(error);
      return;
    }
    const waitMs = error.retryAfterMs ?? firstRetryMs * 2 ** this.#retries;
    this.#retries++;
    this.#cancelRetry = this.#clock.after(waitMs, () => {
      try {
        this.begin();
      } catch (refusal) {
        this.fail(refusal as EarshotError);
      }
    });
  }

  #finish(why: "done" | "given-up" | "silent"): void {
    this.#over = true;
    this.#cancelTimeout();
    this.#cancelRetry();
    this.#attempt?.release(why);
    this.#attempt = undefined;
    this.#audio.clear();
    this.onOver();
  }
}
