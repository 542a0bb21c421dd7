/** A token bucket per source address: `perSecond` on average, bursts of two seconds' worth. */
import type { Clock } from "@earshot/platform/clock/clock.ts";

const maxSources = 10_000;

export class SourceRate {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();
  readonly #clock: Clock;
  readonly #perSecond: number;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /**
   * @param amount of what is rated, in one
   * @returns false when this source has used up its share. Over 10,000 sources the longest known is forgotten first.
   */
  take(source: string, amount = 1): boolean {
    const nowMs = this.#clock.monotonicMs();
    const burst = this.#perSecond * 2;
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      if (this.#buckets.size >= maxSources) {
        const [oldest] = this.#buckets.keys();
        this.#buckets.delete(oldest!);
      }
      bucket = { tokens: burst, atMs: nowMs };
      this.#buckets.set(source, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * this.#perSecond);
    bucket.atMs = nowMs;
    if (bucket.tokens < amount) return false;
    bucket.tokens -= amount;
    return true;
  }
}
