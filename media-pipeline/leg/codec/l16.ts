/** L16: 16-bit linear, big-endian (RFC 3551 4.5.11); several channels are mixed to one. */

/** @returns samples per channel written */
export function decodeL16(source: Uint8Array, offset: number, length: number, channels: number, target: Int16Array): number {
  const samples = Math.min(Math.floor(length / (2 * channels)), target.length);
  let at = offset;
  for (let i = 0; i < samples; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      sum += ((source[at]! << 24) >> 16) | source[at + 1]!;
      at += 2;
    }
    target[i] = channels === 1 ? sum : Math.round(sum / channels);
  }
  return samples;
}
