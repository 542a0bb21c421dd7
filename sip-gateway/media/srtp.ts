/**
 * SRTP and SRTCP with AES counter mode and HMAC-SHA1 (RFC 3711; AES-256: RFC 6188), keys from SDES (RFC 4568). Nothing of a packet is
 * believed before its tag is right.
 */
import { createCipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { SrtpKeys, SrtpSuite } from "./port.ts";
import type { RtpHeader } from "./rtp-packet.ts";

type Suite = { readonly keyLength: number; readonly tagLength: number; readonly cipher: string };
const suites: Record<SrtpSuite, Suite> = {
  AES_CM_128_HMAC_SHA1_80: { keyLength: 16, tagLength: 10, cipher: "aes-128-ctr" },
  AES_CM_128_HMAC_SHA1_32: { keyLength: 16, tagLength: 4, cipher: "aes-128-ctr" },
  AES_256_CM_HMAC_SHA1_80: { keyLength: 32, tagLength: 10, cipher: "aes-256-ctr" },
  AES_256_CM_HMAC_SHA1_32: { keyLength: 32, tagLength: 4, cipher: "aes-256-ctr" },
};
const saltLength = 14;
/** The short tag is for SRTP only (RFC 3711 section 5.2, RFC 4568 section 6.2.2). */
const srtcpTagLength = 10;

export type SessionKeys = { readonly encryption: Uint8Array; readonly authentication: Uint8Array; readonly salt: Uint8Array };

/**
 * RFC 3711 section 4.3, key derivation rate 0.
 * @param master key and salt, concatenated
 * @throws EarshotError invalid_request `srtp_key_length`
 */
export function deriveSessionKeys(suite: SrtpSuite, master: Uint8Array, kind: "rtp" | "rtcp"): SessionKeys {
  const { keyLength, cipher } = suites[suite];
  if (master.length !== keyLength + saltLength)
    throw new EarshotError("invalid_request", "srtp_key_length", "The SRTP master key has the wrong length for its suite.", {
      details: { suite, length: master.length },
    });
  const key = master.subarray(0, keyLength);
  const salt = master.subarray(keyLength);
  const derive = (label: number, length: number): Uint8Array => {
    const iv = new Uint8Array(16);
    iv.set(salt);
    iv[7]! ^= label;
    return new Uint8Array(createCipheriv(cipher, key, iv).update(new Uint8Array(length)));
  };
  const first = kind === "rtp" ? 0 : 3;
  return { encryption: derive(first, keyLength), authentication: derive(first + 1, 20), salt: derive(first + 2, saltLength) };
}

/** XORs the keystream over `bytes`, in place. @param index packet index: 48 bits for SRTP, 31 for SRTCP */
function applyKeystream(cipher: string, keys: SessionKeys, ssrc: number, index: number, bytes: Uint8Array): void {
  const iv = new Uint8Array(16);
  iv.set(keys.salt);
  for (let i = 0; i < 4; i++) iv[4 + i]! ^= (ssrc >>> (24 - 8 * i)) & 0xff;
  const high = Math.floor(index / 0x10000);
  iv[8]! ^= (high >>> 24) & 0xff;
  iv[9]! ^= (high >>> 16) & 0xff;
  iv[10]! ^= (high >>> 8) & 0xff;
  iv[11]! ^= high & 0xff;
  iv[12]! ^= (index >>> 8) & 0xff;
  iv[13]! ^= index & 0xff;
  bytes.set(createCipheriv(cipher, keys.encryption, iv).update(bytes));
}

/** Remembers the last 64 packet indices (RFC 3711 section 3.3.2). */
class ReplayWindow {
  highest = -1;
  readonly #seen = new Float64Array(64).fill(-1);

  isReplay(index: number): boolean {
    return index <= this.highest - 64 || this.#seen[index % 64] === index;
  }

  accept(index: number): void {
    this.#seen[index % 64] = index;
    if (index > this.highest) this.highest = index;
  }
}

type Source = { readonly ssrc: number; readonly window: ReplayWindow };
/** A leg has one source, and a second one while it changes. */
const maxSources = 4;

export class SrtpReceiver {
  readonly tagLength: number;
  readonly #cipher: string;
  readonly #keys: SessionKeys;
  readonly #rtcpKeys: SessionKeys;
  readonly #sources: Source[] = [];
  readonly #rtcpSources: Source[] = [];
  readonly #roc = new Uint8Array(4);
  /** Rollover counters of the keys before these: they go on across a change of keys (RFC 3711 section 3.2.1). */
  readonly #inherited: readonly { ssrc: number; highest: number }[];

  constructor(keys: SrtpKeys, previous?: SrtpReceiver) {
    const suite = suites[keys.suite];
    this.tagLength = suite.tagLength;
    this.#cipher = suite.cipher;
    this.#keys = deriveSessionKeys(keys.suite, keys.remote, "rtp");
    this.#rtcpKeys = deriveSessionKeys(keys.suite, keys.remote, "rtcp");
    this.#inherited = previous?.rollovers() ?? [];
  }

  /** Highest packet index of each source. */
  rollovers(): { ssrc: number; highest: number }[] {
    return this.#sources.map(({ ssrc, window }) => ({ ssrc, highest: window.highest }));
  }

  /**
   * Checks and decrypts in place; `header.payloadEnd` then ends before the tag.
   * @returns false where the tag is wrong or the packet was seen before
   */
  unprotect(packet: Uint8Array, header: RtpHeader): boolean {
    const end = header.payloadEnd - this.tagLength;
    if (end < header.payloadStart) return false;
    const source = this.#sources.find(({ ssrc }) => ssrc === header.ssrc);
    if (source === undefined) return this.#unprotectNew(packet, header, end);
    const index = estimateIndex(source.window.highest, header.sequence);
    if (index < 0 || source.window.isReplay(index)) return false;
    if (!this.#isAuthentic(packet, end, Math.floor(index / 0x10000))) return false;
    this.#decrypt(packet, header, end, index);
    source.window.accept(index);
    return true;
  }

  #unprotectNew(packet: Uint8Array, header: RtpHeader, end: number): boolean {
    const inherited = this.#inherited.find(({ ssrc }) => ssrc === header.ssrc);
    const candidates = inherited === undefined ? [header.sequence] : [estimateIndex(inherited.highest, header.sequence), header.sequence];
    for (const index of candidates) {
      if (index < 0 || !this.#isAuthentic(packet, end, Math.floor(index / 0x10000))) continue;
      if (this.#sources.length === maxSources) this.#sources.shift();
      const source = { ssrc: header.ssrc, window: new ReplayWindow() };
      source.window.accept(index);
      this.#sources.push(source);
      this.#decrypt(packet, header, end, index);
      return true;
    }
    return false;
  }

  #decrypt(packet: Uint8Array, header: RtpHeader, end: number, index: number): void {
    if (end > header.payloadStart) applyKeystream(this.#cipher, this.#keys, header.ssrc, index, packet.subarray(header.payloadStart, end));
    header.payloadEnd = end;
  }

  #isAuthentic(packet: Uint8Array, end: number, roc: number): boolean {
    new DataView(this.#roc.buffer).setUint32(0, roc);
    const digest = createHmac("sha1", this.#keys.authentication).update(packet.subarray(0, end)).update(this.#roc).digest();
    return timingSafeEqual(digest.subarray(0, this.tagLength), packet.subarray(end, end + this.tagLength));
  }

  /** @returns the RTCP packet in clear, or undefined where it is not authentic or a replay */
  unprotectRtcp(packet: Uint8Array): Uint8Array | undefined {
    const end = packet.length - srtcpTagLength;
    if (end < 12) return undefined;
    const digest = createHmac("sha1", this.#rtcpKeys.authentication).update(packet.subarray(0, end)).digest();
    if (!timingSafeEqual(digest.subarray(0, srtcpTagLength), packet.subarray(end))) return undefined;
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    const ssrc = view.getUint32(4);
    const word = view.getUint32(end - 4);
    const index = word & 0x7fffffff;
    let source = this.#rtcpSources.find((known) => known.ssrc === ssrc);
    if (source === undefined) {
      source = { ssrc, window: new ReplayWindow() };
      if (this.#rtcpSources.length === maxSources) this.#rtcpSources.shift();
      this.#rtcpSources.push(source);
    }
    if (source.window.isReplay(index)) return undefined;
    source.window.accept(index);
    const clear = packet.slice(0, end - 4);
    if (word >>> 31 === 1 && clear.length > 8) applyKeystream(this.#cipher, this.#rtcpKeys, ssrc, index, clear.subarray(8));
    return clear;
  }
}

/** @returns the packet index whose low 16 bits are `sequence`, nearest to the highest so far (RFC 3711 section 3.3.1); -1 = before the first */
function estimateIndex(highest: number, sequence: number): number {
  const delta = ((sequence - (highest % 0x10000)) << 16) >> 16;
  return highest + delta;
}

/** Protects our own receiver reports. */
export class SrtcpSender {
  readonly #cipher: string;
  readonly #keys: SessionKeys;
  #index = 0;

  constructor(keys: SrtpKeys) {
    this.#cipher = suites[keys.suite].cipher;
    this.#keys = deriveSessionKeys(keys.suite, keys.local, "rtcp");
  }

  protect(packet: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(packet.length + 4 + srtcpTagLength);
    bytes.set(packet);
    const view = new DataView(bytes.buffer);
    this.#index = (this.#index + 1) & 0x7fffffff;
    const end = packet.length + 4;
    applyKeystream(this.#cipher, this.#keys, view.getUint32(4), this.#index, bytes.subarray(8, packet.length));
    view.setUint32(packet.length, (this.#index | 0x80000000) >>> 0);
    const digest = createHmac("sha1", this.#keys.authentication).update(bytes.subarray(0, end)).digest();
    bytes.set(digest.subarray(0, srtcpTagLength), end);
    return bytes;
  }
}
