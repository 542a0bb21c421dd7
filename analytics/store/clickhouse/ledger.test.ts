import { describe, expect, test } from "vitest";
import { type LedgerRow, ledgerOf, supersedes } from "./ledger.ts";

describe("a stage of the ledger", () => {
  const at = (outcome: "pending" | "running" | "done" | "failed" | "skipped", atMs: number) => ({ outcome, atMs });

  test.each(["done", "failed", "skipped"] as const)("that is %s is not opened again by what comes late", (end) => {
    expect(supersedes(at("running", 2000), at(end, 1000))).toBe(false);
    expect(supersedes(at("pending", 2000), at(end, 1000))).toBe(false);
    expect(supersedes(at(end, 1000), at("running", 2000))).toBe(true);
  });

  test("takes the newer of two ends, and of two that are none", () => {
    expect(supersedes(at("done", 2000), at("failed", 1000))).toBe(true);
    expect(supersedes(at("failed", 1000), at("done", 2000))).toBe(false);
    expect(supersedes(at("failed", 2000), at("done", 1000))).toBe(true);
    expect(supersedes(at("running", 2000), at("running", 1000))).toBe(true);
    expect(supersedes(at("running", 1000), at("pending", 1000))).toBe(true);
  });

  test("is told the same in whatever order its rows lie", () => {
    const row = (outcome: string, version: number): LedgerRow => ({
      stage: "score",
      outcome,
      version,
      stage_started_at: 500,
      detail: outcome,
      remedy: "",
    });
    const rows = [row("running", 1000), row("done", 2000), row("running", 9000)];
    const told = [rows, rows.toReversed()].map((some) => ledgerOf(some, 1500, 10_000).find(({ stage }) => stage === "score"));
    expect(told[0]).toMatchObject({ outcome: "done", startedAt: new Date(500).toISOString(), finishedAt: new Date(2000).toISOString() });
    expect(told[1]).toEqual(told[0]);
  });
});
