/** One member's hold on one partition, from `assigned` to `revoked`. The same for every adapter. */
import type { Clock } from "../clock/clock.ts";

export class Lease {
  /** `assigned` has resolved: batches may be handed over, and `revoked` is due. */
  isOpen = false;
  #isEnded = false;
  #busy = 0;
  #pauses = new Set<() => void>();
  #idle: (() => void)[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nothing more is handed over; a record that is tried again is left to the next owner. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  end(): void {
    this.#isEnded = true;
    for (const cancel of [...this.#pauses]) cancel();
  }

  /** Runs a piece of work that `idle` waits for. */
  async hold(work: () => Promise<void>): Promise<void> {
    this.#busy++;
    try {
      await work();
    } finally {
      this.#busy--;
      if (this.#busy === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Resolves when no work is held. */
  async idle(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Resolves after `ms`, or as soon as the lease ends. */
  pause(ms: number): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancelTimer();
        this.#pauses.delete(end);
        resolve();
      };
      const cancelTimer = this.#clock.after(ms, end);
      this.#pauses.add(end);
    });
  }
}
