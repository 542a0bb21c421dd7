/** What a G.711 line leaves of wideband speech: 300 to 3400 Hz, mu-law, 8 kHz; returned at 16 kHz as the pipeline would feed it. */

const taps = 127;

/** A windowed-sinc (Hamming) band-pass at 16 kHz. */
function bandPass(lowHz: number, highHz: number): Float64Array {
  const filter = new Float64Array(taps);
  const middle = (taps - 1) / 2;
  const sinc = (hz: number, n: number) => (n === 0 ? (2 * hz) / 16000 : Math.sin((2 * Math.PI * hz * n) / 16000) / (Math.PI * n));
  for (let i = 0; i < taps; i++)
    filter[i] = (sinc(highHz, i - middle) - sinc(lowHz, i - middle)) * (0.54 - 0.46 * Math.cos((2 * Math.PI * i) / (taps - 1)));
  return filter;
}

function filtered(input: Float64Array, filter: Float64Array): Float64Array {
  const out = new Float64Array(input.length);
  const half = (filter.length - 1) >> 1;
  for (let n = 0; n < input.length; n++) {
    let sum = 0;
    for (let k = 0; k < filter.length; k++) sum += filter[k]! * (input[n + half - k] ?? 0);
    out[n] = sum;
  }
  return out;
}

/** G.711 mu-law there and back: the quantisation alone. */
function muLaw(sample: number): number {
  const magnitude = Math.min(32635, Math.abs(sample)) + 132;
  const exponent = Math.max(0, Math.floor(Math.log2(magnitude)) - 7);
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  const value = (((mantissa << 3) + 132) << exponent) - 132;
  return sample < 0 ? -value : value;
}

/** @param pcm 16 kHz, 16-bit mono */
export function throughTelephone(pcm: Int16Array): Int16Array {
  const narrow = filtered(Float64Array.from(pcm), bandPass(300, 3400));
  const stuffed = new Float64Array(pcm.length);
  for (let i = 0; i < pcm.length; i += 2) stuffed[i] = 2 * muLaw(Math.round(narrow[i]!));
  const smooth = filtered(stuffed, bandPass(0, 3800));
  return Int16Array.from(smooth, (value) => Math.max(-32768, Math.min(32767, Math.round(value))));
}
