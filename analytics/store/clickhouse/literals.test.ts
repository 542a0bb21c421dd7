import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withLiterals } from "./literals.ts";

describe("placeholders as literals", () => {
  it("puts numbers, texts and lists in, and looks at nothing that it put in", () => {
    expect(
      withLiterals("SELECT -{a:Int64}, {b:Float64}, {c:String}, {d:Array(String)}", {
        a: -5,
        b: 0.5,
        c: "{d:Array(String)}' OR 1 --",
        d: ["\\", "\n\0"],
      }),
    ).toBe("SELECT -(-5), 0.5, '{d:Array(String)}\\x27 OR 1 --', ['\\x5c', '\\x0a\\x00']");
  });

  it.each([
    ["no value", "{a:String}", {}],
    ["a name of every object", "{toString:String}", {}],
    ["a number for a text", "{a:String}", { a: 1 }],
    ["a text for a number", "{a:Int64}", { a: "1; DROP TABLE calls" }],
    ["half a whole number", "{a:UInt32}", { a: 1.5 }],
    ["less than nothing", "{a:UInt32}", { a: -1 }],
    ["no number at all", "{a:Float64}", { a: Number.NaN }],
    ["an object that prints as SQL", "{a:Array(Int64)}", { a: [{ toString: (): string => "1] OR 1" }] }],
    ["a type that is not there", "{a:Identifier}", { a: "calls" }],
  ])("refuses %s", (_, sql, params) => {
    expect(() => withLiterals(sql, params)).toThrow(expect.objectContaining({ code: "column_store_parameter" }));
  });

  it("no text gets out of its quotes: nothing in it needs the engine's judgement", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        const sql = withLiterals("{a:String}", { a: text });
        const inner = sql.slice(1, -1);
        expect([sql[0], sql.at(-1)]).toEqual(["'", "'"]);
        expect(inner.replace(/\\x[0-9a-f]{2}/g, "")).not.toMatch(/['"\\`]/);
        expect(inner.replace(/\\x([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});
