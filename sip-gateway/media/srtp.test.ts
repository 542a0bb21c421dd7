import { expect, test } from "vitest";
import { emptyRtpHeader, parseRtpHeader, type RtpHeader } from "./rtp-packet.ts";
import { rtpPacket } from "./rtp-packets.fixture.ts";
import { protect } from "./srtp.fixture.ts";
import { deriveSessionKeys, SrtcpSender, SrtpReceiver } from "./srtp.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");

test("derives the session keys of RFC 3711 appendix B.3", () => {
  const keys = deriveSessionKeys("AES_CM_128_HMAC_SHA1_80", master, "rtp");
  expect(keys.encryption).toEqual(hex("C61E7A93744F39EE10734AFE3FF7A087"));
  expect(keys.salt).toEqual(hex("30CBBC08863D8C85D49DB34A9AE1"));
  expect(keys.authentication).toEqual(hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
});

test("derives the session keys of RFC 6188 section 7.2 (AES-256)", () => {
  const keys = deriveSessionKeys(
    "AES_256_CM_HMAC_SHA1_80",
    hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2"),
    "rtp",
  );
  expect(keys.encryption).toEqual(hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
  expect(keys.salt).toEqual(hex("fa31791685ca444a9e07c6c64e93"));
});

test("a key of the wrong length is refused", () => {
  expect(() => new SrtpReceiver({ suite: "AES_256_CM_HMAC_SHA1_80", remote: master, local: master })).toThrow(/wrong length/);
});

const header: RtpHeader = emptyRtpHeader();
const open = (receiver: SrtpReceiver, packet: Uint8Array): string | undefined => {
  const copy = packet.slice();
  expect(parseRtpHeader(copy, header)).toBe(true);
  return receiver.unprotect(copy, header) ? Buffer.from(copy.subarray(header.payloadStart, header.payloadEnd)).toString() : undefined;
};
const long = new Uint8Array(46).map((_, i) => i * 5);

test.each([
  ["AES_CM_128_HMAC_SHA1_80", master],
  ["AES_CM_128_HMAC_SHA1_32", master],
  ["AES_256_CM_HMAC_SHA1_80", long],
  ["AES_256_CM_HMAC_SHA1_32", long],
] as const)("%s: decrypts, over the wrap, out of order, and refuses replays and forgeries", (suite, key) => {
  const receiver = new SrtpReceiver({ suite, remote: key, local: key });
  const packet = (extended: number) =>
    protect(
      suite,
      key,
      rtpPacket({ sequence: extended, timestamp: extended * 160, payload: Buffer.from(`audio ${extended}`) }),
      extended >> 16,
    );
  expect(open(receiver, packet(65_533))).toBe("audio 65533");
  expect(open(receiver, packet(65_536))).toBe("audio 65536");
  expect(open(receiver, packet(65_535))).toBe("audio 65535");
  expect(open(receiver, packet(65_535))).toBeUndefined();
  expect(open(receiver, packet(65_537))).toBe("audio 65537");
  const forged = packet(65_538);
  forged[14]! ^= 1;
  expect(open(receiver, forged)).toBeUndefined();
  expect(open(receiver, packet(65_538))).toBe("audio 65538");
  expect(open(receiver, packet(65_700))).toBe("audio 65700");
  expect(open(receiver, packet(65_534))).toBeUndefined();
  expect(open(receiver, packet(65_538).subarray(0, 14))).toBeUndefined();
});

test("the rollover counter goes on across new keys, and a sender that begins anew is understood too", () => {
  const suite = "AES_CM_128_HMAC_SHA1_80";
  const other = master.map((byte) => byte ^ 0x55);
  const first = new SrtpReceiver({ suite, remote: master, local: master });
  const packet = (key: Uint8Array, sequence: number, roc: number) =>
    protect(suite, key, rtpPacket({ sequence, timestamp: 0, payload: Buffer.from("x") }), roc);
  expect(open(first, packet(master, 65_535, 0))).toBe("x");
  expect(open(first, packet(master, 0, 1))).toBe("x");
  const keys = { suite, remote: other, local: other } as const;
  expect(open(new SrtpReceiver(keys, first), packet(other, 1, 1))).toBe("x");
  expect(open(new SrtpReceiver(keys, first), packet(other, 1, 0))).toBe("x");
  expect(open(new SrtpReceiver(keys), packet(other, 1, 1))).toBeUndefined();
});

test("SRTCP: what is protected is encrypted, opens once, and not when changed", () => {
  const keys = { suite: "AES_CM_128_HMAC_SHA1_32", remote: master, local: master } as const;
  const report = hex("81c90007 11223344 00000007 00000000 00010203 00000000 00000000 00000000");
  const sender = new SrtcpSender(keys);
  const first = sender.protect(report);
  expect(first.length).toBe(report.length + 14);
  expect(first.subarray(0, 8)).toEqual(report.subarray(0, 8));
  expect(first.subarray(8, 32)).not.toEqual(report.subarray(8));
  const receiver = new SrtpReceiver(keys);
  expect(receiver.unprotectRtcp(first)).toEqual(report);
  expect(receiver.unprotectRtcp(first)).toBeUndefined();
  const second = sender.protect(report);
  second[12]! ^= 1;
  expect(receiver.unprotectRtcp(second)).toBeUndefined();
  expect(receiver.unprotectRtcp(hex("80c9"))).toBeUndefined();
});
