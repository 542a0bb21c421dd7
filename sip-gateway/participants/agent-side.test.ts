import type { Extension } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { describe, expect, test } from "vitest";
import { assignSides, directionOf, numberOf, placeOfNumber } from "./agent-side.ts";

const leg = (...addresses: string[]) => ({ participants: addresses.map((address) => ({ name: "", address })) });
const extensions = new Map([
  ["2001", { number: "2001", agentName: "Ann" } as Extension],
  ["ann", { number: "ann", agentName: "Ann A" } as Extension],
]);
const sides = (...assigned: ReturnType<typeof assignSides>) => assigned.map((one) => `${one.side} ${one.reason} ${one.agentName}`.trim());

describe("the extension map decides first", () => {
  test("whichever leg it matches is the agent's", () => {
    expect(sides(...assignSides([leg("sip:+15550100@x"), leg("sip:2001@x")], extensions, "agent-first"))).toEqual([
      "caller extension-map",
      "agent extension-map Ann",
    ]);
  });
  test("a name as extension, and case", () => {
    expect(sides(...assignSides([leg("sip:Ann@x"), leg("sip:1234@x")], extensions, "caller-first"))).toEqual([
      "agent extension-map Ann A",
      "caller extension-map",
    ]);
  });
  test("where both sides are agents, the label order decides and both names are kept", () => {
    expect(sides(...assignSides([leg("sip:2001@x"), leg("sip:ann@x")], extensions, "caller-first"))).toEqual([
      "caller label-order Ann",
      "agent label-order Ann A",
    ]);
  });
});

describe("else a name or short extension against an external number", () => {
  test.each([
    ["sip:3007@x", "sip:+15550100@x"],
    ["sip:bob.smith@x", "tel:+1-555-0100"],
    ["<sip:3007@x>", "sip:0015550100@x;user=phone"],
  ])("%s is the agent against %s, whatever the label order", (inside, outside) => {
    expect(assignSides([leg(outside), leg(inside)], extensions, "agent-first").map((one) => [one.side, one.reason])).toEqual([
      ["caller", "short-extension"],
      ["agent", "short-extension"],
    ]);
  });
});

describe("else the trunk's label order", () => {
  test.each([
    ["nothing known", leg(), leg()],
    ["two numbers", leg("sip:+15550100@x"), leg("sip:+15550101@x")],
    ["anonymous", leg("sip:anonymous@anonymous.invalid"), leg("sip:+15550101@x")],
  ])("%s", (_, first, second) => {
    expect(assignSides([first, second], new Map(), "agent-first").map((one) => one.side)).toEqual(["agent", "caller"]);
    expect(assignSides([first, second], new Map(), "caller-first").map((one) => [one.side, one.reason])).toEqual([
      ["caller", "label-order"],
      ["agent", "label-order"],
    ]);
  });
});

test("a single stream is mixed", () => {
  expect(assignSides([leg("sip:2001@x", "sip:+15550100@x")], extensions, "agent-first")).toEqual([
    { side: "mixed", reason: "single-stream", agentName: "Ann" },
  ]);
});

test("numbers are read out of any address", () => {
  expect(
    ['"A B" <sip:+1 (555) 0100@x;user=phone>', "tel:+1-555-0100;phone-context=x", "sips:2001:secret@x", "Bob@x", ""].map(numberOf),
  ).toEqual(["+15550100", "+15550100", "2001", "bob", ""]);
  expect(["+15550100", "2001", "bob", "07917330699", "", "anonymous"].map(placeOfNumber)).toEqual([
    "external",
    "internal",
    "internal",
    "external",
    "unknown",
    "unknown",
  ]);
});

test("the direction needs an outside party and who called; otherwise it is unknown, not guessed", () => {
  const legs = [
    { side: "agent", ...leg("sip:2001@x") },
    { side: "caller", ...leg("sip:+15550100@x") },
  ] as const;
  expect([directionOf(legs, "+15550100"), directionOf(legs, "2001"), directionOf(legs, ""), directionOf(legs, "recorder")]).toEqual([
    "inbound",
    "outbound",
    "unknown",
    "unknown",
  ]);
  expect(
    directionOf(
      [
        { side: "agent", ...leg("sip:1@x") },
        { side: "caller", ...leg("sip:2@x") },
      ],
      "",
    ),
  ).toBe("internal");
});
