import { expect, test } from "vitest";
import { ntpMiddle, parseRtcp, roundTripMs, writeReceiverReport } from "./rtcp.ts";

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
const report = {
  ownSsrc: 0x01020304,
  ssrc: 7,
  fractionLost: 0.25,
  cumulativeLost: 300,
  highestSequence: 70_000,
  jitter: 42,
  lsr: 0x11112222,
  sinceSenderReportMs: 500,
  cname: "earshot-1",
  unixMs: 1_800_000_000_250,
};

test("reads a compound of sender report, SDES and BYE", () => {
  const contents = parseRtcp(
    bytes(`80c80006 00000007 aaaabbbb ccccdddd 00000001 00000005 00000320
           81ca0003 00000007 01026162 00000000
           81cb0001 00000007`),
  );
  expect(contents?.senderReport).toEqual({ ssrc: 7, lsr: 0xbbbbcccc, packets: 5 });
  expect(contents?.byeSsrcs).toEqual([7]);
});

test("writes a receiver report that says what was asked", () => {
  const packet = writeReceiverReport(report);
  const view = new DataView(packet.buffer);
  expect(parseRtcp(packet)).toBeDefined();
  expect(packet.length % 4).toBe(0);
  expect([packet[0], packet[1], view.getUint16(2)]).toEqual([0x81, 201, 7]);
  expect([view.getUint32(4), view.getUint32(8)]).toEqual([report.ownSsrc, 7]);
  expect([packet[12], view.getUint32(12) & 0xffffff]).toEqual([64, 300]);
  expect([view.getUint32(16), view.getUint32(20), view.getUint32(24), view.getUint32(28)]).toEqual([70_000, 42, 0x11112222, 32_768]);
  expect(Buffer.from(packet.subarray(42, 51)).toString()).toBe("earshot-1");
  expect(packet[51]).toBe(0);
});

test("more duplicates than losses: the cumulative number is negative, 24 bits", () => {
  const packet = writeReceiverReport({ ...report, cumulativeLost: -2 });
  expect(new DataView(packet.buffer).getUint32(12) & 0xffffff).toBe(0xfffffe);
});

test("the round trip comes from an answer to our reference time (RFC 3611)", () => {
  const sentAt = 1_800_000_000_250;
  const packet = writeReceiverReport(report);
  const view = new DataView(packet.buffer);
  const middle = ((view.getUint32(packet.length - 8) << 16) | (view.getUint32(packet.length - 4) >>> 16)) >>> 0;
  expect(middle).toBe(ntpMiddle(sentAt));
  const answer = new Uint8Array(24);
  const out = new DataView(answer.buffer);
  out.setUint32(0, 0x80cf0005);
  out.setUint32(4, 7);
  out.setUint32(8, 0x05000003);
  out.setUint32(12, report.ownSsrc);
  out.setUint32(16, middle);
  out.setUint32(20, 65_536);
  const [got] = parseRtcp(answer)!.answers;
  expect(roundTripMs(got!, sentAt + 1080)).toBeCloseTo(80, 0);
  expect(roundTripMs(got!, sentAt)).toBeUndefined();
  expect(roundTripMs({ ...got!, lrr: 0 }, sentAt + 1080)).toBeUndefined();
});

test("refuses what is cut off, and never throws on random bytes", () => {
  for (const bad of ["", "80c8", "80c80006 00000007", "81c90001 00000007", "40c90000", "82cb0001 00000007", "80cf0002 00000007 05000003"])
    expect(parseRtcp(bytes(bad))).toBeUndefined();
  let state = 17;
  const random = (below: number) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  let accepted = 0;
  for (let round = 0; round < 5000; round++) {
    const packet = Uint8Array.from({ length: 4 * random(12) }, () => random(256));
    if (packet.length > 3) {
      packet[0] = 0x80 | random(3);
      packet[1] = 200 + random(8);
      packet[2] = 0;
      packet[3] = round % 2 === 0 ? packet.length / 4 - 1 : random(12);
    }
    if (parseRtcp(packet) !== undefined) accepted++;
  }
  expect(accepted).toBeGreaterThan(100);
});
