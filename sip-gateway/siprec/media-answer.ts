/** The answer to one m-line of a recording client's offer: what we can receive, and the line that says so (RFC 3264, RFC 7866 7). */
import { randomBytes } from "node:crypto";
import type { LegDescription, LegPorts, PayloadFormat, SrtpKeys, SrtpSuite } from "../media/port.ts";
import { type MediaDescription, unicastAddress } from "./sdp.ts";

/** Key plus salt, in bytes (RFC 4568 6.2, RFC 6188). */
const suiteBytes: Readonly<Record<SrtpSuite, number>> = {
  AES_CM_128_HMAC_SHA1_80: 30,
  AES_CM_128_HMAC_SHA1_32: 30,
  AES_256_CM_HMAC_SHA1_80: 46,
  AES_256_CM_HMAC_SHA1_32: 46,
};

/** Payload types that need no rtpmap (RFC 3551 6). */
const staticFormats: ReadonlyMap<number, PayloadFormat> = new Map([
  [0, { encoding: "PCMU", clockRate: 8000, channels: 1 }],
  [8, { encoding: "PCMA", clockRate: 8000, channels: 1 }],
  [9, { encoding: "G722", clockRate: 8000, channels: 1 }],
  [10, { encoding: "L16", clockRate: 44_100, channels: 2 }],
  [11, { encoding: "L16", clockRate: 44_100, channels: 1 }],
  [13, { encoding: "CN", clockRate: 8000, channels: 1 }],
]);

const encodings: ReadonlyMap<string, PayloadFormat["encoding"]> = new Map([
  ["pcma", "PCMA"],
  ["pcmu", "PCMU"],
  ["g722", "G722"],
  ["l16", "L16"],
  ["opus", "opus"],
  ["telephone-event", "telephone-event"],
  ["cn", "CN"],
]);

export type Crypto = { readonly tag: string; readonly keys: SrtpKeys };
export type Negotiated = { readonly description: LegDescription; readonly crypto: Crypto | undefined };

/** Why an m-line is refused; undefined where it can be received. */
export function refusal(offer: MediaDescription, requireSrtp: boolean): string | undefined {
  if (offer.kind !== "audio") return "only audio is recorded";
  const secure = offer.protocol === "RTP/SAVP" || offer.protocol === "RTP/SAVPF";
  if (!secure && offer.protocol !== "RTP/AVP" && offer.protocol !== "RTP/AVPF") return "transport protocol not supported";
  if (requireSrtp && !secure) return "this trunk requires SRTP";
  if (secure && usableCrypto(offer) === undefined) return "no usable SDES key";
  if (![...readFormats(offer).values()].some((format) => format.encoding !== "telephone-event" && format.encoding !== "CN"))
    return "no codec in common";
  return undefined;
}

/** Payload types we can decode, in the order of the offer. */
export function readFormats(offer: MediaDescription): Map<number, PayloadFormat> {
  const formats = new Map<number, PayloadFormat>();
  for (const text of offer.formats) {
    const type = Number(text);
    if (!Number.isInteger(type) || type < 0 || type > 127) continue;
    const map = offer.rtpmaps.get(type);
    const format = map === undefined ? staticFormats.get(type) : readRtpmap(map);
    if (format !== undefined) formats.set(type, format);
  }
  return formats;
}

function readRtpmap(value: string): PayloadFormat | undefined {
  const match = /^([^/\s]+)\s*\/\s*(\d{3,6})(?:\s*\/\s*(\d))?/.exec(value);
  const encoding = encodings.get(match?.[1]?.toLowerCase() ?? "");
  if (match === null || encoding === undefined) return undefined;
  const clockRate = Number(match[2]);
  const channels = match[3] === undefined ? 1 : Number(match[3]);
  if ((encoding === "PCMA" || encoding === "PCMU" || encoding === "G722") && (clockRate !== 8000 || channels !== 1)) return undefined;
  if (encoding === "opus" && clockRate !== 48_000) return undefined;
  if (channels < 1 || channels > 2 || clockRate < 8000 || clockRate > 48_000) return undefined;
  return { encoding, clockRate, channels };
}

function usableCrypto(offer: MediaDescription): { tag: string; suite: SrtpSuite; remote: Uint8Array } | undefined {
  for (const line of offer.crypto) {
    if (!Object.hasOwn(suiteBytes, line.suite)) continue;
    const suite = line.suite as SrtpSuite;
    const remote = Buffer.from(line.key, "base64");
    if (remote.length === suiteBytes[suite]) return { tag: line.tag, suite, remote: new Uint8Array(remote) };
  }
  return undefined;
}

/** @param before what was agreed last time on this m-line: our key stays as long as the suite does */
export function negotiate(offer: MediaDescription, before: Crypto | undefined): Negotiated {
  const usable = offer.protocol.startsWith("RTP/SAVP") ? usableCrypto(offer) : undefined;
  let crypto: Crypto | undefined;
  if (usable !== undefined) {
    const local = before?.keys.suite === usable.suite ? before.keys.local : new Uint8Array(randomBytes(suiteBytes[usable.suite]));
    crypto = { tag: usable.tag, keys: { suite: usable.suite, remote: usable.remote, local } };
  }
  const address = unicastAddress(offer.address);
  // RTP on the last port leaves none for RTCP (RFC 3550 11): 0.
  const rtcpPort = offer.rtcpMux ? offer.port : (offer.rtcpPort ?? (offer.port < 65_535 ? offer.port + 1 : 0));
  return {
    crypto,
    description: {
      remote: address === undefined ? undefined : { address, rtpPort: offer.port, rtcpPort },
      rtcpMux: offer.rtcpMux,
      formats: readFormats(offer),
      ptimeMs: offer.ptimeMs ?? 20,
      srtp: crypto?.keys,
      receiving: offer.direction === "sendonly" || offer.direction === "sendrecv",
    },
  };
}

/** Our m-line. The label is echoed, the direction is recvonly or inactive, every codec we can decode stays in the client's order. */
export function answerLines(offer: MediaDescription, agreed: Negotiated, ports: LegPorts): string[] {
  const { description, crypto } = agreed;
  const types = [...description.formats.keys()];
  const lines = [`m=audio ${ports.rtpPort} ${offer.protocol} ${types.join(" ")}`];
  for (const [type, format] of description.formats) {
    lines.push(`a=rtpmap:${type} ${format.encoding}/${format.clockRate}${format.channels > 1 ? `/${format.channels}` : ""}`);
    if (format.encoding === "telephone-event") lines.push(`a=fmtp:${type} 0-15`);
  }
  if (offer.ptimeMs !== undefined) lines.push(`a=ptime:${offer.ptimeMs}`);
  if (offer.label !== undefined) lines.push(`a=label:${offer.label}`);
  if (crypto !== undefined)
    lines.push(`a=crypto:${crypto.tag} ${crypto.keys.suite} inline:${Buffer.from(crypto.keys.local).toString("base64")}`);
  if (description.rtcpMux) lines.push("a=rtcp-mux");
  else lines.push(`a=rtcp:${ports.rtcpPort}`);
  lines.push(description.receiving ? "a=recvonly" : "a=inactive");
  return lines;
}

/** The m-line that refuses or removes a stream (RFC 3264 6). */
export function refusalLines(offer: MediaDescription): string[] {
  const lines = [`m=${offer.kind} 0 ${offer.protocol} ${offer.formats.length === 0 ? "0" : offer.formats.join(" ")}`];
  if (offer.label !== undefined) lines.push(`a=label:${offer.label}`);
  return lines;
}
