/** RFC 4733 digits: each once, with its whole duration, also where its end was lost. */

const names = "0123456789*#ABCD";
/** Packets of a digit come at least every 50 ms; this long without one, its end was lost. */
const timeoutMs = 200;

export class DtmfReceiver {
  readonly #onDigit: (digit: string, timestamp: number, duration: number, clockRate: number) => void;
  #event = -1;
  #clockRate = 8000;
  /** Where the digit began, RTP time. */
  #timestamp = 0;
  /** Where the current segment began: a digit of over 0xffff ticks comes in several (RFC 4733 section 2.5.1.3). */
  #segment = 0;
  #duration = 0;
  #segmentDuration = 0;
  #lastMs = 0;
  /** The digit that was reported last, so that its repeated end is no second one. */
  #endedTimestamp = -1;

  /** @param onDigit gets start and duration in RTP ticks */
  constructor(onDigit: (digit: string, timestamp: number, duration: number, clockRate: number) => void) {
    this.#onDigit = onDigit;
  }

  get sounding(): boolean {
    return this.#event >= 0;
  }

  /** RTP time at which the digit that sounds now began. */
  get since(): number {
    return this.#timestamp;
  }

  /** @returns false where the payload is no telephone event that we know (flash, modem tones, too short) */
  onEvent(packet: Uint8Array, start: number, end: number, timestamp: number, clockRate: number, nowMs: number): boolean {
    if (end - start < 4) return false;
    const event = packet[start]!;
    if (event >= names.length) return false;
    const last = (packet[start + 1]! & 0x80) !== 0;
    const duration = (packet[start + 2]! << 8) | packet[start + 3]!;
    if (this.#event >= 0 && timestamp !== this.#segment) {
      const continues = event === this.#event && this.#segmentDuration === 0xffff && timestamp === (this.#segment + 0xffff) >>> 0;
      if (continues) {
        this.#segment = timestamp;
        this.#segmentDuration = 0;
      } else {
        // An older packet of a digit that is over already must not end the one that sounds.
        if (((timestamp - this.#segment) | 0) < 0) return true;
        this.#finish();
      }
    }
    if (this.#event < 0) {
      if (timestamp === this.#endedTimestamp) return true;
      this.#event = event;
      this.#clockRate = clockRate;
      this.#timestamp = timestamp;
      this.#segment = timestamp;
      this.#duration = 0;
      this.#segmentDuration = 0;
    }
    if (duration > this.#segmentDuration) this.#segmentDuration = duration;
    this.#duration = ((this.#segment - this.#timestamp) >>> 0) + this.#segmentDuration;
    this.#lastMs = nowMs;
    if (last) this.#finish();
    return true;
  }

  /** Reports a digit whose end never came. */
  expire(nowMs: number): void {
    if (this.#event >= 0 && nowMs - this.#lastMs >= timeoutMs) this.#finish();
  }

  /** Reports what sounds: the leg ends. */
  flush(): void {
    if (this.#event >= 0) this.#finish();
  }

  /** Forgets what sounds: recording pauses, or another source begins. */
  reset(): void {
    this.#event = -1;
    this.#endedTimestamp = -1;
  }

  #finish(): void {
    const digit = names[this.#event]!;
    this.#event = -1;
    // The last segment's timestamp is the one its repeated end packets carry.
    this.#endedTimestamp = this.#segment;
    this.#onDigit(digit, this.#timestamp, this.#duration, this.#clockRate);
  }
}
