/** Line quality of one leg, every few seconds: what arrived in the interval, as an event. */
import type { EventInit } from "@earshot/proto/event.ts";
import { impairmentOf, mosOf, rFactor } from "./e-model.ts";
import { burstRatio, type ReceptionCounts, type RtpStatistics, zeroCounts } from "./rtp-statistics.ts";

/** -dBov below which nothing is heard, whatever it is. */
const silentLevel = 65;
/** So much of the call must have been silent before one-way audio is suspected. */
const silentAfterMs = 5000;

export type QualityOf = {
  readonly tenantId: string;
  readonly callId: string;
  readonly leg: number;
};

export class LineQualityMeter {
  readonly #of: QualityOf;
  readonly #statistics: RtpStatistics;
  #before: ReceptionCounts = zeroCounts();
  #now: ReceptionCounts = zeroCounts();
  #fromMs = 0;

  constructor(of: QualityOf, statistics: RtpStatistics) {
    this.#of = of;
    this.#statistics = statistics;
  }

  /**
   * Closes the interval.
   * @param toMs its end, milliseconds from the call's start
   * @param encoding of the last audio packet; "" before the first
   * @param loudest -dBov of the loudest frame of the call so far; 255 = not known
   * @returns the event, or undefined where the interval was empty: nothing expected, nothing came
   */
  interval(toMs: number, nowUnixMs: number, encoding: string, delayMs: number, loudest: number): EventInit | undefined {
    const { tenantId, callId, leg } = this.#of;
    this.#statistics.read(this.#now);
    const before = this.#before;
    const now = this.#now;
    const expected = now.expected - before.expected;
    const received = now.received - before.received;
    const fromMs = this.#fromMs;
    this.#fromMs = toMs;
    this.#before = now;
    this.#now = before;
    if (expected === 0 && received === 0) return undefined;
    const late = now.late - before.late;
    // What came too late is as good as lost to the listener; a packet that is still waited for is neither.
    const missing = now.missing - before.missing;
    const burst = burstRatio(missing, now.lossRuns - before.lossRuns, expected);
    const lossPercent = expected === 0 ? 0 : Math.min(100, (100 * missing) / expected);
    const r = rFactor(impairmentOf(encoding).impairment, lossPercent, burst, delayMs);
    return {
      id: `${callId}-${leg}-quality-${Math.round(toMs)}`,
      tenantId,
      callId,
      occurredAtMs: nowUnixMs,
      payload: {
        case: "lineQuality",
        value: {
          leg,
          fromMs: Math.round(fromMs),
          toMs: Math.round(toMs),
          packetsExpected: Math.max(0, expected),
          packetsReceived: received,
          packetsLost: Math.max(0, missing - late),
          packetsLate: late,
          packetsDuplicate: now.duplicate - before.duplicate,
          packetsReordered: now.reordered - before.reordered,
          jitterMs: this.#statistics.jitterMs,
          burstRatio: burst,
          driftPpm: this.#statistics.driftPpm,
          rFactor: r,
          mos: mosOf(r),
          delayMs,
          codec: encoding,
          silent: toMs >= silentAfterMs && received > 0 && loudest !== 255 && loudest > silentLevel,
        },
      },
    };
  }
}
