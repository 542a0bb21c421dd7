import { describe, expect, it } from "vitest";
import { type Field, faultsOf, inputOf } from "./fields.tsx";
import { addressOf } from "./trunks/address-of.ts";

const fields: Field[] = [
  { name: "name", label: "", kind: "text" },
  { name: "phrases", label: "", kind: "lines" },
  { name: "max", label: "", kind: "number" },
];

describe("a form's input", () => {
  it("is trimmed, without empty lines, with numbers as numbers", () => {
    expect(inputOf(fields, { name: " a ", phrases: ["x", "", " y "], max: "7" })).toEqual({ name: "a", phrases: ["x", "y"], max: 7 });
  });

  it("puts the server's issues beside their fields", () => {
    const details = {
      fields: [
        { field: "name", problem: "too short" },
        { field: "phrases/1", problem: "is no phrase" },
      ],
    };
    expect(faultsOf(details)).toEqual({ name: "too short", phrases: "Line 2: is no phrase" });
    expect(faultsOf(undefined)).toEqual({});
  });
});

describe("the address of a refused source", () => {
  it("comes without its port", () => {
    expect(["10.0.0.8:5060", "10.0.0.8", "[2001:db8::1]:5060", "2001:db8::1"].map(addressOf)).toEqual([
      "10.0.0.8",
      "10.0.0.8",
      "2001:db8::1",
      "2001:db8::1",
    ]);
  });
});
