/** Makes the chunks of a leg from PCM, as the gateway would: for tests and benches. */
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { MediaChunkEncoder } from "@earshot/proto/media-chunk-codec.ts";

/** 16-bit linear to mu-law (ITU-T G.711), for test audio only. */
export function toMuLaw(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), 32635) + 132;
  let exponent = 7;
  for (let mask = 0x4000; exponent > 0 && (magnitude & mask) === 0; mask >>= 1) exponent--;
  return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

export type ChunkOptions = {
  readonly tenantId: string;
  readonly callId: string;
  readonly leg: number;
  /** 8 kHz; its first sample is at the start of the call plus `startSample`. */
  readonly pcm: Int16Array;
  readonly startSample?: number;
  readonly firstSequence?: number;
  readonly originMs: number;
  /** Frames (20 ms) that never arrived. */
  lost?(frame: number): boolean;
  flags?(frame: number): number;
  readonly afterPause?: boolean;
};

/** mu-law chunks of 100 ms, encoded. */
export function encodeChunks(options: ChunkOptions): Uint8Array[] {
  const encoder = new MediaChunkEncoder(options.tenantId, options.callId, options.leg);
  const frameSamples = 160;
  const frames = Math.floor(options.pcm.length / frameSamples);
  const chunks: Uint8Array[] = [];
  for (let first = 0; first < frames; first += 5) {
    const count = Math.min(5, frames - first);
    const frameBytes: number[] = [];
    const frameLevels = new Uint8Array(count).fill(255);
    const frameFlags = new Uint8Array(count);
    const payload = new Uint8Array(count * frameSamples);
    let length = 0;
    for (let i = 0; i < count; i++) {
      const frame = first + i;
      frameFlags[i] = options.flags?.(frame) ?? 0;
      if (options.lost?.(frame) === true) {
        frameBytes.push(0);
        continue;
      }
      for (let s = 0; s < frameSamples; s++) payload[length++] = toMuLaw(options.pcm[frame * frameSamples + s]!);
      frameBytes.push(frameSamples);
    }
    const position = (options.startSample ?? 0) + first * frameSamples;
    const fields = {
      sequence: (options.firstSequence ?? 0) + first / 5,
      codec: Codec.PCMU,
      sampleRate: 8000,
      channels: 1,
      position,
      occurredAtMs: Math.round(options.originMs + (position + count * frameSamples) / 8),
      frameSamples,
      frameCount: count,
      frameBytes,
      frameLevels,
      frameFlags,
      payload,
      payloadLength: length,
      afterPause: first === 0 && options.afterPause === true,
      lastVoicedAtMs: 0,
    };
    const target = new Uint8Array(encoder.maxLength(fields));
    chunks.push(target.slice(0, encoder.encode(fields, target, 0)));
  }
  return chunks;
}

/** Deterministic noise in -1..1. */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  };
}

/**
 * Speech-like sound that speech detectors take for speech: a pulse train through moving formants, in syllables.
 * @param stretches start and end of each stretch, milliseconds
 */
export function syntheticSpeech(totalMs: number, stretches: readonly (readonly [number, number])[], seed = 1): Int16Array {
  const rate = 8000;
  const pcm = new Int16Array((totalMs * rate) / 1000);
  const random = noise(seed);
  for (let i = 0; i < pcm.length; i++) pcm[i] = random() * 6;
  for (const [fromMs, toMs] of stretches) {
    const state = new Float64Array(6);
    let phase = 0;
    const from = (fromMs * rate) / 1000;
    const to = (toMs * rate) / 1000;
    for (let i = from; i < to; i++) {
      const t = (i - from) / rate;
      const syllable = Math.max(0, Math.sin(2 * Math.PI * 4 * t)) ** 0.5;
      const pitch = 120 + 25 * Math.sin(2 * Math.PI * 0.7 * t) + 10 * Math.sin(2 * Math.PI * 3 * t);
      phase += pitch / rate;
      let excitation = 0.02 * random();
      if (phase >= 1) {
        phase -= 1;
        excitation += 1;
      }
      let sum = 0;
      const formants = [500 + 250 * Math.sin(2 * Math.PI * 2.1 * t), 1500 + 500 * Math.sin(2 * Math.PI * 1.3 * t), 2500];
      for (let f = 0; f < 3; f++) {
        const r = Math.exp((-Math.PI * (60 + 40 * f)) / rate);
        const y = excitation + 2 * r * Math.cos((2 * Math.PI * formants[f]!) / rate) * state[2 * f]! - r * r * state[2 * f + 1]!;
        state[2 * f + 1] = state[2 * f]!;
        state[2 * f] = y;
        sum += y / (1 + f);
      }
      pcm[i] = Math.max(-32768, Math.min(32767, pcm[i]! + sum * syllable * 2500));
    }
  }
  return pcm;
}
