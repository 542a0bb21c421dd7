import { readFileSync } from "node:fs";
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { describe, expect, it } from "vitest";
import { evaluationFile } from "../../testing/evaluation-data.ts";
import { createFrameDecoder } from "./frame-decoder.ts";
import { aLawTable, decodeG711, muLawTable } from "./g711.ts";
import { decodeL16 } from "./l16.ts";

function words(path: string): Int16Array {
  const bytes = readFileSync(path);
  return Int16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readInt16LE(2 * i));
}

describe("G.711", () => {
  for (const [law, table, coded, decoded] of [
    ["A-law", aLawTable, "itu/g711/sweep-r.a", "itu/g711/sweep-r.rea"],
    ["mu-law", muLawTable, "itu/g711/sweep-r.u", "itu/g711/sweep-r.reu"],
  ] as const) {
    const codedPath = evaluationFile(coded);
    const decodedPath = evaluationFile(decoded);
    it.skipIf(codedPath === undefined || decodedPath === undefined)(`${law} is bit exact with the ITU's vectors`, () => {
      const codes = Uint8Array.from(words(codedPath!), (word) => word & 0xff);
      const truth = words(decodedPath!);
      const mine = new Int16Array(codes.length);
      expect(decodeG711(table, codes, 0, codes.length, mine)).toBe(truth.length);
      let wrong = 0;
      for (let i = 0; i < truth.length; i++) if (truth[i] !== mine[i]) wrong++;
      expect({ samples: truth.length, wrong }).toEqual({ samples: 65_536, wrong: 0 });
    });
  }

  it("knows the ends of both laws", () => {
    expect([muLawTable[0x00], muLawTable[0x80], muLawTable[0xff], muLawTable[0x7f]].map((value) => value! + 0)).toEqual([
      -32124, 32124, 0, 0,
    ]);
    expect([aLawTable[0x2a], aLawTable[0xaa], aLawTable[0xd5], aLawTable[0x55]]).toEqual([-32256, 32256, 8, -8]);
  });
});

describe("L16", () => {
  it("is big-endian, and several channels are mixed to one", () => {
    const target = new Int16Array(4);
    expect(decodeL16(Uint8Array.of(0x12, 0x34, 0xff, 0xfe), 0, 4, 1, target)).toBe(2);
    expect([...target.subarray(0, 2)]).toEqual([0x1234, -2]);
    expect(decodeL16(Uint8Array.of(9, 0x03, 0xe8, 0xff, 0x38, 9), 1, 4, 2, target)).toBe(1);
    expect(target[0]).toBe(400);
  });
});

describe("frame decoder", () => {
  it("knows no codec that it cannot decode", () => {
    expect(createFrameDecoder(Codec.UNSPECIFIED, 1)).toBeUndefined();
    expect(createFrameDecoder(77 as Codec, 1)).toBeUndefined();
  });

  it("never writes beyond the frame it is given", () => {
    for (const codec of [Codec.PCMA, Codec.PCMU, Codec.G722, Codec.L16]) {
      const target = new Int16Array(10);
      expect(createFrameDecoder(codec, 1)!.decode(new Uint8Array(100), 0, 100, target)).toBeLessThanOrEqual(10);
    }
  });
});
