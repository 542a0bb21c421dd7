import { G722Decoder } from "@earshot/media-pipeline/leg/codec/g722.ts";
import { expect, test } from "vitest";
import { encodeG722 } from "./g722-encoder.ts";

test("what is encoded comes back, 22 samples later and close to what it was", () => {
  const pcm = Int16Array.from({ length: 16_000 }, (_, i) => 8_000 * Math.sin(i / 9) + 3_000 * Math.sin(i / 2.3));
  const coded = encodeG722(pcm);
  expect(coded).toHaveLength(8_000);
  const decoded = new Int16Array(16_000);
  expect(new G722Decoder().decode(coded, 0, coded.length, decoded)).toBe(16_000);
  let signal = 0;
  let noise = 0;
  for (let i = 1_000; i < 15_000; i++) {
    signal += pcm[i]! ** 2;
    noise += (pcm[i]! - decoded[i + 22]!) ** 2;
  }
  expect(10 * Math.log10(signal / noise)).toBeGreaterThan(20);
});
