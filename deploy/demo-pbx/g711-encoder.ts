/** G.711 encoders for the demo PBX (ITU-T G.711): 16-bit linear samples to one byte each. */

const muLawBias = 0x84;
const muLawClip = 32_635;

/** One sample to mu-law (G.711 table 2a, bits inverted for the line). */
export function muLawByte(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(muLawClip, Math.abs(sample)) + muLawBias;
  const exponent = 24 - Math.clz32(magnitude);
  return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

/** One sample to A-law (G.711 table 1a, even bits inverted for the line). */
export function aLawByte(sample: number): number {
  const sign = sample < 0 ? 0 : 0x80;
  const magnitude = Math.min(0xfff, (sample < 0 ? ~sample : sample) >> 3);
  const segment = magnitude < 32 ? 0 : 27 - Math.clz32(magnitude);
  return (sign | (segment << 4) | ((magnitude >> Math.max(1, segment)) & 0x0f)) ^ 0x55;
}

export function encodeMuLaw(pcm: Int16Array): Uint8Array {
  return Uint8Array.from(pcm, muLawByte);
}

export function encodeALaw(pcm: Int16Array): Uint8Array {
  return Uint8Array.from(pcm, aLawByte);
}
