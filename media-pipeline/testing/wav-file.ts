/** Reads 16-bit mono PCM from a WAV file, for tests and benches with real recordings. */
import { readFileSync } from "node:fs";

export type WavAudio = { readonly sampleRate: number; readonly channels: number; readonly pcm: Int16Array };

/** @throws Error where the file is not 16-bit PCM WAV */
export function parseWav(bytes: Uint8Array): WavAudio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error("not a WAV file");
  let sampleRate = 0;
  let channels = 0;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    const name = tag(at);
    if (name === "fmt ") {
      channels = view.getUint16(at + 10, true);
      sampleRate = view.getUint32(at + 12, true);
      if (view.getUint16(at + 22, true) !== 16) throw new Error("not 16-bit PCM");
    } else if (name === "data") {
      const length = Math.min(size, bytes.length - at - 8) >> 1;
      const pcm = new Int16Array(length);
      for (let i = 0; i < length; i++) pcm[i] = view.getInt16(at + 8 + 2 * i, true);
      return { sampleRate, channels, pcm };
    }
    at += 8 + size + (size & 1);
  }
  throw new Error("no audio in the WAV file");
}

export function readWav(path: string): WavAudio {
  return parseWav(readFileSync(path));
}
