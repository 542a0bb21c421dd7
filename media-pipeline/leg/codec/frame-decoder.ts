/** One decoder per leg and codec: bytes of a frame to 16-bit mono at the codec's own rate. */
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { aLawTable, decodeG711, muLawTable } from "./g711.ts";
import { G722Decoder } from "./g722.ts";
import { decodeL16 } from "./l16.ts";
import type { OpusDecoders } from "./opus.ts";

export interface FrameDecoder {
  /** @returns samples written to `target`; -1 where the frame cannot be decoded and must be concealed */
  decode(source: Uint8Array, offset: number, length: number, target: Int16Array): number;
  free(): void;
}

const none = (): void => {};

/** @returns undefined for a codec this version does not know */
export function createFrameDecoder(codec: Codec, channels: number, opus?: OpusDecoders): FrameDecoder | undefined {
  switch (codec) {
    case Codec.PCMA:
      return {
        decode: (source, offset, length, target) => decodeG711(aLawTable, source, offset, Math.min(length, target.length), target),
        free: none,
      };
    case Codec.PCMU:
      return {
        decode: (source, offset, length, target) => decodeG711(muLawTable, source, offset, Math.min(length, target.length), target),
        free: none,
      };
    case Codec.G722: {
      const decoder = new G722Decoder();
      return {
        decode: (source, offset, length, target) => decoder.decode(source, offset, Math.min(length, target.length >> 1), target),
        free: none,
      };
    }
    case Codec.L16:
      return { decode: (source, offset, length, target) => decodeL16(source, offset, length, Math.max(1, channels), target), free: none };
    case Codec.OPUS:
      return opus?.take();
    default:
      return undefined;
  }
}
