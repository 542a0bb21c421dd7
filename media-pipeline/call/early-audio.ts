/** Where the audio of calls begins whose start has not been seen: calls.v1 and media.v1 are read apart, and either may be ahead. */

type Early = { readonly offset: number; readonly sinceMs: number; chunks: number };
export type EarlyLimits = { readonly calls: number; readonly heldMs: number };

export class EarlyAudio {
  readonly #limits: EarlyLimits;
  /** In order of first chunk, so the oldest is first. */
  readonly #calls = new Map<string, Early>();

  constructor(limits: EarlyLimits) {
    this.#limits = limits;
  }

  /** @returns false where the limit is reached: the chunk is passed over */
  note(callId: string, offset: number, nowMs: number): boolean {
    const known = this.#calls.get(callId);
    if (known !== undefined) known.chunks++;
    else if (this.#calls.size >= this.#limits.calls) return false;
    else this.#calls.set(callId, { offset, sinceMs: nowMs, chunks: 1 });
    return true;
  }

  /** @returns offset of the call's first chunk, from which on it is to be read; undefined where none came */
  take(callId: string): number | undefined {
    const early = this.#calls.get(callId);
    this.#calls.delete(callId);
    return early?.offset;
  }

  /** Forgets what has waited too long. @returns chunks passed over */
  expire(nowMs: number): number {
    let dropped = 0;
    for (const [callId, early] of this.#calls) {
      if (nowMs - early.sinceMs < this.#limits.heldMs) break;
      dropped += early.chunks;
      this.#calls.delete(callId);
    }
    return dropped;
  }
}
