/** The last seconds of a leg, addressed by a count that only grows; older audio is overwritten. */
export class AudioRing {
  readonly #samples: Int16Array;
  readonly #mask: number;
  /** Count of the next sample to be written. */
  head = 0;

  /** @param least samples to hold; rounded up to a power of two */
  constructor(least: number) {
    const capacity = 2 ** Math.ceil(Math.log2(least));
    this.#samples = new Int16Array(capacity);
    this.#mask = capacity - 1;
  }

  get capacity(): number {
    return this.#samples.length;
  }

  /** First sample still held. */
  get tail(): number {
    return Math.max(0, this.head - this.#samples.length);
  }

  write(pcm: Int16Array, length: number): void {
    const samples = this.#samples;
    const mask = this.#mask;
    let at = this.head;
    for (let i = 0; i < length; i++, at++) samples[at & mask] = pcm[i]!;
    this.head = at;
  }

  /** Copies [from, to) to `target`; what is no longer or not yet held is left out. @returns samples written */
  read(from: number, to: number, target: Int16Array): number {
    const first = Math.max(from, this.tail);
    const end = Math.min(to, this.head, first + target.length);
    const samples = this.#samples;
    const mask = this.#mask;
    let out = 0;
    for (let at = first; at < end; at++) target[out++] = samples[at & mask]!;
    return out;
  }
}
