/** Slows guessing: failed logins are counted per source and account, and per source over all accounts. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";

const windowMs = 60_000;
/** Sources and accounts remembered; past it the oldest are forgotten. */
const remembered = 50_000;
const accountsFactor = 20;

export class LoginLimit {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #failures = new Map<string, { count: number; sinceMs: number }>();

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /**
   * Counts an attempt before its password is looked at, so that guesses sent side by side are counted too.
   * @throws EarshotError rate_limited
   */
  attempt(source: string, account: string): void {
    const keys = keysOf(source, account);
    const limits = [this.#perMinute, this.#perMinute * accountsFactor];
    keys.forEach((key, index) => {
      const entry = this.#current(key);
      if (entry.count >= limits[index]!)
        throw new EarshotError("rate_limited", "too_many_logins", "Too many failed logins.", {
          remedy: "Wait a minute and try again.",
          retryAfterMs: Math.max(1000, entry.sinceMs + windowMs - this.#clock.monotonicMs()),
        });
    });
    for (const key of keys) this.#current(key).count += 1;
  }

  succeeded(source: string, account: string): void {
    const [both, all] = keysOf(source, account);
    this.#failures.delete(both);
    const entry = this.#current(all);
    entry.count = Math.max(0, entry.count - 1);
  }

  #current(key: string): { count: number; sinceMs: number } {
    const now = this.#clock.monotonicMs();
    let entry = this.#failures.get(key);
    if (entry === undefined || now - entry.sinceMs >= windowMs) {
      entry = { count: 0, sinceMs: now };
      this.#failures.delete(key);
      this.#failures.set(key, entry);
      if (this.#failures.size > remembered) this.#failures.delete(this.#failures.keys().next().value!);
    }
    return entry;
  }
}

function keysOf(source: string, account: string): [string, string] {
  return [`${source} ${account.toLowerCase()}`, source];
}
