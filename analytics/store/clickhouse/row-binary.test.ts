import { describe, expect, it } from "vitest";
import { RowBinaryWriter } from "./row-binary.ts";

const written = (write: (out: RowBinaryWriter) => void) => {
  const out = new RowBinaryWriter(4);
  write(out);
  return Buffer.from(out.bytes());
};

describe("RowBinary", () => {
  it("writes strings with their length in bytes, short and long, ASCII and not", () => {
    expect(written((out) => out.string("ab"))).toEqual(Buffer.from([2, 0x61, 0x62]));
    expect(written((out) => out.string("é\n"))).toEqual(Buffer.from([3, 0xc3, 0xa9, 0x0a]));
    const long = "x".repeat(300);
    expect(written((out) => out.string(long))).toEqual(Buffer.concat([Buffer.from([0xac, 0x02]), Buffer.from(long)]));
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
    expect(written((out) => out.nullableF32(null))).toEqual(Buffer.from([1]));
    expect(written((out) => out.nullableF32(Number.NaN))).toEqual(Buffer.from([1]));
  });
});
