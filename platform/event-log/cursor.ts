/** A place in a partition from which records are taken in order: out of memory at the head of the log, out of the files behind it. */
import type { Chunk } from "./chunk.ts";
import type { Partition } from "./partition.ts";
import type { LogRecord } from "./port.ts";
import { batchHeaderBytes, checkBatch, findBatch, recordHeaderBytes } from "./record-format.ts";
import type { SegmentFile } from "./segment-file.ts";

const blockBytes = 256 * 1024;
const none: readonly LogRecord[] = [];

export type Loss = { readonly records: number; readonly reason: "retention" | "damage" };

export class Cursor {
  /** The next record to be taken. */
  offset: number;
  readonly #partition: Partition;
  /** Told when records will never come: deleted before they were read, or damaged on disk. */
  readonly #lost: (loss: Loss) => void;

  // The window: whole batches in `#bytes` from `#at` to `#end`.
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #batchEnd = 0;
  #recordOffset = 0;

  // Where the window came from: a chunk in memory (of a generation), or a block of a segment file.
  #chunk: Chunk | undefined;
  #generation = 0;
  #pinned: Chunk | undefined;
  #segment: SegmentFile | undefined;
  #block: Buffer | undefined;
  #blockPosition = 0;

  constructor(partition: Partition, offset: number, lost: (loss: Loss) => void) {
    this.#partition = partition;
    this.offset = offset;
    this.#lost = lost;
  }

  /** Goes somewhere else. */
  seek(offset: number): void {
    this.offset = offset;
    this.#chunk = undefined;
    this.#segment = undefined;
    this.#at = 0;
    this.#end = 0;
    this.#batchEnd = 0;
  }

  /** Records that can be read and have not been taken. */
  get behind(): number {
    return Math.max(0, this.#partition.written - this.offset);
  }

  /**
   * Up to `maxRecords` records, at once where they are in memory. Their values are valid until `release` is called.
   * Empty: there is nothing to read yet.
   */
  fetch(maxRecords: number): readonly LogRecord[] | Promise<readonly LogRecord[]> {
    const partition = this.#partition;
    if (this.offset >= partition.written) return none;
    const chunk = partition.chunkFor(this.offset);
    if (chunk === undefined) return this.#fromFile(maxRecords);
    if (this.#chunk !== chunk || this.#generation !== chunk.generation) {
      this.#chunk = chunk;
      this.#generation = chunk.generation;
      this.#segment = undefined;
      this.#block = undefined;
      this.#bytes = chunk.bytes;
      this.#at = 0;
      this.#batchEnd = 0;
    }
    this.#end = chunk.written;
    const out = this.#walk(maxRecords);
    if (out.length > 0) {
      chunk.pins++;
      this.#pinned = chunk;
    }
    return out;
  }

  /** The records of the last `fetch` are no longer looked at. */
  release(): void {
    if (this.#pinned !== undefined) this.#pinned.pins--;
    this.#pinned = undefined;
  }

  #walk(maxRecords: number): LogRecord[] {
    const bytes = this.#bytes;
    const out: LogRecord[] = [];
    const { topic, index } = this.#partition;
    while (out.length < maxRecords && this.#at < this.#end) {
      if (this.#at >= this.#batchEnd) {
        const start = this.#at;
        const base = bytes.readDoubleLE(start + 12);
        this.#batchEnd = start + bytes.readUInt32LE(start + 4);
        this.#recordOffset = base;
        if (base + bytes.readUInt32LE(start + 20) <= this.offset) {
          this.#at = this.#batchEnd;
          continue;
        }
        this.#at = start + batchHeaderBytes;
        if (base > this.offset) {
          this.#lost({ records: base - this.offset, reason: "damage" });
          this.offset = base;
        }
      }
      const start = this.#at;
      const valueBytes = bytes.readUInt32LE(start);
      const keyEnd = start + recordHeaderBytes + bytes.readUInt16LE(start + 4);
      const offset = this.#recordOffset++;
      this.#at = keyEnd + valueBytes;
      if (offset < this.offset) continue;
      out.push({
        topic,
        partition: index,
        offset,
        key: bytes.toString("utf8", start + recordHeaderBytes, keyEnd),
        value: new Uint8Array(bytes.buffer, bytes.byteOffset + keyEnd, valueBytes),
        appendedAtMs: bytes.readDoubleLE(start + 6),
      });
      this.offset = offset + 1;
    }
    return out;
  }

  async #fromFile(maxRecords: number): Promise<readonly LogRecord[]> {
    const partition = this.#partition;
    if (this.offset < partition.first) {
      this.#lost({ records: partition.first - this.offset, reason: "retention" });
      this.seek(partition.first);
    }
    const segment = partition.segmentFor(this.offset);
    if (segment === undefined) return none;
    if (this.#segment === segment && this.#at < this.#end) return this.#walk(maxRecords);
    const from = this.#segment === segment ? this.#blockPosition + this.#at : segment.positionFor(this.offset);
    const end = partition.endOf(segment);
    try {
      await segment.acquire();
    } catch (error) {
      // Retention took the file between the look-up and the opening: the next call finds the new first offset.
      if (segment.deleted) return none;
      throw error;
    }
    try {
      if (!(await this.#readBlock(segment, from))) {
        // Nothing whole is left in this segment: damaged to its end.
        if (end > this.offset) this.#lost({ records: end - this.offset, reason: "damage" });
        this.seek(Math.max(end, this.offset));
        return none;
      }
    } finally {
      await segment.release();
    }
    return this.#walk(maxRecords);
  }

  /** Fills the window with whole batches at or after `position`. @returns false where there are none up to the segment's end */
  async #readBlock(segment: SegmentFile, position: number): Promise<boolean> {
    const { maxBatchBytes } = this.#partition.limits;
    const handle = await segment.acquire();
    try {
      let wanted = blockBytes;
      for (;;) {
        const length = Math.min(wanted, segment.size - position);
        if (length < batchHeaderBytes) return false;
        if (this.#block === undefined || this.#block.length < length) this.#block = Buffer.allocUnsafeSlow(Math.max(length, blockBytes));
        const block = this.#block;
        const filled = (await handle.read(block, 0, length, position)).bytesRead;
        const last = position + filled >= segment.size || filled < length;
        let end = 0;
        let check = checkBatch(block, 0, filled, maxBatchBytes);
        while (check.state === "whole") {
          if (end === 0 || end > 65_536) segment.note(check.header.baseOffset, position + end);
          end += check.header.bytes;
          check = checkBatch(block, end, filled, maxBatchBytes);
        }
        if (end > 0) {
          this.#chunk = undefined;
          this.#segment = segment;
          this.#bytes = block;
          this.#blockPosition = position;
          this.#at = 0;
          this.#end = end;
          this.#batchEnd = 0;
          return true;
        }
        if (check.state === "incomplete" && !last) {
          wanted = Math.max(check.needs, wanted * 2);
          continue;
        }
        // Damage: go on at the next thing that looks like a batch.
        const found = findBatch(block, 1, filled);
        if (found < 0 && last) return false;
        position += found < 0 ? filled - 3 : found;
        wanted = blockBytes;
      }
    } finally {
      await segment.release();
    }
  }
}
