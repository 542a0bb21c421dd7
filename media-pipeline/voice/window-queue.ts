/** Windows of one leg on their way to the model: a ring, because each window needs the model's state of the one before. */
import { type Window, windowSamples } from "./detector.ts";

/** Silero at 8 kHz looks at this much of the window before. */
export const contextSamples = 32;
export const stateSize = 128;

export const slotKind = { closed: 0, open: 1, pause: 2, end: 3 } as const;

export class WindowQueue {
  readonly #capacity: number;
  readonly #pcm: Int16Array;
  readonly #kind: Uint8Array;
  readonly #energy: Float32Array;
  readonly #position: Float64Array;
  readonly #ring: Float64Array;
  readonly #level: Float32Array;
  readonly #voicedAt: Float64Array;
  #first = 0;
  length = 0;

  /** The model's memory of this leg: two layers of 128. */
  readonly state = new Float32Array(2 * stateSize);
  /** End of the window judged last. */
  readonly context = new Int16Array(contextSamples);
  closedRun = 0;
  readonly head: Window = { position: 0, ringStart: 0, levelDb: 0, lastVoicedAtMs: 0 };

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#pcm = new Int16Array(capacity * windowSamples);
    this.#kind = new Uint8Array(capacity);
    this.#energy = new Float32Array(capacity);
    this.#position = new Float64Array(capacity);
    this.#ring = new Float64Array(capacity);
    this.#level = new Float32Array(capacity);
    this.#voicedAt = new Float64Array(capacity);
  }

  get full(): boolean {
    return this.length === this.#capacity;
  }

  push(kind: number, pcm: Int16Array | undefined, window: Readonly<Window> | undefined, energyProbability: number): void {
    const slot = (this.#first + this.length) % this.#capacity;
    this.length++;
    this.#kind[slot] = kind;
    this.#energy[slot] = energyProbability;
    if (window !== undefined) {
      this.#position[slot] = window.position;
      this.#ring[slot] = window.ringStart;
      this.#level[slot] = window.levelDb;
      this.#voicedAt[slot] = window.lastVoicedAtMs;
    }
    if (pcm !== undefined) {
      const base = slot * windowSamples;
      for (let i = 0; i < windowSamples; i++) this.#pcm[base + i] = pcm[i]!;
    }
  }

  headKind(): number {
    return this.#kind[this.#first]!;
  }

  headLevelDb(): number {
    return this.#level[this.#first]!;
  }

  /** How many windows from the head on want the model, at most `most`. */
  openRun(most: number): number {
    let run = 0;
    while (run < most && run < this.length && this.#kind[(this.#first + run) % this.#capacity] === slotKind.open) run++;
    return run;
  }

  headEnergyProbability(): number {
    return this.#energy[this.#first]!;
  }

  /** The window `ahead` of the head, with the context before it, as floats into the model's input. */
  fill(ahead: number, target: Float32Array, offset: number): void {
    const base = ((this.#first + ahead) % this.#capacity) * windowSamples;
    if (ahead === 0) for (let i = 0; i < contextSamples; i++) target[offset + i] = this.context[i]! / 32768;
    else {
      const before = ((this.#first + ahead - 1) % this.#capacity) * windowSamples + windowSamples - contextSamples;
      for (let i = 0; i < contextSamples; i++) target[offset + i] = this.#pcm[before + i]! / 32768;
    }
    const to = offset + contextSamples;
    for (let i = 0; i < windowSamples; i++) target[to + i] = this.#pcm[base + i]! / 32768;
  }

  /** Removes the head; `head` holds what it was. */
  pop(): void {
    const slot = this.#first;
    if (this.#kind[slot]! <= slotKind.open) {
      this.head.position = this.#position[slot]!;
      this.head.ringStart = this.#ring[slot]!;
      this.head.levelDb = this.#level[slot]!;
      this.head.lastVoicedAtMs = this.#voicedAt[slot]!;
      const tail = slot * windowSamples + windowSamples - contextSamples;
      for (let i = 0; i < contextSamples; i++) this.context[i] = this.#pcm[tail + i]!;
    }
    this.#first = (slot + 1) % this.#capacity;
    this.length--;
  }
}
