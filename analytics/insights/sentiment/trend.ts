/** The mood of one leg as it goes: a fast and a slow running mean over its segments. */

/** After this many segments a segment's weight in the running mean has halved. */
const fastHalfLife = 3;
const slowHalfLife = 10;
const fast = 1 - 0.5 ** (1 / fastHalfLife);
const slow = 1 - 0.5 ** (1 / slowHalfLife);

export class MoodTrend {
  #fastSum = 0;
  #fastWeight = 0;
  #slowSum = 0;
  #slowWeight = 0;
  segments = 0;

  add(score: number): void {
    this.segments++;
    this.#fastSum = this.#fastSum * (1 - fast) + score * fast;
    this.#fastWeight = this.#fastWeight * (1 - fast) + fast;
    this.#slowSum = this.#slowSum * (1 - slow) + score * slow;
    this.#slowWeight = this.#slowWeight * (1 - slow) + slow;
  }

  /** Mean of the last few segments, -1 .. +1; the mean is weighted by what there is, so that the first segment counts in full. */
  get now(): number {
    return this.#fastWeight === 0 ? 0 : this.#fastSum / this.#fastWeight;
  }

  /** How much better (+) or worse (-) the last few are than the longer run. */
  get change(): number {
    return this.#slowWeight === 0 ? 0 : this.now - this.#slowSum / this.#slowWeight;
  }
}
