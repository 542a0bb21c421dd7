/** What the gateway must know of each codec without decoding it: how long a payload lasts, and what its positions count in. */
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import type { PayloadFormat } from "./port.ts";

export type FormatKind = "audio" | "dtmf" | "noise";

/** A negotiated payload type, resolved once per offer so that the packet path only looks into an array. */
export type ResolvedFormat = {
  readonly kind: FormatKind;
  readonly encoding: PayloadFormat["encoding"];
  readonly codec: Codec;
  readonly channels: number;
  readonly clockRate: number;
  /** Of the decoded audio. */
  readonly sampleRate: number;
  /** Decoded samples per tick of the RTP clock: 2 for G.722, whose clock says 8000 for historical reasons (RFC 3551 4.5.2). */
  readonly samplesPerTick: number;
};

const codecOf: Record<PayloadFormat["encoding"], Codec> = {
  PCMA: Codec.PCMA,
  PCMU: Codec.PCMU,
  G722: Codec.G722,
  L16: Codec.L16,
  opus: Codec.OPUS,
  "telephone-event": Codec.UNSPECIFIED,
  CN: Codec.UNSPECIFIED,
};

export function resolveFormat(format: PayloadFormat): ResolvedFormat {
  const { encoding, clockRate, channels } = format;
  return {
    kind: encoding === "telephone-event" ? "dtmf" : encoding === "CN" ? "noise" : "audio",
    encoding,
    codec: codecOf[encoding],
    channels: Math.max(1, channels),
    clockRate,
    sampleRate: encoding === "G722" ? 16_000 : clockRate,
    samplesPerTick: encoding === "G722" ? 2 : 1,
  };
}

/** @returns decoded samples per channel in this payload; 0 where it is empty or no whole frame */
export function samplesIn(format: ResolvedFormat, packet: Uint8Array, start: number, end: number): number {
  const bytes = end - start;
  if (bytes <= 0) return 0;
  switch (format.encoding) {
    case "PCMA":
    case "PCMU":
      return Math.floor(bytes / format.channels);
    case "G722":
      return bytes * 2;
    case "L16":
      return bytes % (2 * format.channels) === 0 ? bytes / (2 * format.channels) : 0;
    case "opus":
      return opusSamples(packet, start, end);
    default:
      return 0;
  }
}

/** RFC 6716 section 3.1, at 48 kHz. @returns 0 where the packet is longer than the 120 ms allowed */
function opusSamples(packet: Uint8Array, start: number, end: number): number {
  const toc = packet[start]!;
  const config = toc >>> 3;
  let frame: number;
  if (config < 12) frame = [480, 960, 1920, 2880][config & 3]!;
  else if (config < 16) frame = (config & 1) === 0 ? 480 : 960;
  else frame = 120 << (config & 3);
  const code = toc & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : end - start > 1 ? packet[start + 1]! & 0x3f : 0;
  const samples = frame * frames;
  return samples > 5760 ? 0 : samples;
}
