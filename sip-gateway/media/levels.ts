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

/** Copies a frame. Buffer's own copy: five times as fast as a loop here, and unlike `set(subarray())` it allocates nothing. */
function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  Buffer.prototype.copy.call(source, target, at, start, end);
}

/** Copies a G.711 frame to `target` at `at` and measures it. @returns its level */
export function copyG711(energy: Float64Array, source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  copy(source, start, end, target, at);
  // Four sums: each addition would otherwise wait for the one before it.
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let i = start;
  for (; i + 3 < end; i += 4) {
    sum0 += energy[source[i]!]!;
    sum1 += energy[source[i + 1]!]!;
    sum2 += energy[source[i + 2]!]!;
    sum3 += energy[source[i + 3]!]!;
  }
  for (; i < end; i++) sum0 += energy[source[i]!]!;
  return levelOf(sum0 + sum1 + sum2 + sum3, end - start);
}

/** The same for L16, big-endian (RFC 3551 section 4.5.11). */
export function copyL16(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  copy(source, start, end, target, at);
  let sum = 0;
  for (let i = start; i + 1 < end; i += 2) {
    const value = ((source[i]! << 24) >> 16) | source[i + 1]!;
    sum += value * value;
  }
  return levelOf(sum, (end - start) >> 1);
}

/** For codecs whose level is not known without decoding. */
export function copyOpaque(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  copy(source, start, end, target, at);
  return unknownLevel;
}
