import { expect, test } from "vitest";
import type { TestModule } from "vitest/node";
import { retriedTests } from "./retried-tests.ts";

test("tells of a test that passed on its second try and of what it failed first, and of no other", () => {
  const played = (fullName: string, flaky: boolean, errors: { message: string }[] = []) => ({
    fullName,
    diagnostic: () => ({ flaky }),
    result: () => ({ errors }),
  });
  const tests = [played("disk > full", true, [{ message: "expected 0 to be greater than 0\n  at ..." }]), played("steady", false)];
  const module = { relativeModuleId: "deploy/faults/a.e2e.test.ts", children: { allTests: () => tests } } as unknown as TestModule;
  expect(retriedTests([module])).toEqual(["deploy/faults/a.e2e.test.ts > disk > full\n    first: expected 0 to be greater than 0"]);
});
