/** The RTP header (RFC 3550 section 5.1), read into an object that the caller reuses. */

export type RtpHeader = {
  marker: boolean;
  payloadType: number;
  sequence: number;
  timestamp: number;
  ssrc: number;
  csrcCount: number;
  hasPadding: boolean;
  /** First payload byte: behind CSRC list and header extension. */
  payloadStart: number;
  /** Behind the last payload byte. */
  payloadEnd: number;
};

export function emptyRtpHeader(): RtpHeader {
  return {
    marker: false,
    payloadType: 0,
    sequence: 0,
    timestamp: 0,
    ssrc: 0,
    csrcCount: 0,
    hasPadding: false,
    payloadStart: 0,
    payloadEnd: 0,
  };
}

/** RFC 5761 section 4: on a shared port the second byte 192..223 is RTCP. */
export function isRtcp(packet: Uint8Array): boolean {
  return packet.length >= 8 && packet[0]! >>> 6 === 2 && packet[1]! >= 192 && packet[1]! <= 223;
}

/**
 * Reads the header; padding still counts as payload until `stripPadding` (in SRTP it is encrypted).
 * @returns false where the bytes are not RTP version 2, or the header is longer than the packet
 */
export function parseRtpHeader(packet: Uint8Array, header: RtpHeader): boolean {
  const length = packet.length;
  if (length < 12) return false;
  const first = packet[0]!;
  if (first >>> 6 !== 2) return false;
  const second = packet[1]!;
  const csrcCount = first & 0x0f;
  let start = 12 + csrcCount * 4;
  if ((first & 0x10) !== 0) {
    if (start + 4 > length) return false;
    start += 4 + 4 * ((packet[start + 2]! << 8) | packet[start + 3]!);
  }
  if (start > length) return false;
  header.marker = second >= 0x80;
  header.payloadType = second & 0x7f;
  header.sequence = (packet[2]! << 8) | packet[3]!;
  header.timestamp = ((packet[4]! << 24) | (packet[5]! << 16) | (packet[6]! << 8) | packet[7]!) >>> 0;
  header.ssrc = ((packet[8]! << 24) | (packet[9]! << 16) | (packet[10]! << 8) | packet[11]!) >>> 0;
  header.csrcCount = csrcCount;
  header.hasPadding = (first & 0x20) !== 0;
  header.payloadStart = start;
  header.payloadEnd = length;
  return true;
}

/** Takes padding off the payload. @returns false where the padding count is 0 or longer than the payload */
export function stripPadding(packet: Uint8Array, header: RtpHeader): boolean {
  if (!header.hasPadding) return true;
  if (header.payloadEnd <= header.payloadStart) return false;
  const padding = packet[header.payloadEnd - 1]!;
  if (padding === 0 || padding > header.payloadEnd - header.payloadStart) return false;
  header.payloadEnd -= padding;
  return true;
}
