import { expect, test } from "vitest";
import { textFrame } from "./text-frame.ts";

test.each([
  [0, [0x81, 0]],
  [125, [0x81, 125]],
  [126, [0x81, 126, 0, 126]],
  [65_535, [0x81, 126, 0xff, 0xff]],
  [65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
])("%i bytes", (length, header) => {
  const text = "x".repeat(length);
  expect(textFrame(text)).toEqual(Buffer.concat([Buffer.from(header), Buffer.from(text)]));
});

test("the length counts bytes, not letters", () => {
  expect(textFrame("é…😀")).toEqual(Buffer.from([0x81, 9, ...Buffer.from("é…😀")]));
});
