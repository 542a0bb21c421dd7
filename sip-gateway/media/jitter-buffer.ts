/**
 * Puts packets into order and drops duplicates. A packet that is next in order passes straight through (nothing is played out here, so
 * nothing has to be delayed); only behind a gap do packets wait, at most `depthMs`, for what is missing. Slots are preallocated; what
 * has to wait is copied, because a datagram is only lent.
 */

/** Takes packets in order of their sequence numbers. */
export interface PacketSink {
  /** @param missing packets before this one that did not arrive in time */
  deliver(
    packet: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
    payloadType: number,
    timestamp: number,
    missing: number,
    arrivalMs: number,
  ): void;
}

/**
 * What became of a pushed packet. `reordered`: in time, but behind one with a higher number. `late`: given up before it came.
 * `stray`: far outside the sequence, dropped. `restarted`: the sender began a new sequence; delivered, and the old order is closed.
 */
export const pushed = { inOrder: 0, reordered: 1, duplicate: 2, late: 3, stray: 4, restarted: 5 } as const;
export type Pushed = (typeof pushed)[keyof typeof pushed];

/** Packets that can wait behind a gap: 640 ms at 20 ms, far beyond any sensible depth. */
const slots = 32;
/** RFC 3550 appendix A.1. */
const maxDropout = 3000;
const maxMisorder = 100;
/** Of 32 bits each: `maxMisorder` and more. */
const historyWords = 4;
const historyLength = 32 * historyWords;

export class JitterBuffer {
  readonly #sink: PacketSink;
  readonly #depthMs: number;
  readonly #packets: (Uint8Array | undefined)[] = new Array(slots).fill(undefined);
  readonly #payloadStart = new Uint16Array(slots);
  readonly #payloadEnd = new Uint16Array(slots);
  readonly #payloadType = new Uint8Array(slots);
  readonly #timestamp = new Uint32Array(slots);
  readonly #arrivalMs = new Float64Array(slots);
  /** A bit per sequence number, set where its packet arrived: tells a duplicate from a late one. */
  readonly #arrived = new Int32Array(historyWords);
  #waiting = 0;
  /** Sequence number that is to be delivered next; -1 before the first packet. */
  #next = -1;
  #highest = 0;
  /** Given up without a slot to stand for them. */
  #missed = 0;
  /** The one that would confirm a jump; -1 = none suspected. */
  #jumpNext = -1;

  constructor(sink: PacketSink, depthMs: number) {
    this.#sink = sink;
    this.#depthMs = depthMs;
  }

