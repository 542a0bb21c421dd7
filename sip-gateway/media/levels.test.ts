import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { alawEnergy, alawLinear, copyG711, copyL16, levelOf, mulawEnergy, mulawLinear } from "./levels.ts";
import { hasSharedData, sharedData } from "./pcap.fixture.ts";

const vectors = "itu/g711/";

test.skipIf(!hasSharedData(vectors))("the tables decode the ITU vectors bit-exactly", () => {
  const words = (name: string) => {
    const bytes = readFileSync(new URL(`${vectors}${name}`, sharedData));
    return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i));
  };
  for (const [coded, decoded, table] of [
    ["sweep-r.a", "sweep-r.rea", alawLinear],
    ["sweep-r.u", "sweep-r.reu", mulawLinear],
  ] as const) {
    const expected = words(decoded);
    const wrong = words(coded).filter((code, i) => table[code & 255] !== expected[i]);
    expect(wrong).toHaveLength(0);
    expect(expected.length).toBe(65_536);
  }
});

test("levels are -dBov: silence 127, a square wave at the overload point 0, half of that 6", () => {
  expect(levelOf(0, 160)).toBe(127);
  expect(levelOf(32768 * 32768 * 160, 160)).toBe(0);
  expect(levelOf(16384 * 16384 * 160, 160)).toBe(6);
});

test("copying and measuring agree with the linear values", () => {
  const source = Uint8Array.from({ length: 200 }, (_, i) => (i * 37) & 255);
  for (const [energy, linear] of [
    [alawEnergy, alawLinear],
    [mulawEnergy, mulawLinear],
  ] as const) {
    const target = new Uint8Array(400);
    const level = copyG711(energy, source, 20, 180, target, 100);
    expect(Buffer.compare(target.subarray(100, 260), source.subarray(20, 180))).toBe(0);
    let sum = 0;
    for (const code of source.subarray(20, 180)) sum += linear[code]! ** 2;
    expect(level).toBe(Math.round(-10 * Math.log10(sum / 160 / 32768 ** 2)));
  }
});

test("L16 is big-endian", () => {
  const source = Buffer.alloc(320);
  for (let i = 0; i < 160; i++) source.writeInt16BE(i % 2 === 0 ? 16384 : -16384, 2 * i);
  const target = new Uint8Array(320);
  expect(copyL16(source, 0, 320, target, 0)).toBe(6);
  expect(Buffer.compare(target, source)).toBe(0);
});

test("coded silence is silent: 0xd5 in A-law, 0xff in mu-law", () => {
  expect(copyG711(alawEnergy, new Uint8Array(160).fill(0xd5), 0, 160, new Uint8Array(160), 0)).toBeGreaterThanOrEqual(72);
  expect(copyG711(mulawEnergy, new Uint8Array(160).fill(0xff), 0, 160, new Uint8Array(160), 0)).toBe(127);
});
