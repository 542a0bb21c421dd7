import { expect, test } from "vitest";
import { emptyRtpHeader, isRtcp, parseRtpHeader, stripPadding } from "./rtp-packet.ts";

const parse = (hex: string) => {
  const packet = Buffer.from(hex.replaceAll(" ", ""), "hex");
  const header = emptyRtpHeader();
  return { packet, header, valid: parseRtpHeader(packet, header) };
};

test("reads every header field", () => {
  const { header, valid } = parse("80 88 ffff fffffff0 deadbeef 0102");
  expect(valid).toBe(true);
  expect(header).toMatchObject({ marker: true, payloadType: 8, sequence: 65535, timestamp: 4294967280, ssrc: 3735928559, csrcCount: 0 });
  expect([header.payloadStart, header.payloadEnd]).toEqual([12, 14]);
});

test("skips CSRC list and header extension", () => {
  const { header, valid } = parse("92 00 0001 00000001 00000002 11111111 22222222 bede0001 aabbccdd 77");
  expect(valid).toBe(true);
  expect(header.csrcCount).toBe(2);
  expect([header.payloadStart, header.payloadEnd]).toEqual([28, 29]);
});

test("padding is taken off, and refused where it cannot be", () => {
  const good = parse("a0 00 0001 00000001 00000002 4142 000003");
  expect(stripPadding(good.packet, good.header)).toBe(true);
  expect(good.header.payloadEnd).toBe(14);
  for (const bad of ["a0 00 0001 00000001 00000002 4142 0000", "a0 00 0001 00000001 00000002 4109", "a0 00 0001 00000001 00000002"]) {
    const { packet, header, valid } = parse(bad);
    expect(valid).toBe(true);
    expect(stripPadding(packet, header)).toBe(false);
  }
});

test("refuses what is not RTP", () => {
  expect(parse("").valid).toBe(false);
  expect(parse("80 00 0001 00000001 000000").valid).toBe(false);
  expect(parse("40 00 0001 00000001 00000002").valid).toBe(false);
  expect(parse("82 00 0001 00000001 00000002 11111111").valid).toBe(false);
  expect(parse("90 00 0001 00000001 00000002 bede").valid).toBe(false);
  expect(parse("90 00 0001 00000001 00000002 bede00ff 00").valid).toBe(false);
});

test("tells RTCP on a shared port from RTP (RFC 5761)", () => {
  expect(isRtcp(Buffer.from("80c90001000000ff", "hex"))).toBe(true);
  expect(isRtcp(Buffer.from("8088000100000001", "hex"))).toBe(false);
  expect(isRtcp(Buffer.from("80c9", "hex"))).toBe(false);
});

test("random bytes never throw, and a payload never lies outside the packet", () => {
  let state = 5;
  const random = (below: number) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  const header = emptyRtpHeader();
  let valid = 0;
  for (let round = 0; round < 5000; round++) {
    const packet = Uint8Array.from({ length: random(80) }, () => random(256));
    if (packet.length > 0 && round % 2 === 0) packet[0] = 0x80 | (packet[0]! & 0x3f);
    if (!parseRtpHeader(packet, header) || !stripPadding(packet, header)) continue;
    valid++;
    expect(header.payloadStart).toBeGreaterThanOrEqual(12);
    expect(header.payloadEnd).toBeGreaterThanOrEqual(header.payloadStart);
    expect(header.payloadEnd).toBeLessThanOrEqual(packet.length);
  }
  expect(valid).toBeGreaterThan(100);
});
