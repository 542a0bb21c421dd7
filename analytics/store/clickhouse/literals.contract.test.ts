import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { storeSettings } from "../settings.ts";
import { openColumnStore } from "./connection.ts";

describe("placeholders in the engine in process", () => {
  it("gives every text and number back as it was, whatever is in it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "earshot-literals-"));
    const settings = readSettings({ store: storeSettings }, {}).values.store;
    const connection = await openColumnStore(`chdb:${directory}`, settings, systemClock);
    const hostile = fc.constantFrom(
      "'",
      "\\",
      "\\'",
      "''",
      "--",
      "/*",
      "*/",
      ";",
      "\n\n",
      "\0",
      "`",
      "{a:String}",
      "\\x27",
      "\u2028",
      "日本",
      "%",
    );
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof(hostile, fc.string({ unit: "grapheme" }))).map((parts) => parts.join("")),
          fc.maxSafeInteger(),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
          async (text, whole, number) => {
            const rows = await connection.query<{ a: string; b: string[]; c: string; d: string; n: number }>(
              "SELECT {text:String} AS a, {texts:Array(String)} AS b, toString({whole:Int64}) AS c, toString(-{whole:Int64}) AS d, toFloat64({number:Float64}) AS n",
              { text, texts: [text, ""], whole, number },
            );
            expect(rows).toEqual([
              { a: text, b: [text, ""], c: String(whole === 0 ? 0 : whole), d: String(whole === 0 ? 0 : -whole), n: number + 0 },
            ]);
          },
        ),
        { numRuns: 150 },
      );
      // What runs side by side keeps its own values.
      const many = await Promise.all(
        Array.from({ length: 100 }, (_, n) => connection.query<{ n: string }>("SELECT {n:String} AS n", { n: `'${n}\n` })),
      );
      expect(many.map(([row]) => row?.n)).toEqual(Array.from({ length: 100 }, (_, n) => `'${n}\n`));
    } finally {
      await connection.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
