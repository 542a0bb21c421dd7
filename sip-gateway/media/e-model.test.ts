import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { impairmentOf, impairments, mosOf, rFactor } from "./e-model.ts";
import { hasSharedData, sharedData } from "./pcap.fixture.ts";

const golden = "itu/EXPECTED_EMODEL.json";

test.skipIf(!hasSharedData(golden))("agrees with the golden table of the reduced G.107", () => {
  type Row = { codec: string; Ie: number; Bpl: number; lossPct: number; oneWayDelayMs: number; R: number; MOS: number };
  const { rows } = JSON.parse(readFileSync(new URL(golden, sharedData), "utf8")) as { rows: Row[] };
  expect(rows.length).toBeGreaterThan(50);
  for (const row of rows) {
    const r = rFactor({ ie: row.Ie, bpl: row.Bpl }, row.lossPct, 1, row.oneWayDelayMs);
    expect(r).toBeCloseTo(row.R, 1);
    expect(Math.abs(mosOf(r) - row.MOS)).toBeLessThanOrEqual(0.0051);
  }
});

test("clean G.711 is 4.41, never 4.5", () => {
  expect(mosOf(rFactor(impairmentOf("PCMA").impairment, 0, 1, 0))).toBeCloseTo(4.41, 2);
});

test("bursts hurt more than the same loss at random; a ratio under 1 counts as random", () => {
  const at = (burst: number) => rFactor(impairments.g711, 5, burst, 0);
  expect(at(3)).toBeLessThan(at(1));
  expect(at(0.5)).toBe(at(1));
});

test("the scale ends at 1 and 4.5", () => {
  expect(mosOf(-20)).toBe(1);
  expect(mosOf(6.4)).toBe(1);
  expect(mosOf(120)).toBe(4.5);
});

test("says where the impairment is an assumption", () => {
  expect(impairmentOf("PCMU").assumed).toBe(false);
  expect(impairmentOf("G722").assumed).toBe(true);
  expect(impairmentOf("opus").assumed).toBe(true);
});
