/**
 * The write buffer: chunks of memory that are filled with batches, written to the file as they stand, and then kept for a while so that
 * readers at the head of the log never touch the disk.
 */
import { batchHeaderBytes, recordHeaderBytes, sealBatch } from "./record-format.ts";

export class Chunk {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Goes up whenever the memory changes hands; a reader's place in it is valid only for the generation it was taken in. */
  generation = 0;
  /** Offset of the first record in it. */
  baseOffset = 0;
  /** Bytes filled. */
  length = 0;
  /** Bytes on their way to the file or there already; whole batches. */
  sealed = 0;
  /** Bytes in the file, and therefore readable. */
  written = 0;
  /** Handlers that hold records of it. */
  pins = 0;
  #batchStart = -1;
  #batchBase = 0;
  #batchCount = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size);
  }

  reset(baseOffset: number): void {
    this.generation++;
    this.baseOffset = baseOffset;
    this.length = 0;
    this.sealed = 0;
    this.written = 0;
    this.#batchStart = -1;
  }

  /** Does a record of this size fit (with the batch header it may need)? */
  hasRoom(keyLength: number, valueLength: number): boolean {
    // A UTF-16 unit takes three bytes of UTF-8 at most.
    return this.length + batchHeaderBytes + recordHeaderBytes + keyLength * 3 + valueLength <= this.bytes.length;
  }

  /** Copies a record in. The caller has asked `hasRoom`. @returns bytes taken */
  add(offset: number, key: string, value: Uint8Array, nowMs: number): number {
    const before = this.length;
    if (this.#batchStart < 0) {
      this.#batchStart = this.length;
      this.#batchBase = offset;
      this.#batchCount = 0;
      this.length += batchHeaderBytes;
    }
    const { bytes, view } = this;
    const start = this.length;
    let at = start + recordHeaderBytes;
    const keyStart = at;
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      if (unit > 127) {
        at = keyStart + bytes.write(key, keyStart, "utf8");
        break;
      }
      bytes[at++] = unit;
    }
    view.setUint32(start, value.length, true);
    view.setUint16(start + 4, at - keyStart, true);
    view.setFloat64(start + 6, nowMs, true);
    bytes.set(value, at);
    this.length = at + value.length;
    this.#batchCount++;
    return this.length - before;
  }

  /** Closes the batch under way, so that all of the chunk may be written. */
  seal(): void {
    if (this.#batchStart >= 0) {
      sealBatch(this.bytes, this.view, this.#batchStart, this.length, this.#batchBase, this.#batchCount);
      this.#batchStart = -1;
    }
    this.sealed = this.length;
  }
}

/** Chunks used again; a chunk that somebody still reads is left to the garbage collector instead. */
export class ChunkPool {
  readonly #size: number;
  readonly #keep: number;
  #free: Chunk[] = [];

  constructor(size: number, keep: number) {
    this.#size = size;
    this.#keep = keep;
  }

  /** @param minBytes one record with its headers; a larger record than a chunk gets a chunk of its own */
  take(baseOffset: number, minBytes: number): Chunk {
    const chunk = minBytes > this.#size ? new Chunk(minBytes) : (this.#free.pop() ?? new Chunk(this.#size));
    chunk.reset(baseOffset);
    return chunk;
  }

  release(chunk: Chunk): void {
    chunk.generation++;
    if (chunk.pins === 0 && chunk.bytes.length === this.#size && this.#free.length < this.#keep) this.#free.push(chunk);
  }
}
