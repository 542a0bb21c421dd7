/** The first half of a leg: a chunk becomes decoded audio in its place. Synchronous, without allocation per frame. */
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { frameFlag, type MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import { createFrameDecoder, type FrameDecoder } from "./codec/frame-decoder.ts";
import type { OpusDecoders } from "./codec/opus.ts";
import { Concealment } from "./concealment.ts";
import { Resampler } from "./resampler.ts";

/** Longest frame there is: 120 ms at 48 kHz. */
export const maxFrameSamples = 5760;
/** A hole up to this long is filled sample by sample; a longer one ends the utterance like a pause. */
export const concealableGapMs = 2000;

/** 8000 for narrowband, 16000 for everything wider: the rate of recording and ring. */
export type StoreRate = 8000 | 16000;

/** Shared by all legs: work space, of which every use ends before the next leg's turn, and decoders made ahead. */
export type AudioScratch = { readonly frame: Int16Array; readonly stored: Int16Array; readonly opus: OpusDecoders };

export interface AudioSink {
  /** Known before the first sample; never changes. */
  rate(storeRate: StoreRate): void;
  /** Decoded audio at the store's rate, in order; `position` in samples from the start of the call. */
  samples(pcm: Int16Array, length: number, position: number): void;
  /** The audio goes on elsewhere: at `position` of the call, in samples of `sampleRate`. */
  jumped(position: number, sampleRate: number): void;
  /** Audio that never arrived. `filled`: it was made up and follows as samples. */
  lost(ms: number, filled: boolean): void;
}

export class LegAudio {
  readonly #scratch: AudioScratch;
  readonly #sink: AudioSink;
  #codec = Codec.UNSPECIFIED;
  #sourceRate = 0;
  #channels = 0;
  #decoder: FrameDecoder | undefined;
  #concealment = new Concealment(8000);
  #toStore: Resampler | undefined;
  /** Next expected sample, in the codec's rate, from the start of the call. */
  #nextPosition = -1;
  /** Next sample of the store, in the store's rate. */
  #storePosition = 0;
  #storeRate: StoreRate | undefined;

  /** @param storeRate of a leg that another worker began: its rate stays */
  constructor(scratch: AudioScratch, sink: AudioSink, storeRate?: StoreRate) {
    this.#scratch = scratch;
    this.#sink = sink;
    if (storeRate !== undefined) this.#store(storeRate);
  }

  /** Takes the leg's next chunk. @returns false where it cannot be decoded: nothing has changed */
  take(chunk: MediaChunkView): boolean {
    if (!this.#prepare(chunk)) return false;
    const skip = this.#align(chunk);
    const { frame } = this.#scratch;
    const { frameBytes, frameFlags, frameSamples } = chunk;
    let offset = 0;
    for (let i = 0; i < frameBytes.length; i++) {
      const bytes = frameBytes[i]!;
      const flags = frameFlags.length === 0 ? 0 : frameFlags[i]!;
      if (i < skip) {
        offset += bytes;
        continue;
      }
      if ((flags & frameFlag.dtmf) !== 0 || (flags & frameFlag.comfortNoise) !== 0) {
        frame.fill(0, 0, frameSamples);
        this.#concealment.good(frame, frameSamples);
      } else {
        const decoded = bytes === 0 ? -1 : this.#decoder!.decode(chunk.payload, offset, bytes, frame);
        if (decoded > 0) {
          if (decoded < frameSamples) frame.fill(0, decoded, frameSamples);
          this.#concealment.good(frame, frameSamples);
        } else this.#lost(frame, frameSamples);
      }
      offset += bytes;
      this.#frame(frame, frameSamples);
    }
    return true;
  }

  /** Where the audio ends so far, milliseconds from the start of the call. */
  get positionMs(): number {
    return this.#storeRate === undefined ? 0 : (this.#storePosition * 1000) / this.#storeRate;
  }

  free(): void {
    this.#decoder?.free();
    this.#decoder = undefined;
  }

  /** Decoder and resampler for what the chunk carries. @returns false where it cannot be used */
  #prepare(chunk: MediaChunkView): boolean {
    if (chunk.frameSamples <= 0 || chunk.frameSamples > maxFrameSamples || chunk.sampleRate < 8000 || chunk.sampleRate > 48000)
      return false;
    if (chunk.codec === this.#codec && chunk.sampleRate === this.#sourceRate && chunk.channels === this.#channels) return true;
    const decoder = createFrameDecoder(chunk.codec, chunk.channels, this.#scratch.opus);
    if (decoder === undefined) return false;
    this.#decoder?.free();
    this.#decoder = decoder;
    if (chunk.sampleRate !== this.#sourceRate) {
      if (this.#nextPosition >= 0) this.#nextPosition = Math.round((this.#nextPosition * chunk.sampleRate) / this.#sourceRate);
      const storeRate = this.#storeRate ?? this.#store(chunk.sampleRate > 8000 ? 16000 : 8000);
      this.#toStore = chunk.sampleRate === storeRate ? undefined : new Resampler(chunk.sampleRate, storeRate, maxFrameSamples);
      this.#concealment = new Concealment(chunk.sampleRate);
    }
    this.#codec = chunk.codec;
    this.#sourceRate = chunk.sampleRate;
    this.#channels = chunk.channels;
    return true;
  }

  #store(rate: StoreRate): StoreRate {
    this.#storeRate = rate;
    this.#sink.rate(rate);
    return rate;
  }

  /** Sets the clock of the leg by the chunk's position. @returns frames at its start that were heard already */
  #align(chunk: MediaChunkView): number {
    if (this.#nextPosition < 0) {
      this.#jump(chunk.position);
      return 0;
    }
    const gap = chunk.position - this.#nextPosition;
    if (gap === 0) return 0;
    if (gap < 0) {
      if (-gap < chunk.frameSamples) return 0;
      return Math.min(chunk.frameBytes.length, Math.ceil(-gap / chunk.frameSamples));
    }
    const gapMs = (gap * 1000) / this.#sourceRate;
    if (chunk.afterPause || gapMs > concealableGapMs) {
      if (!chunk.afterPause) this.#sink.lost(gapMs, false);
      this.#concealment.reset();
      this.#jump(chunk.position);
      return 0;
    }
    const { frame } = this.#scratch;
    for (let left = gap; left > 0; ) {
      const samples = Math.min(left, chunk.frameSamples);
      this.#lost(frame, samples);
      this.#frame(frame, samples);
      left -= samples;
    }
    return 0;
  }

  #jump(position: number): void {
    this.#nextPosition = position;
    this.#storePosition = Math.round((position * this.#storeRate!) / this.#sourceRate);
    this.#toStore?.reset();
    this.#sink.jumped(position, this.#sourceRate);
  }

  #lost(frame: Int16Array, samples: number): void {
    this.#concealment.lost(frame, samples);
    this.#sink.lost((samples * 1000) / this.#sourceRate, true);
  }

  /** One decoded frame at the codec's rate. */
  #frame(pcm: Int16Array, samples: number): void {
    this.#nextPosition += samples;
    let store = pcm;
    let storeSamples = samples;
    if (this.#toStore !== undefined) {
      store = this.#scratch.stored;
      storeSamples = this.#toStore.process(pcm, samples, store);
    }
    this.#sink.samples(store, storeSamples, this.#storePosition);
    this.#storePosition += storeSamples;
  }
}
