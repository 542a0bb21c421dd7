/** Passes an engine over after failures in a row (open), tries it again with one utterance after a while (half-open). */
import type { Clock } from "@earshot/platform/clock/clock.ts";

export class CircuitBreaker {
  readonly #limits: { failures: number; openMs: number };
  readonly #clock: Clock;
  readonly #onChange: (isOpen: boolean) => void;
  #failures = 0;
  #openedMs: number | undefined;
  /** The half-open trial is under way. */
  #trying = false;

  /** @param onChange told of open (true) and closed (false) */
  constructor(limits: { failures: number; openMs: number }, clock: Clock, onChange: (isOpen: boolean) => void = () => {}) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get state(): "closed" | "open" | "half-open" {
    if (this.#openedMs === undefined) return "closed";
    return this.#clock.monotonicMs() - this.#openedMs >= this.#limits.openMs ? "half-open" : "open";
  }

  /** May this utterance go to the engine? Half-open, one at a time: each admission must be followed by succeeded, failed or forgotten. */
  admits(): boolean {
    const state = this.state;
    if (state === "closed") return true;
    if (state === "open" || this.#trying) return false;
    this.#trying = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#trying = false;
    if (this.#openedMs === undefined) return;
    this.#openedMs = undefined;
    this.#onChange(false);
  }

  failed(): void {
    this.#failures++;
    this.#trying = false;
    if (this.#openedMs !== undefined) this.#openedMs = this.#clock.monotonicMs();
    else if (this.#failures >= this.#limits.failures) {
      this.#openedMs = this.#clock.monotonicMs();
      this.#onChange(true);
    }
  }

  /** The utterance was given up: it says nothing about the engine. */
  forgotten(): void {
    this.#trying = false;
  }
}
