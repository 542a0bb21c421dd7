import { describe, expect, it } from "vitest";
import { matchesIn, parseSearch } from "./search-words.ts";

describe("search words", () => {
  it("takes words and quoted phrases, once each", () => {
    expect(parseSearch('refund "cancel my  contract" REFUND')).toEqual([["refund"], ["cancel", "my", "contract"]]);
    expect(parseSearch('"not closed')).toEqual([["not", "closed"]]);
    expect(parseSearch("don't")).toEqual([["don"], ["t"]]);
    expect(parseSearch('"" ?! ')).toEqual([]);
  });

  it("finds whole words only, in the text's own letters", () => {
    const text = "Refund? No REFUND; refunds are for Grüße.";
    const at = (q: string) => matchesIn(text, parseSearch(q)).map(([from, to]) => text.slice(from, to));
    expect(at("refund")).toEqual(["Refund", "REFUND"]);
    expect(at("grüße")).toEqual(["Grüße"]);
    expect(at('"no refund"')).toEqual(["No REFUND"]);
    expect(at("fun")).toEqual([]);
  });

  it("joins matches that overlap", () => {
    expect(
      matchesIn("a b c", [
        ["a", "b"],
        ["b", "c"],
      ]),
    ).toEqual([[0, 5]]);
  });
});
