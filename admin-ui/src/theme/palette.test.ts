import { describe, expect, it } from "vitest";
import { dark, light, type Palette } from "./palette.ts";

/** WCAG 2.2: relative luminance and contrast ratio. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const pairs: [keyof Palette, (keyof Palette)[]][] = [
  ["text", ["bg", "surface", "hover", "sunken", "accentSoft"]],
  ["text2", ["bg", "surface", "hover", "neutralSoft"]],
  ["text3", ["bg", "surface", "hover"]],
  ["accent", ["bg", "surface", "accentSoft"]],
  ["onAccent", ["accent"]],
  ["positive", ["bg", "surface", "hover", "positiveSoft"]],
  ["neutral", ["bg", "surface", "hover", "neutralSoft"]],
  ["uneasy", ["bg", "surface", "hover", "uneasySoft"]],
  ["negative", ["bg", "surface", "hover", "negativeSoft"]],
  ["bg", ["negative"]],
];

describe.each([
  ["light", light],
  ["dark", dark],
])("the %s palette", (_name, palette) => {
  it.each(pairs.flatMap(([text, grounds]) => grounds.map((ground) => [text, ground] as const)))(
    "%s is readable on %s (AA)",
    (text, ground) => {
      expect(contrast(palette[text], palette[ground])).toBeGreaterThanOrEqual(4.5);
    },
  );
});
