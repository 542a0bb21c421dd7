/** The recent messages of one tenant, numbered, so that a client that lost its connection gets what it missed. */

import { textFrame } from "./text-frame.ts";

export type Batch = { readonly number: number /** Framed for the wire. */; readonly frame: Buffer; readonly events: number };

export class BatchRing {
  readonly #epoch: string;
  readonly #maxBytes: number;
  #batches: Batch[] = [];
  #bytes = 0;
  #next = 1;

  /** @param epoch differs with every start: numbers of another start mean nothing */
  constructor(epoch: string, maxBytes: number) {
    this.#epoch = epoch;
    this.#maxBytes = maxBytes;
  }

  /** Where a client is that has everything. */
  get cursor(): string {
    return `${this.#epoch}.${this.#next - 1}`;
  }

  /** Numbers the message that `write` makes with its cursor, and keeps it; the oldest go when there are too many bytes. */
  add(events: number, write: (cursor: string) => string): Batch {
    const number = this.#next++;
    const batch: Batch = { number, frame: textFrame(write(this.cursor)), events };
    this.#batches.push(batch);
    this.#bytes += batch.frame.length;
    let dropped = 0;
    while (this.#bytes > this.#maxBytes && dropped < this.#batches.length - 1) this.#bytes -= this.#batches[dropped++]!.frame.length;
    if (dropped > 0) this.#batches.splice(0, dropped);
    return batch;
  }

  /** @returns undefined where the cursor is of another start, unreadable, or too old */
  since(cursor: string): Batch[] | undefined {
    const match = /^([A-Za-z0-9_-]{1,64})\.(\d{1,15})$/.exec(cursor);
    if (match === null || match[1] !== this.#epoch) return undefined;
    const seen = Number(match[2]);
    const newest = this.#next - 1;
    if (seen > newest) return undefined;
    if (seen === newest) return [];
    const first = this.#batches[0]?.number;
    if (first === undefined || seen + 1 < first) return undefined;
    return this.#batches.slice(seen + 1 - first);
  }
}
