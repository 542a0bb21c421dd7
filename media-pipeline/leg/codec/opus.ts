/** Opus (RFC 6716) through libopus compiled to WebAssembly; always decoded at 48 kHz and mixed to one channel. */
import { OpusDecoder } from "opus-decoder";
import { isOpusPacket } from "./opus-packet.ts";

/** Decoders of ended legs that are kept for the next ones. */
const mostSpare = 32;
const leastSpare = 4;
/** What the decoder's input takes: ten times the highest bit rate there is at 20 ms. */
const maxPacketBytes = 7680;

const makeDecoder = (): OpusDecoder => new OpusDecoder({ channels: 2, forceStereo: true });

/**
 * Decoders are made ahead, because one takes a moment to load and a leg's first frames must not wait for it. Every decoder gives two
 * channels: a mono stream then has the same on both (RFC 7587: the number in the SDP is 2 in any case).
 */
export class OpusDecoders {
  readonly #spare: OpusDecoder[] = [];
  readonly #make: () => OpusDecoder;
  #closed = false;

  constructor(make: () => OpusDecoder = makeDecoder) {
    this.#make = make;
  }

  /** Resolves when one decoder is ready. */
  async warm(): Promise<void> {
    const decoder = this.#make();
    await decoder.ready;
    if (this.#closed || this.#spare.length >= mostSpare) decoder.free();
    else this.#spare.push(decoder);
  }

  take(): OpusFrames {
    const decoder = this.#spare.pop();
    if (this.#spare.length < leastSpare && !this.#closed) void this.warm().catch(() => {});
    return new OpusFrames(decoder, this.#make, (used) => {
      if (this.#closed || this.#spare.length >= mostSpare) used.free();
      else
        void used
          .reset()
          .then(() => this.#spare.push(used))
          .catch(() => used.free());
    });
  }

  free(): void {
    this.#closed = true;
    for (const decoder of this.#spare.splice(0)) decoder.free();
  }
}

export class OpusFrames {
  #decoder: OpusDecoder | undefined;
  readonly #make: () => OpusDecoder;
  readonly #giveBack: (decoder: OpusDecoder) => void;
  #loading = false;
  #freed = false;

  constructor(decoder: OpusDecoder | undefined, make: () => OpusDecoder, giveBack: (decoder: OpusDecoder) => void) {
    this.#decoder = decoder;
    this.#make = make;
    this.#giveBack = giveBack;
  }

  /** @returns samples written; -1 where the frame cannot be decoded (broken, or the decoder is still loading) */
  decode(source: Uint8Array, offset: number, length: number, target: Int16Array): number {
    if (this.#decoder === undefined) {
      this.#load();
      return -1;
    }
    // The decoder writes a line to the console for every packet that is none.
    if (length > maxPacketBytes || !isOpusPacket(source, offset, length)) return -1;
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
    this.#freed = true;
    if (this.#decoder !== undefined) this.#giveBack(this.#decoder);
    this.#decoder = undefined;
  }

  #load(): void {
    if (this.#loading || this.#freed) return;
    this.#loading = true;
    const decoder = this.#make();
    void decoder.ready.then(
      () => {
        if (this.#freed) this.#giveBack(decoder);
        else this.#decoder = decoder;
      },
      // Until then no frame can be decoded, and each is counted as such; the next one tries again.
      () => {
        this.#loading = false;
      },
    );
  }
}
