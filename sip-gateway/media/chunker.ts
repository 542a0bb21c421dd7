/**
 * Groups the frames of one leg into chunks of about 100 ms for media.v1. All frames of a chunk have one codec and one length and follow
 * on from each other; whatever breaks that begins a new chunk. A chunk the log has no room for is counted and leaves a hole in the
 * sequence: the packet path never waits.
 */
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { frameFlag, type MediaChunkEncoder, type MediaChunkFields } from "@earshot/proto/media-chunk-codec.ts";
import { alawEnergy, copyG711, copyL16, copyOpaque, mulawEnergy } from "./levels.ts";
import type { ResolvedFormat } from "./payload-format.ts";

/** Takes a finished chunk. @returns false where it was lost */
export type ChunkSink = (key: string, encoder: MediaChunkEncoder, fields: MediaChunkFields) => boolean;
export type ChunkContext = {
  readonly sink: ChunkSink;
  /** Unix milliseconds minus the clock that arrivals are read from. */
  readonly wallOffsetMs: number;
};

/** 64 bytes of sizes: the largest typed array that V8 keeps inside the heap, next to its object. */
const maxFrames = 32;
const maxPayload = 32 * 1024;

export class Chunker {
  readonly #key: string;
  readonly #encoder: MediaChunkEncoder;
  readonly #context: ChunkContext;
  readonly #chunkMs: number;
  readonly #voicedLevel: number;
  readonly #fields: MediaChunkFields = {
    sequence: 0,
    codec: Codec.UNSPECIFIED,
    sampleRate: 8000,
    channels: 1,
    position: 0,
    occurredAtMs: 0,
    frameSamples: 0,
    frameCount: 0,
    frameBytes: new Uint16Array(maxFrames),
    frameLevels: new Uint8Array(maxFrames),
    frameFlags: new Uint8Array(maxFrames),
    payload: new Uint8Array(1024),
    payloadLength: 0,
    afterPause: false,
    lastVoicedAtMs: 0,
  };
  #framesWanted = 5;
  // Whole milliseconds on the arrivals' clock; whole, because V8 keeps fractions outside of the object.
  #beganMs = 0;
  #lastMs = 0;
  #lastVoicedMs = -1;
  #lost = 0;
  /** -dBov of the loudest frame so far; 127 = nothing but silence, 255 = a codec whose level is not known. */
  #loudest = 127;

  /** @param voicedLevel -dBov down to which a frame counts as voiced */
  constructor(key: string, encoder: MediaChunkEncoder, context: ChunkContext, chunkMs: number, voicedLevel: number) {
    this.#key = key;
    this.#encoder = encoder;
    this.#context = context;
    this.#chunkMs = chunkMs;
    this.#voicedLevel = voicedLevel;
  }

  get pending(): boolean {
    return this.#fields.frameCount > 0;
  }

  /** When the first frame of the open chunk arrived. */
  get beganMs(): number {
    return this.#beganMs;
  }

  /** Chunks made so far, and of those the ones the log did not take. */
  get made(): number {
    return this.#fields.sequence;
  }

  get lost(): number {
    return this.#lost;
  }

  get loudest(): number {
    return this.#loudest;
  }

  /**
   * Begins a chunk unless the open one goes on exactly here.
   * @param position of the next frame; equal to the end of the open chunk where it follows on
   * @param afterPause the gap before `position` is intended
   */
  place(format: ResolvedFormat, samples: number, position: number, afterPause: boolean): void {
    const fields = this.#fields;
    if (fields.frameCount > 0) {
      const follows =
        fields.frameSamples === samples &&
        fields.codec === format.codec &&
        fields.channels === format.channels &&
        fields.sampleRate === format.sampleRate &&
        fields.position + fields.frameCount * samples === position;
      if (follows) return;
      this.flush();
    }
    fields.codec = format.codec;
    fields.sampleRate = format.sampleRate;
    fields.channels = format.channels;
    fields.frameSamples = samples;
    fields.position = position;
    fields.afterPause = afterPause;
    this.#framesWanted = Math.min(maxFrames, Math.max(1, Math.floor((this.#chunkMs * format.sampleRate) / 1000 / samples)));
  }

  /** Adds the frame that `place` made room for. */
  add(format: ResolvedFormat, packet: Uint8Array, start: number, end: number, flags: number, nowMs: number): void {
    const fields = this.#fields;
    const length = end - start;
    const at = fields.payloadLength;
    if (at + length > fields.payload.length) this.#grow(at + length);
    const target = fields.payload;
    let level: number;
    if (format.codec === Codec.PCMA) level = copyG711(alawEnergy, packet, start, end, target, at);
    else if (format.codec === Codec.PCMU) level = copyG711(mulawEnergy, packet, start, end, target, at);
    else if (format.codec === Codec.L16) level = copyL16(packet, start, end, target, at);
    else level = copyOpaque(packet, start, end, target, at);
    if (flags === 0) {
      if (level < this.#loudest || level === 255) this.#loudest = level;
      if (level <= this.#voicedLevel || level === 255) this.#lastVoicedMs = Math.round(nowMs);
    }
    this.#push(length, level, flags, nowMs);
  }

  /** Adds a comfort noise frame (RFC 3389): its payload, flagged. */
  addNoise(packet: Uint8Array, start: number, end: number, nowMs: number): void {
    const fields = this.#fields;
    if (fields.payloadLength + end - start > fields.payload.length) this.#grow(fields.payloadLength + end - start);
    copyOpaque(packet, start, end, fields.payload, fields.payloadLength);
    this.#push(end - start, packet[start]! & 0x7f, frameFlag.comfortNoise, nowMs);
  }

  /** Adds a frame that never arrived. */
  addMissing(nowMs: number): void {
    this.#push(0, 127, 0, nowMs);
  }

  /** Marks frames of the open chunk from `position` on: a digit has been sounding since then. */
  flagFrom(position: number, flag: number): void {
    const fields = this.#fields;
    for (let i = 0; i < fields.frameCount; i++) {
      if (fields.position + (i + 1) * fields.frameSamples > position) fields.frameFlags[i]! |= flag;
    }
  }

  flush(): void {
    const fields = this.#fields;
    if (fields.frameCount === 0) return;
    const { wallOffsetMs } = this.#context;
    fields.occurredAtMs = Math.round(this.#lastMs + wallOffsetMs);
    fields.lastVoicedAtMs = this.#lastVoicedMs < 0 ? 0 : Math.round(this.#lastVoicedMs + wallOffsetMs);
    if (!this.#context.sink(this.#key, this.#encoder, fields)) this.#lost++;
    fields.sequence++;
    fields.position += fields.frameCount * fields.frameSamples;
    fields.frameCount = 0;
    fields.payloadLength = 0;
    fields.afterPause = false;
  }

  #push(length: number, level: number, flags: number, nowMs: number): void {
    const fields = this.#fields;
    const index = fields.frameCount;
    this.#lastMs = Math.round(nowMs);
    if (index === 0) this.#beganMs = this.#lastMs;
    (fields.frameBytes as Uint16Array)[index] = length;
    fields.frameLevels[index] = level;
    fields.frameFlags[index] = flags;
    fields.payloadLength += length;
    fields.frameCount = index + 1;
    if (index + 1 >= this.#framesWanted || fields.payloadLength > maxPayload) this.flush();
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#fields.payload.length * 2));
    grown.set(this.#fields.payload);
    this.#fields.payload = grown;
  }
}