  push(
    packet: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
    payloadType: number,
    sequence: number,
    timestamp: number,
    nowMs: number,
  ): Pushed {
    if (this.#next < 0) {
      this.#next = sequence;
      this.#highest = sequence;
    }
    const ahead = (sequence - this.#next) & 0xffff;
    if (ahead === 0) {
      this.#mark(sequence);
      this.#next = (sequence + 1) & 0xffff;
      this.#jumpNext = -1;
      const missed = this.#missed;
      this.#missed = 0;
      this.#sink.deliver(packet, payloadStart, payloadEnd, payloadType, timestamp, missed, nowMs);
      if (this.#waiting === 0) {
        this.#highest = sequence;
        return pushed.inOrder;
      }
      this.#release(nowMs);
      return pushed.reordered;
    }
    if (ahead < maxDropout) {
      if (ahead >= slots) this.#skipTo((sequence - slots + 1) & 0xffff);
      const slot = sequence & (slots - 1);
      if (this.#packets[slot] !== undefined) return pushed.duplicate;
      this.#packets[slot] = new Uint8Array(packet);
      this.#payloadStart[slot] = payloadStart;
      this.#payloadEnd[slot] = payloadEnd;
      this.#payloadType[slot] = payloadType;
      this.#timestamp[slot] = timestamp;
      this.#arrivalMs[slot] = nowMs;
      this.#waiting++;
      this.#jumpNext = -1;
      const behindHighest = this.#waiting > 1 && ((sequence - this.#highest) & 0xffff) > 0x8000;
      if (!behindHighest) this.#highest = sequence;
      this.#release(nowMs);
      return behindHighest ? pushed.reordered : pushed.inOrder;
    }
    if (0x10000 - ahead <= maxMisorder) {
      if ((this.#arrived[(sequence >>> 5) & (historyWords - 1)]! & (1 << sequence)) !== 0) return pushed.duplicate;
      this.#mark(sequence);
      return pushed.late;
    }
    // Far outside: a stray, unless the next one follows on (RFC 3550 appendix A.1).
    if (sequence !== this.#jumpNext) {
      this.#jumpNext = (sequence + 1) & 0xffff;
      return pushed.stray;
    }
    this.flush();
    this.#arrived.fill(0);
    this.#mark(sequence);
    this.#next = (sequence + 1) & 0xffff;
    this.#highest = sequence;
    this.#missed = 0;
    this.#jumpNext = -1;
    this.#sink.deliver(packet, payloadStart, payloadEnd, payloadType, timestamp, 0, nowMs);
    return pushed.restarted;
  }

  /** Gives up on what has been missing for longer than the depth. */
  expire(nowMs: number): void {
    if (this.#waiting > 0) this.#release(nowMs);
  }

  /** Delivers all that waits, gaps and all. */
  flush(): void {
    if (this.#waiting > 0) this.#release(Number.POSITIVE_INFINITY);
  }

  /** Delivers all that waits and begins anew with the next packet. */
  reset(): void {
    this.flush();
    this.#next = -1;
    this.#jumpNext = -1;
    this.#missed = 0;
    this.#arrived.fill(0);
  }

  get waiting(): number {
    return this.#waiting;
  }

  #release(nowMs: number): void {
    while (this.#waiting > 0) {
      const gap = this.#gap();
      if (gap > 0 && nowMs - this.#arrivalMs[(this.#next + gap) & (slots - 1)]! < this.#depthMs) return;
      this.#deliverAfter(gap);
    }
  }

  /** Makes room: everything before `sequence` is delivered or given up. */
  #skipTo(sequence: number): void {
    while (this.#waiting > 0) {
      const gap = this.#gap();
      if (gap >= ((sequence - this.#next) & 0xffff)) break;
      this.#deliverAfter(gap);
    }
    const givenUp = (sequence - this.#next) & 0xffff;
    if (givenUp > 0x8000) return; // delivering has already gone past it
    for (let i = 0; i < Math.min(givenUp, historyLength); i++) this.#unmark(this.#next + i);
    this.#missed += givenUp;
    this.#next = sequence;
  }

  #mark(sequence: number): void {
    this.#arrived[(sequence >>> 5) & (historyWords - 1)]! |= 1 << sequence;
  }

  #unmark(sequence: number): void {
    this.#arrived[(sequence >>> 5) & (historyWords - 1)]! &= ~(1 << sequence);
  }

  /** How many are missing before the first that waits. */
  #gap(): number {
    let gap = 0;
    while (this.#packets[(this.#next + gap) & (slots - 1)] === undefined) gap++;
    return gap;
  }

  #deliverAfter(gap: number): void {
    for (let i = 0; i < gap; i++) this.#unmark(this.#next + i);
    const sequence = (this.#next + gap) & 0xffff;
    const slot = sequence & (slots - 1);
    const packet = this.#packets[slot]!;
    this.#packets[slot] = undefined;
    this.#waiting--;
    this.#mark(sequence);
    this.#next = (sequence + 1) & 0xffff;
    const missing = gap + this.#missed;
    this.#missed = 0;
    this.#sink.deliver(
      packet,
      this.#payloadStart[slot]!,
      this.#payloadEnd[slot]!,
      this.#payloadType[slot]!,
      this.#timestamp[slot]!,
      missing,
      this.#arrivalMs[slot]!,
    );
  }
}
