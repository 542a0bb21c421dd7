import { describe, expect, it } from "vitest";
import { callOf, changesOf, deedOf, subjectOf } from "./audit/audit-words.ts";
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

describe("the audit log in words", () => {
  const entry = (action: string, details: Record<string, unknown>, subject = "c31f6d86-61ef-4062-af92-ec161a117d42") => ({
    id: "1",
    at: "2026-11-28T00:00:00Z",
    actor: "admin@localhost",
    action,
    subject,
    details,
  });

  it("says what was changed, of what, and only what differs", () => {
    const before = { id: "7", name: "Head office", maxCalls: 100, sourceNetworks: [], requireSrtp: false };
    const change = entry("trunk.change", { before, after: { ...before, maxCalls: 200, sourceNetworks: ["10.0.0.1"], requireSrtp: true } });
    expect(deedOf(change)).toBe("Changed a trunk");
    expect(subjectOf(change)).toBe("Head office");
    expect(changesOf(change)).toEqual([
      ["max calls", "100 → 200"],
      ["source networks", "nothing → 10.0.0.1"],
      ["require srtp", "no → yes"],
    ]);
    expect([deedOf, subjectOf].map((of) => of(entry("extension.create", { id: "3", number: "2101", agentName: "Ada" })))).toEqual([
      "Made an extension",
      "2101",
    ]);
  });

  it("leads to the call, names no bare id, and shows an action it does not know as it is", () => {
    const listen = entry("call.listen.start", {}, "call-9");
    expect([deedOf(listen), callOf(listen), changesOf(listen)]).toEqual(["Began to listen", "call-9", []]);
    const heard = entry("call.recording.listen", { source: "192.0.2.9" }, "call-9");
    expect([deedOf(heard), callOf(heard), changesOf(heard)]).toEqual(["Listened to the recording", "call-9", [["source", "192.0.2.9"]]]);
    const begin = entry("session.begin", { source: "192.0.2.9" });
    expect([deedOf(begin), callOf(begin), subjectOf(begin), changesOf(begin)]).toEqual(["Signed in", null, "", [["source", "192.0.2.9"]]]);
    expect(deedOf(entry("moon.eclipse", {}))).toBe("moon.eclipse");
    const replay = entry("dead_letter.replay", { topic: "transcripts.v1", key: "call-1", errorCode: "timeout" }, "0-17");
    expect([deedOf(replay), callOf(replay)]).toEqual(["Replayed a record", "call-1"]);
  });
});
