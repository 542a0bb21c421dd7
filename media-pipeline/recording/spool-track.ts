/**
 * The audio of one leg on disk while its call runs: raw 16-bit little-endian at the leg's store rate, each sample at its own place from the
 * start of the call. So pauses and late legs are silence by themselves (holes in the file), and audio written twice is the same audio.
 * What the disk refused is remembered as missing: it is filled from the event log once the disk takes audio again.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Extents } from "./extents.ts";
import type { SpoolBudget } from "./spool-budget.ts";

/** One second at 8 kHz. Written when full, so a second of audio is one write. */
const blockSamples = 8192;

export type TrackOptions = { readonly budget: SpoolBudget; readonly maxSamples: number; onFailure(error: unknown): void };

export class SpoolTrack {
  readonly leg: number;
  readonly sampleRate: number;
  readonly path: string;
  readonly #options: TrackOptions;
  #file: FileHandle | undefined;
  #block: Int16Array<ArrayBuffer> = new Int16Array(blockSamples);
  #spare: Int16Array<ArrayBuffer> | undefined;
  #fill = 0;
  #blockStart = 0;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;
  /** Audio before this sample is kept safe already, by this worker or the one before. */
  #from = 0;
  /** End of what is in the file, missing stretches apart. */
  #writtenTo = 0;
  /** Samples from the start of the call to the end of the audio. */
  length = 0;
  /** Samples that really came. */
  heard = 0;
  bytesTaken = 0;
  /** Audio left out because a limit was reached, samples. */
  omitted = 0;
  /** The disk refused the newest block. */
  failing = false;
  /** What the disk refused. */
  readonly missing = new Extents();
  /** What is in the file and in no part yet. */
  readonly fresh = new Extents();

  constructor(leg: number, sampleRate: number, path: string, options: TrackOptions) {
    this.leg = leg;
    this.sampleRate = sampleRate;
    this.path = path;
    this.#options = options;
  }

  /** Continues a file found after a restart. */
  resume(length: number): void {
    this.length = length;
    this.heard = length;
    this.#writtenTo = length;
  }

  /** Continues a leg whose audio before `sample` is kept: it is not written again, because a decoder that has just begun would make it worse. */
  keepBefore(sample: number): void {
    this.#from = sample;
    this.#writtenTo = sample;
    this.length = Math.max(this.length, sample);
  }

  /** Everything before this sample is in the file. */
  get writtenTo(): number {
    return this.missing.first ?? this.#writtenTo;
  }

  /** Copies `length` samples that belong at `position`. Never blocks. */
  write(pcm: Int16Array, length: number, position: number): void {
    if (position < this.#from) {
      const known = Math.min(length, this.#from - position);
      if (known < length) this.write(pcm.subarray(known), length - known, position + known);
      return;
    }
    if (this.#closed || position + length > this.#options.maxSamples) {
      this.omitted += length;
      return;
    }
    this.#put(pcm, length, position);
    this.heard += length;
    if (position + length > this.length) this.length = position + length;
  }

  /** Takes audio heard again: only what is missing is written. */
  refill(pcm: Int16Array, length: number, position: number): void {
    if (this.#closed || this.missing.isEmpty) return;
    this.missing.within(position, position + length, (from, to) => this.#put(pcm.subarray(from - position), to - from, from));
  }

  /** Audio of a part, from another worker. */
  restore(pcm: Int16Array, position: number): void {
    if (this.#closed) return;
    this.#put(pcm, pcm.length, position);
    this.heard += pcm.length;
    this.length = Math.max(this.length, position + pcm.length);
  }

  /** Resolves when all that was written so far is in the file, or missing. */
  async flush(): Promise<void> {
    this.#flushBlock();
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    this.#closed = true;
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
  }

  /** Copies [from, to) out of the file. */
  async read(from: number, to: number, target: Uint8Array): Promise<void> {
    for (let done = 0, bytes = (to - from) * 2; done < bytes; ) {
      const { bytesRead } = await this.#file!.read(target, done, bytes - done, from * 2 + done);
      if (bytesRead === 0) throw new Error("the spool's file is shorter than what was written to it");
      done += bytesRead;
    }
  }

  #put(pcm: Int16Array, length: number, position: number): void {
    if (position !== this.#blockStart + this.#fill) {
      this.#flushBlock();
      this.#blockStart = position;
    }
    for (let from = 0; from < length; ) {
      const count = Math.min(length - from, blockSamples - this.#fill);
      const block = this.#block;
      let at = this.#fill;
      for (let i = from, end = from + count; i < end; i++) block[at++] = pcm[i]!;
      this.#fill = at;
      from += count;
      if (at === blockSamples) this.#flushBlock();
    }
  }

  #flushBlock(): void {
    const samples = this.#fill;
    if (samples === 0) return;
    const start = this.#blockStart;
    this.#fill = 0;
    this.#blockStart = start + samples;
    if (!this.#options.budget.take(samples * 2)) {
      this.omitted += samples;
      this.heard -= samples;
      return;
    }
    this.bytesTaken += samples * 2;
    const block = this.#block;
    this.#block = this.#spare ?? new Int16Array(blockSamples);
    this.#spare = undefined;
    this.#writing = this.#writing.then(() => this.#writeOut(block, samples, start));
  }

  async #writeOut(block: Int16Array<ArrayBuffer>, samples: number, start: number): Promise<void> {
    try {
      this.#file ??= await open(this.path, constants.O_RDWR | constants.O_CREAT, 0o600);
      const { bytesWritten } = await this.#file.write(new Uint8Array(block.buffer, 0, samples * 2), 0, samples * 2, start * 2);
      if (bytesWritten < samples * 2) throw Object.assign(new Error("the disk took only a part"), { code: "ENOSPC" });
      this.#writtenTo = Math.max(this.#writtenTo, start + samples);
      if (!this.missing.isEmpty) this.missing.remove(start, start + samples);
      this.fresh.add(start, start + samples);
      this.failing = false;
    } catch (error) {
      this.failing = true;
      this.missing.add(start, start + samples);
      this.#options.budget.giveBack(samples * 2);
      this.bytesTaken -= samples * 2;
      this.#options.onFailure(error);
    }
    this.#spare = block;
  }
}
