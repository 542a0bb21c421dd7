/** Where in the log a leg's audio lies, one mark per second: from which record on its audio must be heard again after a hand-over. */

const mostMarks = 256;

/** @param noiseFloorDb of the leg's energy gate before the chunk */
export type ReplayMark = { readonly positionMs: number; readonly offset: number; readonly noiseFloorDb: number };

export class ReplayMarks {
  #marks: ReplayMark[] = [];
  #nextMs = Number.NEGATIVE_INFINITY;

  /** @param positionMs start of the chunk, from the start of the call */
  mark(positionMs: number, offset: number, noiseFloorDb: number): void {
    if (positionMs < this.#nextMs) return;
    this.#nextMs = positionMs + 1000;
    // Every other one: coarser, never wrong, because an earlier mark only reads more.
    if (this.#marks.length === mostMarks) this.#marks = this.#marks.filter((_, i) => i % 2 === 0);
    this.#marks.push({ positionMs, offset, noiseFloorDb });
  }

  /** @returns the newest mark that lies before `ms`, or else the first; marks before it are forgotten */
  before(ms: number): ReplayMark | undefined {
    let keep = 0;
    while (keep + 1 < this.#marks.length && this.#marks[keep + 1]!.positionMs <= ms) keep++;
    this.#marks.splice(0, keep);
    return this.#marks[0];
  }
}
