import { expect, test } from "vitest";
import { JitterBuffer, type Pushed, pushed } from "./jitter-buffer.ts";

function bufferOf(depthMs = 60) {
  /** Delivered sequence numbers; the missing before each are shown as negative counts. */
  const out: number[] = [];
  const buffer = new JitterBuffer(
    {
      deliver(packet, start, end, payloadType, timestamp, missing) {
        expect([start, end, payloadType]).toEqual([12, 172, 8]);
        if (missing > 0) out.push(-missing);
        const sequence = (packet[0]! << 8) | packet[1]!;
        expect(timestamp).toBe(sequence * 160);
        out.push(sequence);
      },
    },
    depthMs,
  );
  const push = (sequence: number, nowMs: number): Pushed =>
    buffer.push(Uint8Array.of(sequence >> 8, sequence & 255), 12, 172, 8, sequence, sequence * 160, nowMs);
  return { buffer, push, out };
}

test("packets in order pass straight through, also over the wrap", () => {
  const { push, out } = bufferOf();
  const results = [65534, 65535, 0, 1].map((sequence, i) => push(sequence, i * 20));
  expect(out).toEqual([65534, 65535, 0, 1]);
  expect(results.every((result) => result === pushed.inOrder)).toBe(true);
});

test("a reordered packet within the depth is put in its place", () => {
  const { push, out } = bufferOf();
  expect([push(10, 0), push(12, 20), push(13, 25), push(11, 30), push(14, 60)]).toEqual([0, 0, 0, pushed.reordered, 0]);
  expect(out).toEqual([10, 11, 12, 13, 14]);
});

test("a missing packet is given up after the depth; when it comes after all it is late, and then a duplicate", () => {
  const { push, out, buffer } = bufferOf(60);
  push(10, 0);
  push(12, 20);
  buffer.expire(79);
  expect(out).toEqual([10]);
  buffer.expire(80);
  expect(out).toEqual([10, -1, 12]);
  expect(push(11, 90)).toBe(pushed.late);
  expect(push(11, 91)).toBe(pushed.duplicate);
  expect(push(12, 92)).toBe(pushed.duplicate);
  expect(out).toEqual([10, -1, 12]);
});

test("a duplicate of one that still waits is dropped", () => {
  const { push, buffer } = bufferOf();
  push(10, 0);
  push(12, 1);
  expect(push(12, 2)).toBe(pushed.duplicate);
  expect(buffer.waiting).toBe(1);
});

test("two gaps are given up each in its own time", () => {
  const { push, out, buffer } = bufferOf(60);
  push(1, 0);
  push(3, 20);
  push(6, 50);
  buffer.expire(85);
  expect(out).toEqual([1, -1, 3]);
  buffer.expire(110);
  expect(out).toEqual([1, -1, 3, -2, 6]);
});

test("a long loss moves on, and counts every missing packet once", () => {
  const { push, out, buffer } = bufferOf(60);
  push(100, 0);
  push(102, 10);
  push(300, 2000);
  buffer.flush();
  expect(out[0]).toBe(100);
  expect(out.filter((entry) => entry < 0).reduce((sum, entry) => sum - entry, 0)).toBe(198);
  expect(out.filter((entry) => entry > 0)).toEqual([100, 102, 300]);
  expect(push(301, 2020)).toBe(pushed.inOrder);
});

test("a long loss without anything waiting", () => {
  const { push, out, buffer } = bufferOf(60);
  push(100, 0);
  push(200, 2000);
  push(201, 2020);
  buffer.expire(2070);
  expect(out).toEqual([100, -99, 200, 201]);
});

test("a stray far outside is dropped; two in a row are a new sequence (RFC 3550 appendix A.1)", () => {
  const { push, out } = bufferOf();
  push(10, 0);
  expect(push(40_000, 20)).toBe(pushed.stray);
  expect(push(11, 20)).toBe(pushed.inOrder);
  expect(push(40_000, 40)).toBe(pushed.stray);
  expect(push(40_001, 60)).toBe(pushed.restarted);
  expect(push(40_002, 80)).toBe(pushed.inOrder);
  expect(out).toEqual([10, 11, 40_001, 40_002]);
});

test("any order and any loss: what comes out is ordered, once, and complete", () => {
  let state = 11;
  const random = (below: number) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  for (let round = 0; round < 200; round++) {
    const { push, out, buffer } = bufferOf(60);
    const first = 65_400 + random(200);
    const sent: { sequence: number; at: number }[] = [];
    for (let i = 0; i < 150; i++) {
      if (i > 0 && random(10) === 0) continue;
      const at = i * 20 + (i === 0 ? 0 : random(70));
      sent.push({ sequence: (first + i) & 0xffff, at });
      if (random(20) === 0) sent.push({ sequence: (first + i) & 0xffff, at: at + random(100) });
    }
    sent.sort((a, b) => a.at - b.at);
    const results = sent.map(({ sequence, at }) => push(sequence, at));
    buffer.flush();
    const delivered = out.filter((entry, i) => !(entry < 0) && i >= 0).map((sequence) => (sequence - first) & 0xffff);
    expect(delivered).toEqual([...new Set(delivered)].sort((a, b) => a - b));
    const accepted = results.filter((result) => result === pushed.inOrder || result === pushed.reordered).length;
    expect(delivered).toHaveLength(accepted);
    const missing = out.filter((entry) => entry < 0).reduce((sum, entry) => sum - entry, 0);
    expect(missing + delivered.length).toBe(delivered.at(-1)! - delivered[0]! + 1);
  }
});
