/** The call's audio for people who listen in: both sides joined, 100 ms at a time, while a lease runs. */

export const listenChunkMs = 100;
/** A side that is this much behind the other is heard as silence. */
const patienceMs = 300;
const heldMs = 2000;

type Side = { ring: Int16Array; head: number; started: boolean };

export class ListenTap {
  readonly sampleRate: number;
  readonly #emit: (positionMs: number, sampleRate: number, pcm: Uint8Array) => void;
  readonly #sides: [Side, Side];
  readonly #capacity: number;
  readonly #chunk: number;
  #next = -1;

  constructor(sampleRate: 8000 | 16000, emit: (positionMs: number, sampleRate: number, pcm: Uint8Array) => void) {
    this.sampleRate = sampleRate;
    this.#emit = emit;
    this.#capacity = (sampleRate * heldMs) / 1000;
    this.#chunk = (sampleRate * listenChunkMs) / 1000;
    const side = (): Side => ({ ring: new Int16Array(this.#capacity), head: 0, started: false });
    this.#sides = [side(), side()];
  }

  /**
   * Adds audio of one side (0 = agent, 1 = caller, 2 = both). Rates of 8 and 16 kHz are brought together by doubling or dropping samples.
   * @param position first sample at `rate`, from the start of the call
   */
  write(side: 0 | 1 | 2, pcm: Int16Array, length: number, position: number, rate: number): void {
    if (side === 2) {
      this.write(0, pcm, length, position, rate);
      this.write(1, pcm, length, position, rate);
      return;
    }
    const target = this.#sides[side];
    const factor = this.sampleRate / rate;
    const start = Math.round(position * factor);
    const count = Math.floor(length * factor);
    if (this.#next < 0) this.#next = Math.floor(start / this.#chunk) * this.#chunk;
    // A jump (pause, restart): what lies far behind is not heard any more.
    if (start - this.#next > this.#capacity - this.#chunk) this.#skipTo(Math.floor(start / this.#chunk) * this.#chunk);
    target.started = true;
    for (let i = 0; i < count; i++) {
      const at = start + i;
      if (at >= this.#next) {
        const slot = at % this.#capacity;
        const value = pcm[Math.min(length - 1, Math.floor(i / factor))]!;
        const sum = at < target.head ? target.ring[slot]! + value : value;
        target.ring[slot] = sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum;
      }
    }
    if (start + count > target.head) target.head = start + count;
    this.#drain();
  }

  #skipTo(position: number): void {
    for (const side of this.#sides) side.ring.fill(0);
    this.#next = position;
  }

  #drain(): void {
    const [left, right] = this.#sides;
    const patience = (this.sampleRate * patienceMs) / 1000;
    for (;;) {
      const end = this.#next + this.#chunk;
      const newest = Math.max(left.head, right.head);
      const both = left.head >= end && right.head >= end;
      if (!both && newest < end + patience) return;
      const pcm = new Int16Array(this.#chunk * 2);
      for (let i = 0, at = this.#next; i < this.#chunk; i++, at++) {
        const slot = at % this.#capacity;
        if (at < left.head) pcm[2 * i] = left.ring[slot]!;
        if (at < right.head) pcm[2 * i + 1] = right.ring[slot]!;
        left.ring[slot] = 0;
        right.ring[slot] = 0;
      }
      this.#emit(Math.round((this.#next * 1000) / this.sampleRate), this.sampleRate, new Uint8Array(pcm.buffer));
      this.#next = end;
    }
  }
}
