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
