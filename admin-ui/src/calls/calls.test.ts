import { describe, expect, it } from "vitest";
import { makeCall, service } from "../../dev/fake-calls.ts";
import { callsAsCsv } from "./csv-export.ts";
import { dayBounds } from "./day-bounds.ts";
import { readFilters } from "./filters.ts";

describe("a calendar day in a zone", () => {
  it.each([
    ["2026-11-20", "UTC", "2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z"],
    ["2026-11-20", "Asia/Tokyo", "2026-11-19T15:00:00.000Z", "2026-11-20T15:00:00.000Z"],
    // Clocks go back: this day has 25 hours.
    ["2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"],
    ["2026-12-31", "America/New_York", "2026-12-31T05:00:00.000Z", "2027-01-01T05:00:00.000Z"],
  ])("%s in %s", (day, zone, from, to) => {
    expect(dayBounds(day, zone)).toEqual({ from, to });
  });
});

describe("the list's URL", () => {
  it("gives known filters only", () => {
    expect(readFilters(new URLSearchParams("q=refund&agent=Dana&page=3&evil=1&live="))).toEqual({ q: "refund", agent: "Dana" });
  });
});

describe("the CSV file", () => {
  it("quotes what must be, and disarms formulas", () => {
    const call = { ...makeCall("c", 1, 0, service, null), agent: 'Smith, "Jo"', caller: "=HYPERLINK(1)", queue: "+1 555" };
    const [head, line] = callsAsCsv([call]).split("\r\n");
    expect(head).toMatch(/^id,started,/);
    expect(line).toContain('"Smith, ""Jo""",\'=HYPERLINK(1),\'+1 555');
  });
});
