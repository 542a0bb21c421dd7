/** Audio of calls whose start has not been seen yet: calls.v1 and media.v1 are read apart, and either may be ahead. */

export type PendingChunk = { readonly bytes: Uint8Array; readonly partition: number; readonly offset: number };
type PendingCall = { readonly sinceMs: number; readonly chunks: PendingChunk[] };
export type PendingLimits = { readonly calls: number; readonly chunksPerCall: number; readonly heldMs: number };

export class PendingChunks {
  readonly #limits: PendingLimits;
  /** In order of first chunk, so the oldest is first. */
  readonly #calls = new Map<string, PendingCall>();

  constructor(limits: PendingLimits) {
    this.#limits = limits;
  }

  /** Copies and keeps a record. @returns false where a limit is reached: it is dropped */
  hold(callId: string, value: Uint8Array, partition: number, offset: number, nowMs: number): boolean {
    let call = this.#calls.get(callId);
    if (call === undefined) {
      if (this.#calls.size >= this.#limits.calls) return false;
      call = { sinceMs: nowMs, chunks: [] };
      this.#calls.set(callId, call);
    }
    if (call.chunks.length >= this.#limits.chunksPerCall) return false;
    call.chunks.push({ bytes: value.slice(), partition, offset });
    return true;
  }

  /** Hands over what was held for a call. */
  take(callId: string): readonly PendingChunk[] {
    const call = this.#calls.get(callId);
    this.#calls.delete(callId);
    return call?.chunks ?? [];
  }

  /** Lets go what has waited too long. @returns chunks dropped */
  expire(nowMs: number): number {
    let dropped = 0;
    for (const [callId, call] of this.#calls) {
      if (nowMs - call.sinceMs < this.#limits.heldMs) break;
      dropped += call.chunks.length;
      this.#calls.delete(callId);
    }
    return dropped;
  }

  get size(): number {
    return this.#calls.size;
  }
}
