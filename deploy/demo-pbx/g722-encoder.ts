/** ITU-T G.722 encoder at 64 kbit/s: 16 kHz linear in, one byte per two samples out. Integer arithmetic as in the Recommendation. */
import { Band, followHigh, followLow, mirror, saturate } from "@earshot/media-pipeline/leg/codec/g722-band.ts";

/** Decision levels of the six-bit quantiser (table 14). */
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
      odd += history[tap * 2]! * mirror[tap]!;
      even += history[tap * 2 + 1]! * mirror[11 - tap]!;
    }

    const lowError = saturate(((even + odd) >> 14) - low.predicted);
    const lowMagnitude = lowError >= 0 ? lowError : ~lowError;
    let level = 1;
    while (level < 30 && lowMagnitude >= (lowDecisions[level]! * low.scale) >> 12) level++;
    // Code words (table 16): the first two negative levels are 63 and 62, then 31 down to 4; positive ones 61 down to 32.
    const lowCode = lowError < 0 ? (level <= 2 ? 64 - level : 34 - level) : 62 - level;
    followLow(low, lowCode >> 2);

    const highError = saturate(((even - odd) >> 14) - high.predicted);
    const large = (highError >= 0 ? highError : ~highError) >= (564 * high.scale) >> 12;
    const highCode = highError < 0 ? (large ? 0 : 1) : large ? 2 : 3;
    followHigh(high, highCode);

    out[i] = (highCode << 6) | lowCode;
  }
  return out;
}
