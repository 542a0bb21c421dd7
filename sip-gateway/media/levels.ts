/** G.711 by table: the linear value of each code word (ITU-T G.711), and a frame's level while it is copied. */

/** dBov is measured against the overload point of 16-bit audio (RFC 6465). */
const overload = 32768 * 32768;
export const unknownLevel = 255;

function alawToLinear(code: number): number {
  const value = code ^ 0x55;
  const exponent = (value & 0x70) >> 4;
  const mantissa = (value & 0x0f) << 4;
  const magnitude = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1);
  return (value & 0x80) !== 0 ? magnitude : -magnitude;
}

function mulawToLinear(code: number): number {
  const value = ~code & 0xff;
  const magnitude = ((((value & 0x0f) << 3) + 0x84) << ((value & 0x70) >> 4)) - 0x84;
  return (value & 0x80) !== 0 ? -magnitude : magnitude;
}

/** 16-bit linear value of each A-law and mu-law code word. */
export const alawLinear = Int16Array.from({ length: 256 }, (_, code) => alawToLinear(code));
export const mulawLinear = Int16Array.from({ length: 256 }, (_, code) => mulawToLinear(code));

/** Energy of each code word. */
export const alawEnergy = Float64Array.from(alawLinear, (value) => value * value);
export const mulawEnergy = Float64Array.from(mulawLinear, (value) => value * value);

/** @returns -dBov, rounded, 0 (loudest) .. 127 (silence) */
export function levelOf(sumOfSquares: number, samples: number): number {
  if (sumOfSquares <= 0) return 127;
  return Math.min(127, Math.max(0, Math.round(-10 * Math.log10(sumOfSquares / samples / overload))));
}

/** Copies a G.711 frame to `target` at `at` and measures it in the same pass. @returns its level */
export function copyG711(energy: Float64Array, source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = start, o = at; i < end; i++, o++) {
    const code = source[i]!;
    target[o] = code;
    sum += energy[code]!;
  }
  return levelOf(sum, end - start);
}

/** The same for L16, big-endian (RFC 3551 section 4.5.11). */
export function copyL16(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = start, o = at; i + 1 < end; i += 2, o += 2) {
    const high = source[i]!;
    const low = source[i + 1]!;
    target[o] = high;
    target[o + 1] = low;
    const value = ((high << 24) >> 16) | low;
    sum += value * value;
  }
  return levelOf(sum, (end - start) >> 1);
}

/** For codecs whose level is not known without decoding. */
export function copyOpaque(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  for (let i = start, o = at; i < end; i++, o++) target[o] = source[i]!;
  return unknownLevel;
}
