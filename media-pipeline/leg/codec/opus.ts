/** Opus (RFC 6716) through libopus compiled to WebAssembly; always decoded at 48 kHz and mixed to one channel. */
import { OpusDecoder } from "opus-decoder";

export class OpusFrames {
  #decoder: OpusDecoder | undefined;
  #ready = false;

  constructor(channels: number) {
    const stereo = channels > 1;
    const decoder = new OpusDecoder({ channels: stereo ? 2 : 1, forceStereo: false });
    this.#decoder = decoder;
    void decoder.ready.then(() => {
      this.#ready = true;
      if (this.#decoder === undefined) decoder.free();
    });
  }

  /** @returns samples written; -1 where the frame cannot be decoded (broken, or the decoder is still loading) */
  decode(source: Uint8Array, offset: number, length: number, target: Int16Array): number {
    if (!this.#ready || this.#decoder === undefined) return -1;
    const decoded = this.#decoder.decodeFrame(source.subarray(offset, offset + length));
    if (decoded.errors.length > 0 || decoded.samplesDecoded === 0) return -1;
    const samples = Math.min(decoded.samplesDecoded, target.length);
    const left = decoded.channelData[0]!;
    const right = decoded.channelData[1] ?? left;
    for (let i = 0; i < samples; i++) {
      const value = (left[i]! + right[i]!) * 16384;
      target[i] = value > 32767 ? 32767 : value < -32768 ? -32768 : value;
    }
    return samples;
  }

  free(): void {
    if (this.#ready) this.#decoder?.free();
    this.#decoder = undefined;
  }
}

/** Loads the WebAssembly once, so that the first call does not lose its first frames to it. */
export async function warmOpus(): Promise<void> {
  const decoder = new OpusDecoder({ channels: 1 });
  await decoder.ready;
  decoder.free();
}
