/** One file of a partition: batches back to back, named by the offset of its first record. */
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { batchHeaderBytes, checkBatch, findBatch } from "./record-format.ts";

const suffix = ".log";
export const segmentName = (baseOffset: number): string => String(baseOffset).padStart(16, "0") + suffix;

/** undefined for a file that is no segment. */
export function baseOffsetOf(fileName: string): number | undefined {
  return /^\d{16}\.log$/.test(fileName) ? Number(fileName.slice(0, 16)) : undefined;
}

export class SegmentFile {
  readonly baseOffset: number;
  readonly path: string;
  /** Bytes that count; what lies beyond is torn and was cut, or is being written. */
  size = 0;
  /** Unix ms of the newest record, for retention. */
  lastAppendedMs = 0;
  /** Unix ms of the oldest record; 0 = not known (only ever asked of the segment being written). */
  firstAppendedMs = 0;
  /** Places to start reading from: offset and file position of some batches, both rising. */
  readonly index: { offset: number; position: number }[] = [];
  #handle: FileHandle | undefined;
  #users = 0;
  #closeWhenUnused = false;

  constructor(directory: string, baseOffset: number) {
    this.baseOffset = baseOffset;
    this.path = join(directory, segmentName(baseOffset));
  }

  /** Opens for reading (and writing, creating the file). Every `acquire` needs its `release`: the file stays open in between. */
  async acquire(flags: "r" | "r+" | "w+" = "r"): Promise<FileHandle> {
    this.#users++;
    try {
      if (this.#handle === undefined) {
        const handle = await open(this.path, flags, 0o640);
        // Two first users may have opened it at the same time.
        if (this.#handle === undefined) this.#handle = handle;
        else await handle.close();
      }
      return this.#handle;
    } catch (error) {
      this.#users--;
      throw error;
    }
  }

  async release(): Promise<void> {
    this.#users--;
    if (this.#users === 0) await this.#close();
  }

  /** Deletes the file. Whoever is reading it reads on: the data goes when the last reader has released it. */
  async delete(): Promise<void> {
    this.#closeWhenUnused = true;
    await unlink(this.path);
    if (this.#users === 0) await this.#close();
  }

  get deleted(): boolean {
    return this.#closeWhenUnused;
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  /** Remembers a place to start reading from, at most one per `everyBytes`. */
  note(offset: number, position: number, everyBytes = 65_536): void {
    const last = this.index.at(-1);
    if (last === undefined || (position >= last.position + everyBytes && offset > last.offset)) this.index.push({ offset, position });
  }

  /** The file position of a batch at or before `offset`. */
  positionFor(offset: number): number {
    let low = 0;
    let high = this.index.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.index[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.index[low - 1]!.position;
  }
}

export type Recovery = {
  /** End of the last whole batch. */
  readonly end: number;
  /** Offset after the last whole batch. */
  readonly nextOffset: number;
  /** Bytes after `end`: a write that a crash cut off. */
  readonly tornBytes: number;
  /** Bytes before `end` that are no valid batch: damage, not a torn write. */
  readonly damagedBytes: number;
};

/**
 * Reads a whole segment and finds where its last whole batch ends. Damage with whole batches after it is kept (a reader skips and counts it);
 * damage with nothing whole after it is a torn tail.
 */
export async function recoverSegment(segment: SegmentFile, maxBatchBytes: number): Promise<Recovery> {
  const handle = await segment.acquire("r");
  try {
    const fileBytes = (await handle.stat()).size;
    const block = Buffer.allocUnsafe(Math.max(1 << 20, maxBatchBytes + batchHeaderBytes));
    let filled = 0;
    let blockPosition = 0;
    let at = 0;
    let end = 0;
    let nextOffset = segment.baseOffset;
    let damagedBytes = 0;
    for (;;) {
      const more = await handle.read(block, filled, block.length - filled, blockPosition + filled);
      filled += more.bytesRead;
      const atEnd = blockPosition + filled >= fileBytes || more.bytesRead === 0;
      for (;;) {
        const check = checkBatch(block, at, filled, maxBatchBytes);
        if (check.state === "whole") {
          damagedBytes += blockPosition + at - end;
          segment.note(check.header.baseOffset, blockPosition + at);
          if (segment.firstAppendedMs === 0) segment.firstAppendedMs = block.readDoubleLE(at + batchHeaderBytes + 6);
          at += check.header.bytes;
          end = blockPosition + at;
          nextOffset = check.header.baseOffset + check.header.count;
        } else if (check.state === "corrupt" || atEnd) {
          // A length that reaches beyond the file's end may be damage too: look for what is whole behind it.
          const found = findBatch(block, at + 1, filled);
          if (found < 0) {
            at = atEnd ? filled : Math.max(at + 1, filled - 3);
            break;
          }
          at = found;
        } else break;
      }
      if (atEnd) return { end, nextOffset, tornBytes: fileBytes - end, damagedBytes };
      block.copy(block, 0, at, filled);
      blockPosition += at;
      filled -= at;
      at = 0;
    }
  } finally {
    await segment.release();
  }
}
