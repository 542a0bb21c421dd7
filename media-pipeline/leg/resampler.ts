/** Changes the sample rate by a ratio of whole numbers: a polyphase windowed-sinc FIR, without allocation per block. */

type Filter = { readonly up: number; readonly down: number; readonly taps: number; readonly phases: Float64Array };

const filters = new Map<string, Filter>();

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function filterFor(from: number, to: number): Filter {
  const name = `${from}:${to}`;
  const known = filters.get(name);
  if (known !== undefined) return known;
  const divisor = greatestCommonDivisor(from, to);
  const up = to / divisor;
  const down = from / divisor;
  const cutoff = 0.46 * Math.min(1, to / from);
  const taps = Math.ceil(20 * Math.max(1, from / to));
  const phases = new Float64Array(up * taps);
  const centre = (up * taps - 1) / 2;
  for (let phase = 0; phase < up; phase++) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const at = tap * up + phase;
      const x = (at - centre) / up;
      const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x);
      const window =
        0.42 - 0.5 * Math.cos((2 * Math.PI * (at + 0.5)) / (up * taps)) + 0.08 * Math.cos((4 * Math.PI * (at + 0.5)) / (up * taps));
      // Newest input sample first in time order: the tap that meets the oldest sample is the last one.
      phases[phase * taps + (taps - 1 - tap)] = sinc * window;
      sum += sinc * window;
    }
    for (let tap = 0; tap < taps; tap++) phases[phase * taps + tap]! /= sum;
  }
  const filter = { up, down, taps, phases };
  filters.set(name, filter);
  return filter;
}

function clamped(sum: number): number {
  return sum > 32767 ? 32767 : sum < -32768 ? -32768 : Math.round(sum);
}

export class Resampler {
  readonly #filter: Filter;
  /** The last `taps - 1` inputs, then the block at hand. */
  #work: Float64Array;
  /** Position of the next output in units of 1/up input samples, from the first sample of the block. */
  #phase = 0;

  constructor(fromRate: number, toRate: number, maxBlock = 2048) {
    this.#filter = filterFor(fromRate, toRate);
    this.#work = new Float64Array(this.#filter.taps - 1 + maxBlock);
  }

  /** How late the output is, in input samples. */
  get delay(): number {
    return Math.round((this.#filter.taps - 1 / this.#filter.up) / 2);
  }

  /** Most samples a block of `length` can give. */
  outputBound(length: number): number {
    return Math.ceil((length * this.#filter.up) / this.#filter.down) + 1;
  }

  /** @returns samples written to `output`, which must hold `outputBound(length)` */
  process(input: Int16Array, length: number, output: Int16Array): number {
    const { up, down, taps, phases } = this.#filter;
    const kept = taps - 1;
    if (this.#work.length < kept + length) {
      const grown = new Float64Array(kept + length);
      grown.set(this.#work.subarray(0, kept));
      this.#work = grown;
    }
    const work = this.#work;
    for (let i = 0; i < length; i++) work[kept + i] = input[i]!;
    const count = Math.max(0, Math.ceil((length * up - this.#phase) / down));
    // Each `up`-th output meets the same row of the filter, `down` inputs further on: four of them are summed side by side, so that each
    // coefficient is loaded once and no addition waits for the one before.
    for (let begin = 0; begin < Math.min(up, count); begin++) {
      const at = this.#phase + begin * down;
      let first = Math.floor(at / up);
      const row = (at - first * up) * taps;
      let out = begin;
      for (; out + 3 * up < count; out += 4 * up, first += 4 * down) {
        let a = 0;
        let b = 0;
        let c = 0;
        let d = 0;
        for (let tap = 0, x = first; tap < taps; tap++, x++) {
          const weight = phases[row + tap]!;
          a += work[x]! * weight;
          b += work[x + down]! * weight;
          c += work[x + 2 * down]! * weight;
          d += work[x + 3 * down]! * weight;
        }
        output[out] = clamped(a);
        output[out + up] = clamped(b);
        output[out + 2 * up] = clamped(c);
        output[out + 3 * up] = clamped(d);
      }
      for (; out < count; out += up, first += down) {
        let sum = 0;
        for (let tap = 0; tap < taps; tap++) sum += work[first + tap]! * phases[row + tap]!;
        output[out] = clamped(sum);
      }
    }
    this.#phase += count * down - length * up;
    work.copyWithin(0, length, length + kept);
    return count;
  }

  reset(): void {
    this.#work.fill(0);
    this.#phase = 0;
  }
}
