/** One partition: what is being written, what was written lately (in memory), and its segment files. */
import { mkdir, readdir, truncate } from "node:fs/promises";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Log } from "../log/log.ts";
import type { Chunk, ChunkPool } from "./chunk.ts";
import { batchHeaderBytes, recordHeaderBytes } from "./record-format.ts";
import { baseOffsetOf, recoverSegment, SegmentFile } from "./segment-file.ts";
import type { Tail } from "./tail.ts";

export type PartitionLimits = {
  readonly segmentBytes: number;
  readonly maxBatchBytes: number;
};

/** What the partitions of one log share. */
export type WriteContext = {
  readonly log: Log;
  readonly pool: ChunkPool;
  readonly tail: Tail;
  /** Appended and not yet in a file, over all partitions. */
  bufferedBytes: number;
  now(): number;
  /** Runs an fdatasync when one of the few places is free, so that syncing never takes all of libuv's threads. */
  inSyncGate<T>(work: () => Promise<T>): Promise<T>;
  wrote(topic: string, records: number, bytes: number): void;
  writeFailed(topic: string): void;
};

type SyncWaiter = { offset: number; resolve: () => void; reject: (error: unknown) => void };

export class Partition {
  readonly topic: string;
  readonly index: number;
  readonly directory: string;
  readonly segments: SegmentFile[] = [];
  /** Offset the next record gets. */
  next = 0;
  /** Records below it are in the file (page cache) and readable. */
  written = 0;
  /** Records below it are on disk. */
  durable = 0;
  /** Called after each write that made records readable. */
  readonly onWritten = new Set<() => void>();
  /** Size after the last compaction. */
  bytesAfterCompaction = 0;
  /** Takes the keys of what is appended, while it is compacted. */
  appendedKeys: Set<string> | undefined;
  limits: PartitionLimits;
  readonly #context: WriteContext;
  #active: SegmentFile | undefined;
  /** Oldest first; the last one is being filled. */
  #tail: Chunk[] = [];
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #unsynced = new Set<SegmentFile>();
  #waiters: SyncWaiter[] = [];
  #failing: EarshotError | undefined;

  constructor(topic: string, index: number, directory: string, limits: PartitionLimits, context: WriteContext) {
    this.topic = topic;
    this.index = index;
    this.directory = directory;
    this.limits = limits;
    this.#context = context;
  }

  /** First offset that is still kept. */
  get first(): number {
    return this.segments[0]?.baseOffset ?? this.written;
  }

  get bytes(): number {
    let sum = 0;
    for (const segment of this.segments) sum += segment.size;
    return sum;
  }

  /** The last write's failure, until one succeeds. */
  get failing(): EarshotError | undefined {
    return this.#failing;
  }

  /** Finds the segments, cuts a torn tail off the last one, and opens it for writing. */
  async open(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const bases = (await readdir(this.directory)).map(baseOffsetOf).filter((base) => base !== undefined);
    bases.sort((a, b) => a - b);
    for (const base of bases) this.segments.push(new SegmentFile(this.directory, base));
    const last = this.segments.at(-1);
    for (const segment of this.segments) {
      const handle = await segment.acquire("r");
      const stat = await handle.stat();
      segment.size = stat.size;
      segment.lastAppendedMs = stat.mtimeMs;
      await segment.release();
    }
    if (last === undefined) return;
    const found = await recoverSegment(last, this.limits.maxBatchBytes);
    const where = { topic: this.topic, partition: this.index, segment: last.baseOffset };
    if (found.tornBytes > 0) {
      this.#context.log.warn({ ...where, bytes: found.tornBytes }, "event log: cut off a torn tail, left by a crash in mid-write");
      await truncate(last.path, found.end);
    }
    if (found.damagedBytes > 0)
      this.#context.log.error({ ...where, bytes: found.damagedBytes }, "event log: damaged records in the last segment are skipped");
    last.size = found.end;
    this.next = found.nextOffset;
    this.written = this.next;
    this.durable = this.next;
    await last.acquire("r+");
    this.#active = last;
  }

