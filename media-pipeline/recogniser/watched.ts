/** A recogniser that says of itself how it is: by what became of the last utterance, and of the one that has waited longest for its words. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { categoryOf } from "@earshot/proto/errors.ts";
import type { Recogniser } from "./port.ts";
import { wrapped } from "./wrapped.ts";

export type WatchedRecogniser = Recogniser & {
  /** Why words come late, not at all or from another engine than the first; undefined where all is well. */
  readonly fault: string | undefined;
};

/** An engine that hangs is known by this long before its utterances run out of time. */
const lateMs = 10_000;

/** These tell of the utterance or of whoever gave it up, not of the engine. */
const notItsFault = new Set(["cancelled", "invalid_request"]);

export function watchRecogniser(recogniser: Recogniser, clock: Clock): WatchedRecogniser {
  /** When the end of each utterance was asked for that has no words yet; the oldest first. */
  const waiting = new Set<{ sinceMs: number }>();
  let failure: string | undefined;
  const failed = (error: unknown): void => {
    if (!notItsFault.has(categoryOf(error))) failure = `the last utterance got no words: ${(error as Error).message}`;
  };
  return wrapped(recogniser, {
    get fault() {
      const [oldest] = waiting;
      const waitedMs = oldest === undefined ? 0 : clock.monotonicMs() - oldest.sinceMs;
      if (waitedMs >= lateMs) return `an utterance has waited ${Math.round(waitedMs / 1000)} s for its words`;
      return failure ?? recogniser.fault;
    },
    utterance(options) {
      let inner: ReturnType<Recogniser["utterance"]>;
      try {
        inner = recogniser.utterance(options);
      } catch (error) {
        failed(error);
        throw error;
      }
      let waits: { sinceMs: number } | undefined;
      const over = (): void => {
        if (waits !== undefined) waiting.delete(waits);
      };
      return {
        feed: (pcm) => inner.feed(pcm),
        drained: async () => inner.drained?.(),
        async end() {
          waits = { sinceMs: clock.monotonicMs() };
          waiting.add(waits);
          try {
            const recognition = await inner.end();
            failure = undefined;
            return recognition;
          } catch (error) {
            failed(error);
            throw error;
          } finally {
            over();
          }
        },
        abort() {
          over();
          inner.abort();
        },
      };
    },
  });
}
