/**
 * Where a frame lies on the call's own time line. The first packet is anchored by its arrival, RTP timestamps carry on from there, and
 * arrival decides again where they cannot be believed: a new source, a jump, a sender that stopped its clock.
 */
import type { ResolvedFormat } from "./payload-format.ts";

/** What lies between the previous frame and this one. */
export type Placement = {
  /** First sample of the frame, counted from the call's start at the format's sample rate. */
  position: number;
  /** Lost frames of the same length that lie just before `position`, to be marked. */
  lostFrames: number;
  /** The gap (behind the lost frames) is silence, not loss: suppression, a new source, a pause. */
  silence: boolean;
};

/** Beyond this the difference between the sender's clock and arrival is no network delay. */
const jumpToleranceMs = 1000;
/** Re-anchoring closer than this to the end of the previous frame continues there: arrival is no more exact. */
const seamMs = 200;
/** A sender that paused without telling (its timestamps go on where they stopped): over this many frames arrival lags behind by more. */
const stallFrames = 48;
/** A longer loss becomes a gap in the positions instead of frames. */
const maxLostFrames = 50;

export class Timeline {
  readonly #originMs: number;
  /** Set where the next frame must be placed by arrival. */
  #broken = true;
  #afterPause = false;
  #sampleRate = 0;
  #clockRate = 0;
  /** End of the previous frame. */
  #nextPosition = 0;
  /** Modulo 2^32, signed. */
  #nextTimestamp = 0;
  #lastArrivalMs = 0;
  /** Smallest lag of positions behind arrival in the present run of frames: network delay comes and goes, a stall stays. */
  #leastLagMs = Number.POSITIVE_INFINITY;
  #lagFrames = 0;

  /** @param originMs the call's start, on the clock that arrivals are read from */
  constructor(originMs: number) {
    this.#originMs = originMs;
  }

  /** The next frame is placed by arrival: another source, another sequence. */
  break(): void {
    this.#broken = true;
  }

  /** What comes next lies behind an intended gap. */
  pause(): void {
    this.#afterPause = true;
  }

  get sampleRate(): number {
    return this.#sampleRate;
  }

  /** End of the last frame, samples. */
  get end(): number {
    return this.#nextPosition;
  }

  /** @returns position of an RTP time near the last frame, in samples; by arrival where nothing has been placed yet */
  positionOf(timestamp: number, clockRate: number, samplesPerTick: number, arrivalMs: number): number {
    if (this.#broken || clockRate !== this.#clockRate) return this.#byArrival(clockRate * samplesPerTick, arrivalMs);
    return Math.max(0, this.#nextPosition + ((timestamp - this.#nextTimestamp) | 0) * samplesPerTick);
  }

  /**
   * @param samples length of the frame, decoded
   * @param missing packets lost since the previous frame
   * @param into receives the result
   */
  place(format: ResolvedFormat, samples: number, timestamp: number, missing: number, arrivalMs: number, into: Placement): void {
    const ticks = samples / format.samplesPerTick;
    into.lostFrames = 0;
    into.silence = false;
    if (format.sampleRate !== this.#sampleRate) {
      if (this.#sampleRate !== 0) this.#nextPosition = Math.ceil((this.#nextPosition * format.sampleRate) / this.#sampleRate);
      this.#sampleRate = format.sampleRate;
    }
    if (format.clockRate !== this.#clockRate) {
      // RFC 7160: timestamps of two clock rates cannot be compared.
      this.#clockRate = format.clockRate;
      this.#broken = true;
    }
    const gap = (timestamp - this.#nextTimestamp) | 0;
    if (this.#broken || this.#afterPause) this.#resume(gap, samples, format, arrivalMs, into);
    else if (gap === 0) into.position = this.#nextPosition;
    else if (gap > 0) this.#forward(gap, ticks, samples, missing, format, arrivalMs, into);
    else if (-gap < ticks) into.position = this.#nextPosition;
    else this.#anchor(samples, arrivalMs, into);
    this.#broken = false;
    this.#nextPosition = into.position + samples;
    this.#nextTimestamp = (timestamp + ticks) | 0;
    this.#lastArrivalMs = arrivalMs;
    this.#watchLag(arrivalMs);
  }

  #watchLag(arrivalMs: number): void {
    if ((++this.#lagFrames & 3) !== 0) return;
    const lagMs = arrivalMs - this.#originMs - (this.#nextPosition * 1000) / this.#sampleRate;
    if (lagMs < this.#leastLagMs) this.#leastLagMs = lagMs;
    if (this.#lagFrames < stallFrames) return;
    if (this.#leastLagMs > jumpToleranceMs) this.#broken = true;
    this.#leastLagMs = Number.POSITIVE_INFINITY;
    this.#lagFrames = 0;
  }

  #forward(gap: number, ticks: number, samples: number, missing: number, format: ResolvedFormat, arrivalMs: number, into: Placement): void {
    const lost = Math.min(missing, Math.floor(gap / ticks));
    if (lost * ticks !== gap && !this.#credible(gap, format, arrivalMs)) {
      this.#anchor(samples, arrivalMs, into);
      return;
    }
    into.position = this.#nextPosition + gap * format.samplesPerTick;
    if (lost * ticks === gap) {
      into.lostFrames = lost <= maxLostFrames ? lost : 0;
      return;
    }
    // Silence suppression with losses in it: nobody knows where in the gap they were; they are marked next to the frame.
    into.lostFrames = Math.min(lost, maxLostFrames);
    into.silence = true;
  }

  /** After a pause the timestamps are believed where they agree with arrival. */
  #resume(gap: number, samples: number, format: ResolvedFormat, arrivalMs: number, into: Placement): void {
    if (!this.#broken && gap >= 0 && this.#credible(gap, format, arrivalMs)) {
      into.position = this.#nextPosition + gap * format.samplesPerTick;
    } else this.#anchor(samples, arrivalMs, into);
    into.silence = this.#afterPause || into.position > this.#nextPosition;
    this.#afterPause = false;
  }

  #credible(gap: number, format: ResolvedFormat, arrivalMs: number): boolean {
    return Math.abs((gap * 1000) / format.clockRate - (arrivalMs - this.#lastArrivalMs)) <= jumpToleranceMs;
  }

  /** Never before the end of the previous frame. A packet arrives when its last sample has been spoken. */
  #anchor(samples: number, arrivalMs: number, into: Placement): void {
    const position = this.#byArrival(this.#sampleRate, arrivalMs) - samples;
    const continues = this.#lastArrivalMs !== 0 && position - this.#nextPosition < (seamMs * this.#sampleRate) / 1000;
    into.position = continues ? this.#nextPosition : Math.max(position, this.#nextPosition);
    into.silence = into.position > this.#nextPosition;
  }

  #byArrival(sampleRate: number, arrivalMs: number): number {
    return Math.max(0, Math.round(((arrivalMs - this.#originMs) * sampleRate) / 1000));
  }
}
