/** The wait of an engine that stops, for the utterances it has under way. */
import type { Clock } from "@earshot/platform/clock/clock.ts";

export class Drain {
  readonly #open: { readonly size: number };
  readonly #clock: Clock;
  #resolve: (() => void) | undefined;

  /** @param open the utterances under way, as the engine keeps them */
  constructor(open: { readonly size: number }, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** Resolves when none is under way any more, or `deadlineMs` from now. */
  async wait(deadlineMs: number): Promise<void> {
    if (this.#open.size === 0 || deadlineMs <= 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(deadlineMs, resolve);
      this.#resolve = () => {
        cancel();
        resolve();
      };
    });
  }

  /** An utterance is over, and out of `open`. */
  oneIsOver(): void {
    if (this.#open.size === 0) this.#resolve?.();
  }
}
