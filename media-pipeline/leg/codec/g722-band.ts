/** What G.722's encoder and decoder have in common: a sub-band's quantiser scale and predictor, adapted by the code words (ITU-T G.722, 3.5, 3.6, 4.3). */

const scaleLow = new Int32Array([-60, -30, 58, 172, 334, 538, 1198, 3042]);
const scaleLowIndex = new Int32Array([0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0]);
const scaleHigh = new Int32Array([0, -214, 798]);
const scaleHighIndex = new Int32Array([2, 1, 2, 1]);
const inverseLog = new Int32Array([
  2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228, 3298,
  3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
]);
const quantiser2 = new Int32Array([-7408, -1616, 7408, 1616]);
const quantiser4 = new Int32Array([0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0]);
/** The quadrature mirror filter's coefficients (table 11), one half. */
export const mirror = new Int32Array([3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11]);

/** To 16 bits. */
export function saturate(value: number): number {
  return value > 32767 ? 32767 : value < -32768 ? -32768 : value;
}

/** The adaptive predictor of one sub-band: two poles, six zeros. */
export class Band {
  logScale = 0;
  scale: number;
  predicted = 0;
  #zeroPart = 0;
  #a1 = 0;
  #a2 = 0;
  #r1 = 0;
  #r2 = 0;
  #p1 = 0;
  #p2 = 0;
  readonly #b = new Int32Array(7);
  readonly #d = new Int32Array(7);

  constructor(scale: number) {
    this.scale = scale;
  }

  /** Takes the quantised difference, adapts the predictor and predicts the next sample (block 4 of the standard). */
  adapt(difference: number): void {
    const b = this.#b;
    const d = this.#d;
    const r0 = saturate(this.predicted + difference);
    const p0 = saturate(this.#zeroPart + difference);
    const sign0 = p0 >> 15;
    const same1 = sign0 === this.#p1 >> 15;
    const same2 = sign0 === this.#p2 >> 15;

    const quadrupled = saturate(this.#a1 << 2);
    const turned = same1 ? Math.min(-quadrupled, 32767) : quadrupled;
    let a2 = (same2 ? 128 : -128) + (turned >> 7) + ((this.#a2 * 32512) >> 15);
    a2 = a2 > 12288 ? 12288 : a2 < -12288 ? -12288 : a2;
    let a1 = saturate((same1 ? 192 : -192) + ((this.#a1 * 32640) >> 15));
    const bound = saturate(15360 - a2);
    a1 = a1 > bound ? bound : a1 < -bound ? -bound : a1;

    const step = difference === 0 ? 0 : 128;
    const sign = difference >> 15;
    let zero = 0;
    for (let i = 6; i > 0; i--) {
      b[i] = saturate((d[i]! >> 15 === sign ? step : -step) + ((b[i]! * 32640) >> 15));
      d[i] = i === 1 ? difference : d[i - 1]!;
      zero += (b[i]! * saturate(d[i]! << 1)) >> 15;
    }
    this.#p2 = this.#p1;
    this.#p1 = p0;
    this.#r2 = this.#r1;
    this.#r1 = r0;
    this.#a1 = a1;
    this.#a2 = a2;
    const pole = saturate(((a1 * saturate(this.#r1 << 1)) >> 15) + ((a2 * saturate(this.#r2 << 1)) >> 15));
    this.#zeroPart = saturate(zero);
    this.predicted = saturate(pole + this.#zeroPart);
  }

  /** Follows the signal's size: the logarithmic scale leaks and moves by `change`, the linear one comes from a table. */
  rescale(change: number, most: number, shift: number): void {
    let log = ((this.logScale * 127) >> 7) + change;
    log = log < 0 ? 0 : log > most ? most : log;
    this.logScale = log;
    const mantissa = inverseLog[(log >> 6) & 31]!;
    const by = shift - (log >> 11);
    this.scale = (by < 0 ? mantissa << -by : mantissa >> by) << 2;
  }
}

/** Both sides of the line know a low code word's upper four bits and follow them alike. */
export function followLow(low: Band, four: number): void {
  const difference = (low.scale * quantiser4[four]!) >> 15;
  low.rescale(scaleLow[scaleLowIndex[four]!]!, 18432, 8);
  low.adapt(difference);
}

/** @returns the difference that the high code word stands for */
export function followHigh(high: Band, two: number): number {
  const difference = (high.scale * quantiser2[two]!) >> 15;
  high.rescale(scaleHigh[scaleHighIndex[two]!]!, 22528, 10);
  high.adapt(difference);
  return difference;
}
