/** Where in the log a leg's audio lies, one mark per second: from which record on a restart must read again. */

const mostMarks = 256;

export class ReplayMarks {
  readonly #positions: number[] = [];
  readonly #offsets: number[] = [];
  partition = -1;

  /** @param positionMs start of the chunk, from the start of the call */
  mark(positionMs: number, partition: number, offset: number): void {
    this.partition = partition;
    const last = this.#positions.length - 1;
    if (last >= 0 && positionMs < this.#positions[last]! + 1000) return;
    if (last + 1 === mostMarks) {
      // Every other one: coarser, never wrong, because an earlier mark only reads more.
      for (let i = 1; i < this.#positions.length; i++) {
        this.#positions.splice(i, 1);
        this.#offsets.splice(i, 1);
      }
    }
    this.#positions.push(positionMs);
    this.#offsets.push(offset);
  }

  /** @returns offset of the newest mark that lies before `ms`; marks before it are forgotten. 0 where there is none */
  before(ms: number): number {
    let keep = 0;
    while (keep + 1 < this.#positions.length && this.#positions[keep + 1]! <= ms) keep++;
    this.#positions.splice(0, keep);
    this.#offsets.splice(0, keep);
    return this.#offsets[0] ?? 0;
  }
}
