/**
 * The audio of one leg on disk while its call runs: raw 16-bit little-endian at the leg's store rate, each sample at its own place from the
 * start of the call. So pauses and late legs are silence by themselves (holes in the file), and audio written twice is the same audio.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
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
  #failed = false;
  /** Samples from the start of the call to the end of the audio. */
  length = 0;
  /** Samples that really came. */
  heard = 0;
  bytesTaken = 0;
  /** Audio left out because a limit was reached, samples. */
  omitted = 0;
  /** Everything before this sample is in the file. */
  writtenTo = 0;

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
    this.writtenTo = length;
  }

  /** Copies `length` samples that belong at `position`. Never blocks. */
  write(pcm: Int16Array, length: number, position: number): void {
    if (this.#failed || position + length > this.#options.maxSamples) {
      this.omitted += length;
      return;
    }
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
    this.heard += length;
    if (position + length > this.length) this.length = position + length;
  }

  /** Resolves when all that was written so far is in the file. */
  async flush(): Promise<void> {
    this.#flushBlock();
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
    this.#failed = true;
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
    if (this.#failed) return;
    try {
      const file = this.#file ?? (await open(this.path, constants.O_RDWR | constants.O_CREAT, 0o600));
      this.#file = file;
      await file.write(new Uint8Array(block.buffer, 0, samples * 2), 0, samples * 2, start * 2);
      this.writtenTo = start + samples;
      this.#spare = block;
    } catch (error) {
      this.#failed = true;
      this.omitted += samples;
      this.#options.onFailure(error);
    }
  }
}
