/** RTCP (RFC 3550 section 6): sender reports and goodbyes read, receiver reports with a CNAME written. */

export type SenderReport = {
  /** Middle 32 bits of the NTP time. */
  readonly lsr: number;
  readonly ssrc: number;
  readonly packets: number;
};

/** Answer to our reference time (RFC 3611 section 4.5): how one who only receives learns the round trip. */
export type ReferenceAnswer = { readonly ssrc: number; readonly lrr: number; readonly dlrr: number };

export type RtcpContents = { senderReport: SenderReport | undefined; answers: ReferenceAnswer[]; byeSsrcs: number[] };

const types = { senderReport: 200, receiverReport: 201, bye: 203, extended: 207 } as const;
/** XR block types. */
const dlrrBlock = 5;

/** @returns undefined where the bytes are no compound packet as RFC 3550 appendix A.2 checks it (RFC 5506 reduced size is accepted) */
export function parseRtcp(packet: Uint8Array): RtcpContents | undefined {
  const contents: RtcpContents = { senderReport: undefined, answers: [], byeSsrcs: [] };
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  let at = 0;
  while (at < packet.length) {
    if (at + 4 > packet.length || packet[at]! >>> 6 !== 2) return undefined;
    const count = packet[at]! & 0x1f;
    const type = packet[at + 1]!;
    const end = at + 4 + 4 * view.getUint16(at + 2);
    if (end > packet.length) return undefined;
    let blocks = -1;
    if (type === types.senderReport) {
      if (end - at < 28) return undefined;
      contents.senderReport = {
        ssrc: view.getUint32(at + 4),
        lsr: ((view.getUint16(at + 10) << 16) | view.getUint16(at + 12)) >>> 0,
        packets: view.getUint32(at + 20),
      };
      blocks = at + 28;
    } else if (type === types.receiverReport) {
      if (end - at < 8) return undefined;
      blocks = at + 8;
    } else if (type === types.bye) {
      if (end - at < 4 + 4 * count) return undefined;
      for (let i = 0; i < count; i++) contents.byeSsrcs.push(view.getUint32(at + 4 + 4 * i));
    } else if (type === types.extended && !readExtended(view, at + 8, end, contents)) return undefined;
    // We send no media, so nothing in a report block is about us; it only has to be whole.
    if (blocks >= 0 && blocks + 24 * count > end) return undefined;
    at = end;
  }
  return packet.length === 0 ? undefined : contents;
}

function readExtended(view: DataView, from: number, end: number, contents: RtcpContents): boolean {
  let at = from;
  while (at + 4 <= end) {
    const next = at + 4 + 4 * view.getUint16(at + 2);
    if (next > end) return false;
    if (view.getUint8(at) === dlrrBlock) {
      for (let sub = at + 4; sub + 12 <= next; sub += 12)
        contents.answers.push({ ssrc: view.getUint32(sub), lrr: view.getUint32(sub + 4), dlrr: view.getUint32(sub + 8) });
    }
    at = next;
  }
  return at === end;
}

export type ReceiverReport = {
  readonly ownSsrc: number;
  readonly ssrc: number;
  /** 0..1, since the last report. */
  readonly fractionLost: number;
  readonly cumulativeLost: number;
  readonly highestSequence: number;
  /** RTP clock units. */
  readonly jitter: number;
  readonly lsr: number;
  /** Since the sender report arrived, milliseconds. */
  readonly sinceSenderReportMs: number;
  readonly cname: string;
  /** Our clock, for the reference time that a peer may answer (RFC 3611 section 4.4). */
  readonly unixMs: number;
};

/** @returns a compound packet: RR with one block, SDES CNAME, XR receiver reference time */
export function writeReceiverReport(report: ReceiverReport): Uint8Array {
  const cname = Buffer.from(report.cname, "latin1").subarray(0, 255);
  // An item list ends with at least one zero byte and is padded to 32 bits.
  const sdesBytes = 8 + Math.ceil((2 + cname.length + 1) / 4) * 4;
  const bytes = new Uint8Array(32 + sdesBytes + 20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x81c9);
  view.setUint16(2, 7);
  view.setUint32(4, report.ownSsrc);
  view.setUint32(8, report.ssrc);
  const lost = Math.max(-0x800000, Math.min(0x7fffff, report.cumulativeLost)) & 0xffffff;
  view.setUint32(12, ((Math.min(255, Math.floor(report.fractionLost * 256)) << 24) | lost) >>> 0);
  view.setUint32(16, report.highestSequence);
  view.setUint32(20, Math.min(0xffffffff, report.jitter));
  view.setUint32(24, report.lsr);
  view.setUint32(28, report.lsr === 0 ? 0 : Math.min(0xffffffff, Math.round((report.sinceSenderReportMs * 65536) / 1000)));
  view.setUint16(32, 0x81ca);
  view.setUint16(34, sdesBytes / 4 - 1);
  view.setUint32(36, report.ownSsrc);
  bytes[40] = 1;
  bytes[41] = cname.length;
  bytes.set(cname, 42);
  const xr = 32 + sdesBytes;
  view.setUint16(xr, 0x80cf);
  view.setUint16(xr + 2, 4);
  view.setUint32(xr + 4, report.ownSsrc);
  view.setUint32(xr + 8, 0x04000002);
  const seconds = Math.floor(report.unixMs / 1000);
  view.setUint32(xr + 12, (seconds + 2_208_988_800) % 0x100000000);
  view.setUint32(xr + 16, Math.floor((report.unixMs / 1000 - seconds) * 0x100000000));
  return bytes;
}

/** NTP time in the middle 32 bits, units of 1/65536 s (RFC 3550 section 4). */
export function ntpMiddle(unixMs: number): number {
  const seconds = Math.floor(unixMs / 1000);
  return (((seconds + 2_208_988_800) % 65536) * 65536 + Math.floor((unixMs / 1000 - seconds) * 65536)) >>> 0;
}

/** @returns milliseconds from our reference time to its answer and back, without the peer's own delay; undefined where it makes no sense */
export function roundTripMs(answer: ReferenceAnswer, nowUnixMs: number): number | undefined {
  const units = (ntpMiddle(nowUnixMs) - answer.lrr - answer.dlrr) | 0;
  const ms = (units * 1000) / 65536;
  return answer.lrr === 0 || ms < 0 || ms > 10_000 ? undefined : ms;
}
