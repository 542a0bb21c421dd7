/** One utterance's audio, copied in as it comes, up to a limit. */
export class UtteranceAudio {
  readonly #chunks: Int16Array[] = [];
  readonly #limit: number;
  samples = 0;
  /** More came than fits; what came beyond the limit is not kept. */
  overflowed = false;

  /** @param limitSamples most samples kept */
  constructor(limitSamples: number) {
    this.#limit = limitSamples;
  }

  append(pcm: Int16Array): void {
    const room = this.#limit - this.samples;
    if (pcm.length > room) this.overflowed = true;
    const kept = pcm.slice(0, Math.max(0, room));
    if (kept.length === 0) return;
    this.#chunks.push(kept);
    this.samples += kept.length;
  }

  /** The chunks in order; they must not be changed. */
  get chunks(): readonly Int16Array[] {
    return this.#chunks;
  }

  /** A copy of samples `from` to before `to`. Costs the chunks from the end back to `from`, so that a stream may take piece after piece. */
  slice(from: number, to: number): Int16Array {
    const piece = new Int16Array(to - from);
    let end = this.samples;
    for (let i = this.#chunks.length - 1; i >= 0 && end > from; i--) {
      const chunk = this.#chunks[i]!;
      const start = end - chunk.length;
      if (start < to) piece.set(chunk.subarray(Math.max(0, from - start), Math.min(chunk.length, to - start)), Math.max(0, start - from));
      end = start;
    }
    return piece;
  }

  joined(): Int16Array {
    const all = new Int16Array(this.samples);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.samples = 0;
  }
}
