/** RTCP of one leg: reads the peer's sender reports, answers with receiver reports, measures the round trip where the peer helps. */
import { randomInt } from "node:crypto";
import type { SrtpKeys } from "./port.ts";
import { parseRtcp, roundTripMs, writeReceiverReport } from "./rtcp.ts";
import { type ReceptionCounts, type RtpStatistics, zeroCounts } from "./rtp-statistics.ts";
import { SrtcpSender, type SrtpReceiver } from "./srtp.ts";

export class RtcpSession {
  readonly #statistics: RtpStatistics;
  readonly #cname: string;
  readonly #ownSsrc = randomInt(1, 0xffffffff);
  #sender: SrtcpSender | undefined;
  #lsr = 0;
  #lsrArrivalMs = 0;
  #oneWayMs: number | undefined;
  #before: ReceptionCounts = zeroCounts();
  #now: ReceptionCounts = zeroCounts();

  constructor(statistics: RtpStatistics, cname: string) {
    this.#statistics = statistics;
    this.#cname = cname;
  }

  setKeys(keys: SrtpKeys | undefined): void {
    this.#sender = keys === undefined ? undefined : new SrtcpSender(keys);
  }

  /** Half the round trip, milliseconds; undefined where the peer does not answer our reference time. */
  get oneWayMs(): number | undefined {
    return this.#oneWayMs;
  }

  /** @returns false where the packet is malformed or not authentic */
  onPacket(packet: Uint8Array, srtp: SrtpReceiver | undefined, nowMs: number, nowUnixMs: number): boolean {
    const clear = srtp === undefined ? packet : srtp.unprotectRtcp(packet);
    const contents = clear === undefined ? undefined : parseRtcp(clear);
    if (contents === undefined) return false;
    if (contents.senderReport !== undefined) {
      this.#lsr = contents.senderReport.lsr;
      this.#lsrArrivalMs = nowMs;
    }
    for (const answer of contents.answers) {
      if (answer.ssrc !== this.#ownSsrc) continue;
      const roundTrip = roundTripMs(answer, nowUnixMs);
      if (roundTrip !== undefined) this.#oneWayMs = roundTrip / 2;
    }
    return true;
  }

  /** @param ssrc the source that is reported on */
  report(ssrc: number, clockRate: number, nowMs: number, nowUnixMs: number): Uint8Array {
    const before = this.#before;
    const now = this.#now;
    this.#statistics.read(now);
    const expected = now.expected - before.expected;
    const lost = expected - (now.received - before.received);
    const packet = writeReceiverReport({
      ownSsrc: this.#ownSsrc,
      ssrc,
      fractionLost: expected <= 0 || lost <= 0 ? 0 : lost / expected,
      cumulativeLost: now.lost,
      highestSequence: this.#statistics.highestSequence,
      jitter: this.#statistics.jitterIn(clockRate),
      lsr: this.#lsr,
      sinceSenderReportMs: nowMs - this.#lsrArrivalMs,
      cname: this.#cname,
      unixMs: nowUnixMs,
    });
    this.#before = now;
    this.#now = before;
    return this.#sender === undefined ? packet : this.#sender.protect(packet);
  }
}
