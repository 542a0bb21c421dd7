/**
 * What was written lately and stays in memory for readers at the head: one budget for all partitions together, oldest first. A budget for each
 * would be filled by the quiet ones too in the end, with records that everybody has long read.
 */

/** Gives its oldest full chunk back. @returns the bytes of it; 0 where it is not all in the file yet */
export type TailHolder = { dropOldestChunk(): number };

export class Tail {
  readonly #maxBytes: number;
  /** Whose chunk was filled when; each holder's chunks go in the same order. */
  #filled: TailHolder[] = [];
  /** Where the queue begins: shifting an array of thousands at every chunk would copy it. */
  #first = 0;
  #bytes = 0;

  /** @param maxBytes the chunk that a partition is filling counts, and stays whatever the sum */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** In memory now, over all partitions. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `holder` has a chunk more. @param filled the one before it is full, and may go when its turn comes */
  grew(holder: TailHolder, bytes: number, filled: boolean): void {
    this.#bytes += bytes;
    if (filled) this.#filled.push(holder);
  }

  /** Gives memory back while there is too much; what is not in the file yet stays, and what came after it. */
  trim(): void {
    while (this.#bytes > this.#maxBytes && this.#first < this.#filled.length) {
      const freed = this.#filled[this.#first]!.dropOldestChunk();
      if (freed === 0) break;
      this.#first++;
      this.#bytes -= freed;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#filled.length) {
      this.#filled = this.#filled.slice(this.#first);
      this.#first = 0;
    }
  }
}
