import { expect, test } from "vitest";
import { burstRatio, RtpStatistics, zeroCounts } from "./rtp-statistics.ts";

const countsOf = (statistics: RtpStatistics) => {
  const counts = zeroCounts();
  statistics.read(counts);
  return counts;
};

test("expected and lost over the wrap of the sequence (RFC 3550 A.3)", () => {
  const statistics = new RtpStatistics();
  for (let i = 0; i < 100; i++) if (i % 10 !== 5) statistics.onPacket((65_500 + i) & 0xffff);
  expect(countsOf(statistics)).toMatchObject({ expected: 100, received: 90, lost: 10 });
  expect(statistics.highestSequence).toBe(65_500 + 99);
});

test("another source goes on counting, and nothing between the two was lost", () => {
  const statistics = new RtpStatistics();
  for (const sequence of [1, 2, 3]) statistics.onPacket(sequence);
  statistics.restart();
  for (const sequence of [9000, 9001]) statistics.onPacket(sequence);
  expect(countsOf(statistics)).toMatchObject({ expected: 5, received: 5, lost: 0 });
});

test("jitter follows J += (|D| - J) / 16, and silence suppression does not disturb it", () => {
  const statistics = new RtpStatistics();
  let timestamp = 4294967000;
  let arrival = 1000;
  const step = (ms: number, lateMs = 0) => {
    timestamp = (timestamp + ms * 8) % 4294967296;
    arrival += ms;
    statistics.onTransit(arrival + lateMs, timestamp, 8000);
  };
  for (let i = 0; i < 50; i++) step(20);
  expect(statistics.jitterMs).toBeCloseTo(0, 6);
  step(3000);
  expect(statistics.jitterMs).toBeCloseTo(0, 6);
  step(20, 16);
  expect(statistics.jitterMs).toBeCloseTo(1, 6);
  step(20, 0);
  expect(Math.abs(statistics.jitterMs - (1 + 15 / 16))).toBeLessThan(0.02);
  expect(Math.abs(statistics.jitterIn(8000) - 15.5)).toBeLessThanOrEqual(0.51);
});

test("the sender's clock drift comes out of jitter, in parts per million", () => {
  const statistics = new RtpStatistics();
  let noise = 1;
  for (let i = 0; i < 600; i++) {
    noise = (noise * 48271) % 2147483647;
    const arrivalMs = i * 100 + (noise % 1000) / 200;
    statistics.onClockSample(arrivalMs, Math.round(i * 800 * 1.0002) >>> 0, 8000);
  }
  expect(Math.abs(statistics.driftPpm - 200)).toBeLessThan(20);
});

test("drift is not told before there is enough to tell it from", () => {
  const statistics = new RtpStatistics();
  for (let i = 0; i < 50; i++) statistics.onClockSample(i * 100, i * 900, 8000);
  expect(statistics.driftPpm).toBe(0);
});

test("burst ratio: 1 for random loss, more for runs", () => {
  expect(burstRatio(0, 0, 100)).toBe(1);
  let state = 3;
  let missing = 0;
  let runs = 0;
  let before = false;
  for (let i = 0; i < 100_000; i++) {
    state = (state * 48271) % 2147483647;
    const lost = state % 10 === 0;
    if (lost) missing++;
    if (lost && !before) runs++;
    before = lost;
  }
  expect(Math.abs(burstRatio(missing, runs, 100_000) - 1)).toBeLessThan(0.03);
  expect(burstRatio(50, 10, 1000)).toBeCloseTo(5 * 0.95, 6);
});
