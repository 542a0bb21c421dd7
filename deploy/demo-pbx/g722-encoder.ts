/** ITU-T G.722 encoder at 64 kbit/s: 16 kHz linear in, one byte per two samples out. Integer arithmetic as in the Recommendation. */

// G.722 tables 9 to 21: decision levels, code words, inverse quantisers, scale-factor multipliers and the QMF (figure 4).
const lowDecisions = Int32Array.of(
  0,
  35,
  72,
  110,
  150,
  190,
  233,
  276,
  323,
  370,
  422,
  473,
  530,
  587,
  650,
  714,
  786,
  858,
  940,
  1023,
  1121,
  1219,
  1339,
  1458,
  1612,
  1765,
  1980,
  2195,
  2557,
  2919,
);
const lowInverse = Int32Array.of(0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0);
const lowLogStep = Int32Array.of(-60, -30, 58, 172, 334, 538, 1198, 3042);
const lowLogIndex = Int32Array.of(0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0);
const highInverse = Int32Array.of(-7408, -1616, 7408, 1616);
const highLogStep = Int32Array.of(0, -214, 798);
const highLogIndex = Int32Array.of(2, 1, 2, 1);
const logToLinear = Int32Array.of(
  2048,
  2093,
  2139,
  2186,
  2233,
  2282,
  2332,
  2383,
  2435,
  2489,
  2543,
  2599,
  2656,
  2714,
  2774,
  2834,
  2896,
  2960,
  3025,
  3091,
  3158,
  3228,
  3298,
  3371,
  3444,
  3520,
  3597,
  3676,
  3756,
  3838,
  3922,
  4008,
);
const qmf = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);

const saturate = (value: number): number => Math.max(-32_768, Math.min(32_767, value));
const sameSign = (a: number, b: number): boolean => a >> 15 === b >> 15;

/** One sub-band's adaptive quantiser step and pole-zero predictor (clause 3.6). */
class Band {
  /** Quantiser step. */
  step: number;
  /** Logarithm of the step. */
  log = 0;
  /** The predicted next sample. */
  prediction = 0;
  #zeroPrediction = 0;
  #poles = new Int32Array(3);
  #zeros = new Int32Array(7);
  #differences = new Int32Array(7);
  #reconstructed = new Int32Array(3);
  #partial = new Int32Array(3);

  constructor(step: number) {
    this.step = step;
  }

  scale(logStep: number, logLimit: number, shift: number): void {
    this.log = Math.min(logLimit, Math.max(0, ((this.log * 127) >> 7) + logStep));
    const down = shift - (this.log >> 11);
    const mantissa = logToLinear[(this.log >> 6) & 31]!;
    this.step = (down < 0 ? mantissa << -down : mantissa >> down) << 2;
  }

  predict(difference: number): void {
    const a = this.#poles;
    const b = this.#zeros;
    const d = this.#differences;
    const r = this.#reconstructed;
    const p = this.#partial;
    d[0] = difference;
    r[0] = saturate(this.prediction + difference);
    p[0] = saturate(this.#zeroPrediction + difference);

    const quadrupled = saturate(a[1]! << 2);
    const second =
      (sameSign(p[0], p[2]!) ? 128 : -128) +
      (Math.min(32_767, sameSign(p[0], p[1]!) ? -quadrupled : quadrupled) >> 7) +
      ((a[2]! * 32_512) >> 15);
    const nextSecond = Math.min(12_288, Math.max(-12_288, second));
    const bound = saturate(15_360 - nextSecond);
    const first = saturate((sameSign(p[0], p[1]!) ? 192 : -192) + ((a[1]! * 32_640) >> 15));
    a[1] = Math.min(bound, Math.max(-bound, first));
    a[2] = nextSecond;

    const push = difference === 0 ? 0 : 128;
    for (let i = 1; i <= 6; i++) b[i] = saturate((sameSign(d[i]!, difference) ? push : -push) + ((b[i]! * 32_640) >> 15));
    for (let i = 6; i > 0; i--) d[i] = d[i - 1]!;
    r[2] = r[1]!;
    r[1] = r[0]!;
    p[2] = p[1]!;
    p[1] = p[0]!;

    const pole = saturate(((a[1]! * saturate(r[1]! * 2)) >> 15) + ((a[2]! * saturate(r[2]! * 2)) >> 15));
    let zero = 0;
    for (let i = 6; i > 0; i--) zero += (b[i]! * saturate(d[i]! * 2)) >> 15;
    this.#zeroPrediction = saturate(zero);
    this.prediction = saturate(pole + this.#zeroPrediction);
  }
}

/** @param pcm 16 kHz samples; an odd last one is left out. @returns 64 kbit/s code words, one byte per two samples */
export function encodeG722(pcm: Int16Array): Uint8Array {
  const low = new Band(32);
  const high = new Band(8);
  const history = new Int32Array(24);
  const out = new Uint8Array(pcm.length >> 1);
  for (let i = 0; i < out.length; i++) {
    history.copyWithin(0, 2);
    history[22] = pcm[i * 2]!;
    history[23] = pcm[i * 2 + 1]!;
    let odd = 0;
    let even = 0;
    for (let tap = 0; tap < 12; tap++) {
      odd += history[tap * 2]! * qmf[tap]!;
      even += history[tap * 2 + 1]! * qmf[11 - tap]!;
    }

    const lowError = saturate(((even + odd) >> 14) - low.prediction);
    const lowMagnitude = lowError >= 0 ? lowError : ~lowError;
    let level = 1;
    while (level < 30 && lowMagnitude >= (lowDecisions[level]! * low.step) >> 12) level++;
    // Code words (table 16): the first two negative levels are 63 and 62, then 31 down to 4; positive ones 61 down to 32.
    const lowCode = lowError < 0 ? (level <= 2 ? 64 - level : 34 - level) : 62 - level;
    const lowIndex = lowCode >> 2;
    const lowDifference = (low.step * lowInverse[lowIndex]!) >> 15;
    low.scale(lowLogStep[lowLogIndex[lowIndex]!]!, 18_432, 8);
    low.predict(lowDifference);

    const highError = saturate(((even - odd) >> 14) - high.prediction);
    const large = (highError >= 0 ? highError : ~highError) >= (564 * high.step) >> 12;
    const highCode = highError < 0 ? (large ? 0 : 1) : large ? 2 : 3;
    const highDifference = (high.step * highInverse[highCode]!) >> 15;
    high.scale(highLogStep[highLogIndex[highCode]!]!, 22_528, 10);
    high.predict(highDifference);

    out[i] = (highCode << 6) | lowCode;
  }
  return out;
}
