/** Starts what died again: at once the first time, then after pauses that double, until it has held for a while. */
import type { Clock } from "@earshot/platform/clock/clock.ts";

export type Supervised = { readonly name: string; start(): Promise<void> };

export type SupervisorOptions = {
  readonly clock: Clock;
  readonly firstMs?: number;
  readonly longestMs?: number;
  /** After so long without a death it counts as sound again. */
  readonly soundMs?: number;
  readonly say: (line: string) => void;
};

export class Supervisor {
  readonly #options: Required<SupervisorOptions>;
  readonly #deaths = new Map<string, { inARow: number; lastAtMs: number }>();
  readonly #waiting = new Set<() => void>();
  #stopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = { firstMs: 500, longestMs: 30_000, soundMs: 60_000, ...options };
  }

  /** To be told of each death nobody asked for. */
  died(process: Supervised, how: string): void {
    if (this.#stopped) return;
    const { clock, firstMs, longestMs, soundMs, say } = this.#options;
    const now = clock.monotonicMs();
    const before = this.#deaths.get(process.name);
    const inARow = before === undefined || now - before.lastAtMs > soundMs ? 1 : before.inARow + 1;
    this.#deaths.set(process.name, { inARow, lastAtMs: now });
    const pauseMs = Math.min(longestMs, firstMs * 2 ** (inARow - 1));
    say(`${process.name} ended (${how}); starting it again in ${pauseMs / 1000} s.`);
    const cancel = clock.after(pauseMs, () => {
      this.#waiting.delete(cancel);
      if (this.#stopped) return;
      process.start().then(
        () => say(`${process.name} serves again.`),
        (error: unknown) => this.died(process, error instanceof Error ? error.message.split("\n")[0]! : String(error)),
      );
    });
    this.#waiting.add(cancel);
  }

  /** Nothing is started any more. */
  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#waiting) cancel();
    this.#waiting.clear();
  }
}
