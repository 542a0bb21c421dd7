/** Calls for benches of the pipeline: two sides that talk in turn, chunk by chunk. */
import { syntheticSpeech, toMuLaw } from "@earshot/media-pipeline/testing/call-audio.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { MediaChunkEncoder } from "@earshot/proto/media-chunk-codec.ts";

/** Two fifths voiced, then the pattern begins again. */
export const patternMs = 12_000;
const stretches = [
  [500, 2300],
  [4500, 6900],
  [9000, 9600],
] as const;
const pattern = Uint8Array.from(syntheticSpeech(patternMs, stretches), (sample) => toMuLaw(sample));
const chunkSamples = 800;
export const chunkMs = 100;

/** One side of a call that talks by a pattern: its chunks, as the gateway makes them. */
export class TalkingLeg {
  readonly callId: string;
  readonly leg: number;
  /** Where in the pattern the leg began, in whole chunks. */
  readonly shift: number;
  readonly #encoder: MediaChunkEncoder;
  readonly #payload = new Uint8Array(chunkSamples);
  readonly #fields;
  readonly #bytes: Uint8Array;
  #sent = 0;

  constructor(callId: string, leg: number, shift: number) {
    this.callId = callId;
    this.leg = leg;
    this.shift = shift;
    this.#encoder = new MediaChunkEncoder("bench", callId, leg);
    this.#fields = {
      sequence: 0,
      codec: Codec.PCMU,
      sampleRate: 8000,
      channels: 1,
      position: 0,
      occurredAtMs: 0,
      frameSamples: 160,
      frameCount: 5,
      frameBytes: [160, 160, 160, 160, 160],
      frameLevels: new Uint8Array(5).fill(255),
      frameFlags: new Uint8Array(5),
      payload: this.#payload,
      payloadLength: chunkSamples,
      afterPause: false,
      lastVoicedAtMs: 0,
    };
    this.#bytes = new Uint8Array(this.#encoder.maxLength(this.#fields));
  }

  next(): Uint8Array {
    const from = ((this.#sent + this.shift) * chunkSamples) % pattern.length;
    for (let i = 0; i < chunkSamples; i++) this.#payload[i] = pattern[from + i]!;
    this.#fields.sequence = this.#sent;
    this.#fields.position = this.#sent * chunkSamples;
    this.#fields.occurredAtMs = Date.now();
    this.#sent++;
    return this.#bytes.subarray(0, this.#encoder.encode(this.#fields, this.#bytes, 0));
  }

  /** Where speech that a segment ends with truly ended, milliseconds from the start of the leg; undefined = no such end near. */
  trueEnd(segmentEndMs: number): number | undefined {
    const at = segmentEndMs + this.shift * chunkMs;
    for (const [, end] of stretches) {
      const truth = Math.floor((at - end + patternMs / 2) / patternMs) * patternMs + end;
      if (Math.abs(at - truth) < 400) return truth - this.shift * chunkMs;
    }
    return undefined;
  }
}

/** The event that starts a call of two sides. */
export function startOf(callId: string, startedAtMs: number): Uint8Array {
  const value = { startedAtMs, legs: [0, 1].map((index) => ({ index, speaker: index + 1 })) };
  const payload = { case: "callStarted" as const, value };
  return encodeEvent({ id: callId, tenantId: "bench", callId, occurredAtMs: startedAtMs, traceparent: "", payload });
}