  /** Copies a record into the write buffer. @returns its offset */
  append(key: string, value: Uint8Array, nowMs: number): number {
    let chunk = this.#tail[this.#tail.length - 1];
    if (chunk === undefined || !chunk.hasRoom(key.length, value.length)) {
      chunk?.seal();
      const filled = chunk !== undefined;
      chunk = this.#context.pool.take(this.next, batchHeaderBytes + recordHeaderBytes + key.length * 3 + value.length);
      this.#tail.push(chunk);
      this.#context.tail.grew(this, chunk.bytes.length, filled);
    }
    const offset = this.next++;
    this.appendedKeys?.add(key);
    this.#context.bufferedBytes += chunk.add(offset, key, value, nowMs);
    return offset;
  }

  get dirty(): boolean {
    return this.written < this.next;
  }

  /** Writes what is buffered, with one write per chunk. Calls while one is under way share the one after it. Failures are kept in `failing`. */
  async write(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (!this.dirty) return;
    this.#writing = this.#writeAll();
    try {
      await this.#writing;
    } finally {
      this.#writing = undefined;
    }
  }

  async #writeAll(): Promise<void> {
    this.#tail[this.#tail.length - 1]!.seal();
    const end = this.next;
    // Fixed before the first write: while it is under way, appends may fill and seal the last chunk further.
    const regions = this.#tail
      .filter((chunk) => chunk.sealed > chunk.written)
      .map((chunk, i, chunks) => ({ chunk, to: chunk.sealed, after: chunks[i + 1]?.baseOffset ?? end }));
    const context = this.#context;
    try {
      for (const { chunk, to, after } of regions) {
        const from = chunk.written;
        const length = to - from;
        const segment = await this.#segmentFor(length);
        const handle = await segment.acquire();
        try {
          let done = 0;
          while (done < length) done += (await handle.write(chunk.bytes, from + done, length - done, segment.size + done)).bytesWritten;
        } finally {
          await segment.release();
        }
        const now = context.now();
        segment.note(this.written, segment.size);
        segment.size += length;
        segment.lastAppendedMs = now;
        if (segment.firstAppendedMs === 0) segment.firstAppendedMs = now;
        this.#unsynced.add(segment);
        chunk.written = to;
        context.bufferedBytes -= length;
        context.wrote(this.topic, after - this.written, length);
        this.written = after;
      }
      this.#failing = undefined;
    } catch (cause) {
      context.writeFailed(this.topic);
      const code = (cause as NodeJS.ErrnoException).code ?? "";
      if (this.#failing === undefined)
        context.log.error(
          { topic: this.topic, partition: this.index, errno: code },
          "event log: cannot write; what is buffered is kept and tried again",
        );
      this.#failing = new EarshotError("unavailable", "event_log_write_failed", "The event log cannot write to its disk.", {
        remedy: code === "ENOSPC" ? "Free space on the disk that holds EARSHOT_DATA_DIR." : "Check the disk that holds EARSHOT_DATA_DIR.",
        details: { errno: code },
        cause,
      });
      this.#rejectWaiters(this.#failing);
    }
    this.#context.tail.trim();
    for (const wake of this.onWritten) wake();
  }

  /** The segment that takes `length` more bytes: the one being written, or a new one where that is full. */
  async #segmentFor(length: number): Promise<SegmentFile> {
    const active = this.#active;
    if (active !== undefined && (active.size === 0 || active.size + length <= this.limits.segmentBytes)) return active;
    return this.roll();
  }

  /** Begins a new segment at the next offset to be written. */
  async roll(): Promise<SegmentFile> {
    const segment = new SegmentFile(this.directory, this.written);
    await segment.acquire("w+");
    const old = this.#active;
    this.#active = segment;
    this.segments.push(segment);
    if (old !== undefined) {
      // Stays open for as long as it is unsynced; see #syncAll.
      if (!this.#unsynced.has(old)) await old.release();
    }
    return segment;
  }

  /** Begins a new segment where the present one has records older than `ageMs`, so that retention by time reaches quiet topics. */
  async rollOlderThan(ageMs: number): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    const active = this.#active;
    if (active === undefined || active.size === 0 || active.firstAppendedMs === 0) return;
    if (this.#context.now() - active.firstAppendedMs < ageMs) return;
    this.#writing = this.roll().then(() => undefined);
    try {
      await this.#writing;
    } finally {
      this.#writing = undefined;
    }
  }

  /** Resolves when everything appended so far, up to and including `offset`, is on disk. */
  async durably(offset: number): Promise<void> {
    if (offset < this.durable) return;
    const done = new Promise<void>((resolve, reject) => this.#waiters.push({ offset, resolve, reject }));
    // It may be rejected while the write below is still awaited.
    done.catch(() => {});
    if (offset >= this.written) await this.write();
    if (offset < this.written) void this.sync();
    await done;
  }

  /** fdatasync of what is written. Calls while one is under way share the one after it. */
  async sync(): Promise<void> {
    if (this.#syncing !== undefined) {
      await this.#syncing;
      // Another waiter may have begun the next one in the meantime, which then covers this call too.
      if (this.#syncing !== undefined) return this.#syncing;
    }
    if (this.#unsynced.size === 0) return;
    this.#syncing = this.#context.inSyncGate(() => this.#syncAll());
    try {
      await this.#syncing;
    } finally {
      this.#syncing = undefined;
    }
  }

  async #syncAll(): Promise<void> {
    const target = this.written;
    const segments = [...this.#unsynced];
    try {
      for (const segment of segments) {
        const handle = await segment.acquire();
        try {
          await handle.datasync();
        } finally {
          await segment.release();
        }
      }
    } catch (cause) {
      // After a failed fsync the kernel may have dropped the pages: go on in a new file, and tell whoever waits.
      const error = new EarshotError("unavailable", "event_log_sync_failed", "The event log cannot sync its disk.", {
        remedy: "Check the disk that holds EARSHOT_DATA_DIR.",
        cause,
      });
      this.#context.log.error({ topic: this.topic, partition: this.index }, "event log: fdatasync failed");
      this.#rejectWaiters(error);
      return;
    }
    for (const segment of segments) {
      // Written to in the meantime? Then the next sync has it.
      if (this.endOf(segment) > target) continue;
      this.#unsynced.delete(segment);
      if (segment !== this.#active) await segment.release();
    }
    this.durable = target;
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) {
      if (waiter.offset < target) waiter.resolve();
      else this.#waiters.push(waiter);
    }
    if (this.#waiters.some((waiter) => waiter.offset < this.written)) setImmediate(() => void this.sync());
  }

  #rejectWaiters(error: EarshotError): void {
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) waiter.reject(error);
  }

  /** Gives the memory of the oldest full chunk back. @returns its bytes; 0 where it is not all in the file yet */
  dropOldestChunk(): number {
    const oldest = this.#tail[0]!;
    if (oldest.written < oldest.length) return 0;
    this.#tail.shift();
    this.#context.pool.release(oldest);
    return oldest.bytes.length;
  }

  /** The chunk in memory that holds `offset`, if any does. */
  chunkFor(offset: number): Chunk | undefined {
    for (let i = this.#tail.length - 1; i >= 0; i--) {
      const chunk = this.#tail[i]!;
      if (chunk.baseOffset <= offset) return chunk;
    }
    return undefined;
  }

  /** The segment file that holds `offset`, or the first one after it. */
  segmentFor(offset: number): SegmentFile | undefined {
    for (let i = this.segments.length - 1; i >= 0; i--) {
      const segment = this.segments[i]!;
      if (segment.baseOffset <= offset) return segment;
    }
    return this.segments[0];
  }

  /** Offset after the last record of a segment. */
  endOf(segment: SegmentFile): number {
    const at = this.segments.indexOf(segment);
    return at < 0 ? segment.baseOffset : (this.segments[at + 1]?.baseOffset ?? this.written);
  }

  /** Deletes the oldest segment; never the one being written. @returns the bytes freed */
  async deleteOldest(): Promise<number> {
    const oldest = this.segments[0];
    if (oldest === undefined || oldest === this.#active) return 0;
    this.segments.shift();
    await oldest.delete();
    return oldest.size;
  }

  /** The segments that are not being written any more, oldest first. */
  sealedSegments(): SegmentFile[] {
    return this.segments.filter((segment) => segment !== this.#active);
  }

  /** The oldest segment that retention may take. */
  get oldestSealed(): SegmentFile | undefined {
    const oldest = this.segments[0];
    return oldest === this.#active ? undefined : oldest;
  }

  async close(): Promise<void> {
    await this.write();
    await this.sync();
    this.#rejectWaiters(new EarshotError("unavailable", "event_log_stopped", "The event log was stopped."));
    await this.#active?.release();
    this.#active = undefined;
  }
}
