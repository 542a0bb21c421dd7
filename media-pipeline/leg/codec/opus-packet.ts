/** The framing of an Opus packet (RFC 6716 section 3): what cannot be one is told before a decoder sees it. */

/** Bytes of one compressed frame at most (section 3.2.1). */
const maxFrameBytes = 1275;
/** 120 ms at 48 kHz. */
const maxSamples = 5760;

/** @returns does the packet keep to the rules R1 to R7 of section 3.4? */
export function isOpusPacket(bytes: Uint8Array, offset: number, length: number): boolean {
  const end = offset + length;
  if (length < 1) return false;
  const toc = bytes[offset]!;
  let at = offset + 1;
  switch (toc & 3) {
    case 0:
      return end - at <= maxFrameBytes;
    case 1:
      return ((end - at) & 1) === 0 && (end - at) >> 1 <= maxFrameBytes;
    case 2: {
      if (at >= end || (bytes[at]! >= 252 && at + 1 >= end)) return false;
      const first = frameLength(bytes, at);
      at += bytes[at]! >= 252 ? 2 : 1;
      return first <= end - at && end - at - first <= maxFrameBytes;
    }
  }
  if (at >= end) return false;
  const count = bytes[at++]!;
  const frames = count & 0x3f;
  if (frames === 0 || frames * frameSamples(toc >> 3) > maxSamples) return false;
  let padding = 0;
  if ((count & 0x40) !== 0) {
    for (let part = 255; part === 255; padding += part === 255 ? 254 : part) {
      if (at >= end) return false;
      part = bytes[at++]!;
    }
  }
  let left = end - at - padding;
  if (left < 0) return false;
  if ((count & 0x80) === 0) return left % frames === 0 && left / frames <= maxFrameBytes;
  for (let i = 1; i < frames; i++) {
    const size = left > 0 && bytes[at]! >= 252 ? 2 : 1;
    if (left < size) return false;
    const frame = frameLength(bytes, at);
    at += size;
    left -= size + frame;
    if (left < 0) return false;
  }
  return left <= maxFrameBytes;
}

/** Section 3.2.1: one byte, or two from 252 on. */
function frameLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  return first < 252 ? first : first + 4 * bytes[at + 1]!;
}

/** Samples of a frame at 48 kHz, by its configuration number (table 2). */
function frameSamples(configuration: number): number {
  if (configuration >= 16) return 120 << (configuration & 3);
  if (configuration >= 12) return 480 << (configuration & 1);
  return (configuration & 3) === 3 ? 2880 : 480 << (configuration & 3);
}
