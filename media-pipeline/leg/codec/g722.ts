/**
 * G.722 at 64 kbit/s, decoder (ITU-T G.722, clauses 4 and 6): two sub-bands of ADPCM, joined by a 24-tap quadrature mirror filter.
 * Each octet becomes two samples at 16 kHz.
 */
import { Band, followHigh, followLow, mirror, saturate } from "./g722-band.ts";

const quantiser6 = new Int32Array([
  -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856, -7192, -6576, -6000,
  -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
  11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
  -432, -136,
]);

function limitBand(value: number): number {
  return value > 16383 ? 16383 : value < -16384 ? -16384 : value;
}

export class G722Decoder {
  readonly #low = new Band(32);
  readonly #high = new Band(8);
  /** Twice the filter's length, so that it moves back only every twelfth octet. */
  readonly #delay = new Int32Array(48);
  #at = 0;

  /** Decodes `length` octets. @returns samples written: two per octet */
  decode(source: Uint8Array, offset: number, length: number, target: Int16Array): number {
    const low = this.#low;
    const high = this.#high;
    const delay = this.#delay;
    let out = 0;
    for (let i = 0; i < length; i++) {
      const code = source[offset + i]!;
      const six = code & 0x3f;

      const lowSample = limitBand(low.predicted + ((low.scale * quantiser6[six]!) >> 15));
      followLow(low, six >> 2);

      const predicted = high.predicted;
      const highSample = limitBand(predicted + followHigh(high, code >> 6));

      if (this.#at === 24) {
        delay.copyWithin(0, 24, 48);
        this.#at = 0;
      }
      const newest = this.#at + 24;
      delay[newest] = lowSample + highSample;
      delay[newest + 1] = lowSample - highSample;
      this.#at += 2;
      const oldest = this.#at;
      let even = 0;
      let odd = 0;
      for (let tap = 0; tap < 12; tap++) {
        even += delay[oldest + 2 * tap]! * mirror[tap]!;
        odd += delay[oldest + 2 * tap + 1]! * mirror[11 - tap]!;
      }
      target[out++] = saturate(odd >> 11);
      target[out++] = saturate(even >> 11);
    }
    return out;
  }
}
