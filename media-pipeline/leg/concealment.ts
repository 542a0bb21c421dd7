/**
 * Fills lost frames the way ITU-T G.711 Appendix I does: the last pitch period is repeated, fades from 10 ms on and is silent after
 * 60 ms; the first frame that arrives again is blended in.
 */
export class Concealment {
  readonly #rate: number;
  /** The last 30 ms that were heard, newest at the end. */
  readonly #history: Int16Array;
  readonly #period: Int16Array;
  #periodLength = 0;
  #periodAt = 0;
  /** Samples concealed since the last good frame. */
  #concealed = 0;

  constructor(sampleRate: number) {
    this.#rate = sampleRate;
    this.#history = new Int16Array(Math.round(sampleRate * 0.03));
    this.#period = new Int16Array(Math.round(sampleRate * 0.015));
  }

  /** A frame that arrived: remembered, and blended with what was made up before it. Changes `pcm` in place. */
  good(pcm: Int16Array, length: number): void {
    if (this.#concealed > 0) {
      const overlap = Math.min(length, Math.round(this.#rate * 0.004));
      for (let i = 0; i < overlap; i++) {
        const weight = (i + 1) / (overlap + 1);
        pcm[i] = pcm[i]! * weight + this.#next() * (1 - weight);
      }
      this.#concealed = 0;
    }
    const history = this.#history;
    if (length >= history.length) {
      for (let i = 0, at = length - history.length; i < history.length; i++, at++) history[i] = pcm[at]!;
    } else {
      history.copyWithin(0, length);
      for (let i = 0, at = history.length - length; i < length; i++, at++) history[at] = pcm[i]!;
    }
  }

  /** A frame that did not arrive. Writes `length` samples. */
  lost(pcm: Int16Array, length: number): void {
    if (this.#concealed === 0) this.#findPeriod();
    for (let i = 0; i < length; i++) pcm[i] = this.#next();
  }

  /** Forgets what was heard: after a pause nothing of before may be repeated. */
  reset(): void {
    this.#history.fill(0);
    this.#concealed = 0;
    this.#periodLength = 0;
  }

  #next(): number {
    const tenMs = this.#rate * 0.01;
    const gain = this.#concealed < tenMs ? 1 : Math.max(0, 1 - (this.#concealed - tenMs) / (5 * tenMs));
    this.#concealed++;
    if (gain === 0 || this.#periodLength === 0) return 0;
    const value = this.#period[this.#periodAt]! * gain;
    this.#periodAt = this.#periodAt + 1 === this.#periodLength ? 0 : this.#periodAt + 1;
    return value;
  }

  /** Best match of the newest 10 ms with what was 5 to 15 ms earlier, by normalised correlation on every other (8 kHz) sample. */
  #findPeriod(): void {
    const history = this.#history;
    const end = history.length;
    const step = Math.max(1, Math.round(this.#rate / 4000));
    const span = Math.round(this.#rate * 0.01);
    const shortest = Math.round(this.#rate * 0.005);
    const longest = this.#period.length;
    let best = longest;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let lag = shortest; lag <= longest; lag += Math.max(1, step >> 1)) {
      let cross = 0;
      let energy = 1;
      for (let i = end - span; i < end; i += step) {
        const earlier = history[i - lag]!;
        cross += history[i]! * earlier;
        energy += earlier * earlier;
      }
      const score = cross / Math.sqrt(energy);
      if (score > bestScore) {
        bestScore = score;
        best = lag;
      }
    }
    this.#periodLength = best;
    this.#periodAt = 0;
    for (let i = 0, at = end - best; i < best; i++, at++) this.#period[i] = history[at]!;
  }
}
