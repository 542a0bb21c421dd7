import { afterAll, describe, expect, test } from "vitest";
import { breakEventLog, type Fault, faults } from "./broken-event-log.ts";
import { eventLogChecks, eventLogContract } from "./contract.ts";
import { makeEmbeddedHarness } from "./embedded-harness.ts";

eventLogContract("embedded", makeEmbeddedHarness);

describe("the contract finds every fault of a broken adapter", () => {
  const caughtBy = new Map<string, string[]>();

  test.each(Object.keys(faults) as Fault[])("%s", async (fault) => {
    const failed: string[] = [];
    for (const check of eventLogChecks) {
      // A fault may also make a check wait for ever; that is found by its own time limit, which need not be waited for here.
      const run = check.run(breakEventLog(makeEmbeddedHarness, fault)).then(
        () => undefined,
        () => check.name,
      );
      const late = new Promise<string>((resolve) => setTimeout(resolve, 2500, check.name).unref());
      const name = await Promise.race([run, late]);
      if (name !== undefined) failed.push(name);
    }
    for (const name of failed) caughtBy.set(name, [...(caughtBy.get(name) ?? []), fault]);
    expect(failed.length).toBeGreaterThan(0);
  });

  afterAll(() => {
    expect(eventLogChecks.map((check) => check.name).filter((name) => !caughtBy.has(name))).toEqual([]);
  });
});
