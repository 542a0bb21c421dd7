import { describe, expect, it } from "vitest";
import { GrowingBytes, NativeBlock } from "./native-block.ts";
import { target } from "./tables.ts";

const written = (write: (out: GrowingBytes) => void) => {
  const out = new GrowingBytes(4);
  write(out);
  return Buffer.from(out.bytes());
};

describe("values of a column", () => {
  it("writes strings with their length in bytes, short and long, ASCII and not", () => {
    expect(written((out) => out.string("ab"))).toEqual(Buffer.from([2, 0x61, 0x62]));
    expect(written((out) => out.string("é\n"))).toEqual(Buffer.from([3, 0xc3, 0xa9, 0x0a]));
    const long = "x".repeat(300);
    expect(written((out) => out.string(long))).toEqual(Buffer.concat([Buffer.from([0xac, 0x02]), Buffer.from(long)]));
  });

  it("writes strings of every length around the one that is copied here, also with a letter at the end that is not ASCII", () => {
    for (let length = 60; length < 68; length++)
      for (const value of ["x".repeat(length), `${"x".repeat(length - 1)}é`]) {
        const bytes = Buffer.from(value);
        expect(written((out) => out.string(value))).toEqual(Buffer.concat([Buffer.from([bytes.length]), bytes]));
      }
  });

  it("writes 64-bit numbers below and above 2^32, negative ones too", () => {
    for (const value of [0, 1, -1, 1_764_000_000_123, -1_764_000_000_123, 2 ** 32, -(2 ** 32)]) {
      const expected = Buffer.alloc(8);
      expected.writeBigInt64LE(BigInt(value));
      expect(written((out) => out.i64(value))).toEqual(expected);
    }
  });

  it("keeps numbers within their column instead of wrapping", () => {
    expect(written((out) => out.u16(70_000))).toEqual(Buffer.from([0xff, 0xff]));
    expect(written((out) => out.u8(-3))).toEqual(Buffer.from([0]));
    expect(written((out) => out.u32(Number.NaN))).toEqual(Buffer.from([0, 0, 0, 0]));
  });
});

describe("Native block", () => {
  it("is columns with their names and types, nulls and ends of arrays before the values", () => {
    const block = new NativeBlock(target("t", "a UInt8, b Nullable(Float32), c Array(String)"));
    const text = (value: string) => [value.length, ...Buffer.from(value)];
    for (const [a, b, c] of [
      [1, 0.5, ["x", ""]],
      [2, null, []],
      [3, Number.NaN, ["yz"]],
    ] as const) {
      block.u8(a);
      block.nullableF32(b);
      block.length(c.length);
      for (const each of c) block.string(each);
      block.rows++;
    }
    const half = [0, 0, 0, 0x3f];
    const none = [0, 0, 0, 0];
    const end = (value: number) => [value, 0, 0, 0, 0, 0, 0, 0];
    const expected = [
      3,
      3,
      ...text("a"),
      ...text("UInt8"),
      1,
      2,
      3,
      ...text("b"),
      ...text("Nullable(Float32)"),
      0,
      1,
      1,
      ...half,
      ...none,
      ...none,
    ];
    expected.push(...text("c"), ...text("Array(String)"), ...end(2), ...end(2), ...end(3), ...text("x"), 0, ...text("yz"));
    expect([...Buffer.concat(block.pieces())]).toEqual(expected);
    expect(block.byteLength).toBeLessThan(expected.length);
    block.reset();
    expect(block.rows + block.byteLength).toBe(0);
  });
});
