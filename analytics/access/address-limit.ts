/** How often one address may knock, before anything is looked up for it: a fixed window of a minute. */
import type { Clock } from "@earshot/platform/clock/clock.ts";

const windowMs = 60_000;
/** Addresses remembered; past it the oldest are forgotten. */
const remembered = 20_000;

export class AddressLimit {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #seen = new Map<string, { count: number; sinceMs: number }>();

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** @returns 0 where it may come in, otherwise how long it should wait (ms) */
  knock(address: string): number {
    const now = this.#clock.monotonicMs();
    let entry = this.#seen.get(address);
    if (entry === undefined || now - entry.sinceMs >= windowMs) {
      entry = { count: 0, sinceMs: now };
      this.#seen.delete(address);
      this.#seen.set(address, entry);
      if (this.#seen.size > remembered) this.#seen.delete(this.#seen.keys().next().value!);
    }
    entry.count += 1;
    return entry.count <= this.#perMinute ? 0 : Math.max(1000, entry.sinceMs + windowMs - now);
  }
}
