/** Reception statistics of one leg (RFC 3550 appendices A.1, A.3, A.8): what was expected, what came, how evenly. */

/** Counted since the leg began; an interval is the difference of two. */
export type ReceptionCounts = {
  expected: number;
  /** Different packets that came, late ones among them. */
  received: number;
  /** Expected and never seen: `expected - received`, not below 0. */
  lost: number;
  late: number;
  duplicate: number;
  reordered: number;
  /** Runs of consecutive packets that were not there when needed. */
  lossRuns: number;
  /** Packets in those runs: lost and late. */
  missing: number;
};

export function zeroCounts(): ReceptionCounts {
  return { expected: 0, received: 0, lost: 0, late: 0, duplicate: 0, reordered: 0, lossRuns: 0, missing: 0 };
}

export class RtpStatistics {
  /** Lowest sequence number since the last restart, and highest, both extended by the cycles. */
  #base = -1;
  #highest = 0;
  /** What earlier sources and stretches of this leg expected. */
  #expectedBefore = 0;
  #received = 0;
  #late = 0;
  #duplicate = 0;
  #reordered = 0;
  #lossRuns = 0;
  #missing = 0;

  /** In RTP clock units, 32 bits: whole numbers lie in the object itself, others each in a place of their own, far from the cache. */
  #previousTransit = 0;
  #transitKnown = false;
  #clockRate = 0;
  /** In sixteenths of a clock unit (RFC 3550 appendix A.8). */
  #jitter16 = 0;

  /** Regression of RTP time against arrival, in seconds since the first sample of the run. */
  #driftFromMs = 0;
  #driftLast = 0;
  #driftRtpSeconds = 0;
  #n = 0;
  #sx = 0;
  #sy = 0;
  #sxx = 0;
  #sxy = 0;

  /** A packet in sequence order, or ahead of it. */
  onPacket(sequence: number): void {
    this.#received++;
    if (this.#base < 0) {
      this.#base = sequence;
      this.#highest = sequence;
      return;
    }
    const delta = ((sequence - this.#highest) << 16) >> 16;
    if (delta > 0) this.#highest += delta;
    else if (this.#highest + delta < this.#base) this.#base = this.#highest + delta;
  }

  onLate(): void {
    this.#received++;
    this.#late++;
  }

  onDuplicate(): void {
    this.#duplicate++;
  }

  onReordered(): void {
    this.#reordered++;
  }

  /** `count` packets in a row were given up. */
  onMissing(count: number): void {
    this.#lossRuns++;
    this.#missing += count;
  }

  /** A new source, a new sequence, or a stretch that does not count (inactive): what follows is expected from there. */
  restart(): void {
    if (this.#base >= 0) this.#expectedBefore += this.#highest - this.#base + 1;
    this.#base = -1;
    this.#transitKnown = false;
    this.#resetDrift();
  }

  /** Interarrival jitter (A.8). Silence suppression does not disturb it: a gap in arrival is a gap in timestamps. */
  onTransit(arrivalMs: number, timestamp: number, clockRate: number): void {
    if (clockRate !== this.#clockRate) {
      this.#jitter16 = this.#clockRate === 0 ? 0 : Math.round((this.#jitter16 * clockRate) / this.#clockRate);
      this.#clockRate = clockRate;
      this.#transitKnown = false;
    }
    const transit = (Math.round((arrivalMs * clockRate) / 1000) - timestamp) | 0;
    if (this.#transitKnown) {
      const d = Math.abs((transit - this.#previousTransit) | 0);
      // A jumped timestamp is not jitter.
      if (d < 10 * clockRate) this.#jitter16 += d - ((this.#jitter16 + 8) >> 4);
    }
    this.#previousTransit = transit;
    this.#transitKnown = true;
  }

  /** One point for the sender's clock against ours; a few per second are plenty. */
  onClockSample(arrivalMs: number, timestamp: number, clockRate: number): void {
    if (this.#n === 0) {
      this.#driftFromMs = arrivalMs;
      this.#driftLast = timestamp;
      this.#driftRtpSeconds = 0;
      this.#n = 1;
      return;
    }
    this.#driftRtpSeconds += ((timestamp - this.#driftLast) | 0) / clockRate;
    this.#driftLast = timestamp;
    const x = (arrivalMs - this.#driftFromMs) / 1000;
    const y = this.#driftRtpSeconds - x;
    if (Math.abs(y) > 1) {
      this.#resetDrift();
      return;
    }
    this.#n++;
    this.#sx += x;
    this.#sy += y;
    this.#sxx += x * x;
    this.#sxy += x * y;
  }

  #resetDrift(): void {
    this.#n = 0;
    this.#sx = 0;
    this.#sy = 0;
    this.#sxx = 0;
    this.#sxy = 0;
  }

  get jitterMs(): number {
    return this.#clockRate === 0 ? 0 : (this.#jitter16 / 16 / this.#clockRate) * 1000;
  }

  /** RTP clock units, for a receiver report. */
  jitterIn(clockRate: number): number {
    return Math.round((this.jitterMs * clockRate) / 1000);
  }

  /** Extended highest sequence number, modulo 2^32. */
  get highestSequence(): number {
    return this.#highest >>> 0;
  }

  /** Sender's clock against ours, parts per million; 0 until ten seconds have been seen, since jitter hides it before. */
  get driftPpm(): number {
    if (this.#n < 20) return 0;
    const spread = this.#n * this.#sxx - this.#sx * this.#sx;
    // For evenly spread points the variance of x is span^2 / 12.
    const spanSeconds = Math.sqrt((12 * spread) / (this.#n * this.#n));
    if (spanSeconds < 10) return 0;
    return ((this.#n * this.#sxy - this.#sx * this.#sy) / spread) * 1e6;
  }

  read(into: ReceptionCounts): void {
    const expected = this.#expectedBefore + (this.#base < 0 ? 0 : this.#highest - this.#base + 1);
    into.expected = expected;
    into.received = this.#received;
    into.lost = Math.max(0, expected - this.#received);
    into.late = this.#late;
    into.duplicate = this.#duplicate;
    into.reordered = this.#reordered;
    into.lossRuns = this.#lossRuns;
    into.missing = this.#missing;
  }
}

/**
 * Mean run of losses over the mean run that the same loss would have if it were random, 1 / (1 - p) (ITU-T G.113, G.107 section 3.5).
 * @returns 1 where nothing was lost
 */
export function burstRatio(missing: number, lossRuns: number, expected: number): number {
  if (missing === 0 || lossRuns === 0 || expected === 0) return 1;
  const p = Math.min(1, missing / expected);
  if (p >= 1) return 1;
  return (missing / lossRuns) * (1 - p);
}
