/** One utterance at the recogniser: feeds it, hands partials on, and always settles, with words or with a named failure. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import type { RecognisedWord, Recogniser, Recognition, Utterance } from "../recogniser/port.ts";
import type { AudioRing } from "./audio-ring.ts";
import { Resampler } from "./resampler.ts";

export type UtteranceResult = { readonly recognition: Recognition } | { readonly error: EarshotError };

/** Shared by all legs: feeding is synchronous and the recogniser copies. */
export type FeedScratch = { readonly stored: Int16Array; readonly resampled: Int16Array };

/** Room for 250 ms at 24 kHz. */
export function createFeedScratch(): FeedScratch {
  return { stored: new Int16Array(4000), resampled: new Int16Array(12_100) };
}

export type UtteranceContext = {
  readonly recogniser: Recogniser;
  readonly clock: Clock;
  readonly scratch: FeedScratch;
  readonly ring: AudioRing;
  /** Rate of the ring, Hz. */
  readonly ringRate: number;
  readonly tenantId: TenantId;
  readonly callId: CallId;
  readonly leg: number;
  readonly language: string;
  readonly vocabulary: readonly string[];
  readonly deadlineMs: number;
};

export class UtteranceRun {
  readonly #context: UtteranceContext;
  readonly #resampler: Resampler | undefined;
  #utterance: Utterance | undefined;
  #failure: EarshotError | undefined;
  /** Ring count up to which the recogniser has been fed. */
  #fedTo: number;
  #ended = false;

  constructor(context: UtteranceContext, fromRing: number, onPartial: (text: string, words: readonly RecognisedWord[]) => void) {
    this.#context = context;
    this.#fedTo = fromRing;
    const { recogniser, ringRate } = context;
    const rate = recogniser.capabilities.sampleRate;
    this.#resampler = rate === ringRate ? undefined : new Resampler(ringRate, rate, context.scratch.stored.length);
    try {
      this.#utterance = recogniser.utterance({
        tenantId: context.tenantId,
        callId: context.callId,
        leg: context.leg,
        language: context.language,
        vocabulary: context.vocabulary,
        onPartial: (text, words) => {
          if (!this.#ended) onPartial(text, words);
        },
      });
    } catch (error) {
      this.#failure = asEarshotError(error);
    }
  }

  /** Feeds what the ring holds up to `toRing`. */
  feed(toRing: number): void {
    const { ring, scratch } = this.#context;
    while (this.#utterance !== undefined && this.#fedTo < toRing) {
      const from = Math.max(this.#fedTo, ring.tail);
      const read = ring.read(from, toRing, scratch.stored);
      if (read === 0) return;
      this.#fedTo = from + read;
      try {
        if (this.#resampler === undefined) this.#utterance.feed(scratch.stored.subarray(0, read));
        else {
          const made = this.#resampler.process(scratch.stored, read, scratch.resampled);
          this.#utterance.feed(scratch.resampled.subarray(0, made));
        }
      } catch (error) {
        this.#failure = asEarshotError(error);
        this.#utterance.abort();
        this.#utterance = undefined;
      }
    }
  }

  /** No more audio. Settles within the deadline; never rejects. */
  async end(): Promise<UtteranceResult> {
    this.#ended = true;
    const utterance = this.#utterance;
    if (utterance === undefined) return { error: this.#failure ?? new EarshotError("bug", "utterance_lost", "The utterance was lost.") };
    let cancel = (): void => {};
    const late = new Promise<UtteranceResult>((resolve) => {
      cancel = this.#context.clock.after(this.#context.deadlineMs, () => {
        utterance.abort();
        resolve({
          error: new EarshotError("timeout", "recognition_deadline", "The speech engine did not answer in time.", {
            remedy: "Look at the engine's load, or raise EARSHOT_RECOGNITION_DEADLINE_MS.",
          }),
        });
      });
    });
    const words = utterance.end().then(
      (recognition): UtteranceResult => ({ recognition }),
      (error: unknown): UtteranceResult => ({ error: asEarshotError(error) }),
    );
    const result = await Promise.race([words, late]);
    cancel();
    return result;
  }

  abort(): void {
    this.#ended = true;
    this.#utterance?.abort();
    this.#utterance = undefined;
    this.#failure = new EarshotError("cancelled", "recognition_cancelled", "The pipeline stopped before the words were recognised.");
  }
}

function asEarshotError(error: unknown): EarshotError {
  if (error instanceof EarshotError) return error;
  return new EarshotError("unavailable", "recognition_failed", "The speech engine failed.", { cause: error });
}
