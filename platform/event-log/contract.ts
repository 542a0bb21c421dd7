/**
 * What every event log adapter must do. Each check runs against a fresh, empty log; the same list runs against a deliberately broken one,
 * which must fail it.
 */
import { describe, test } from "vitest";
import { deliveryChecks } from "./contract/delivery.ts";
import { failuresChecks } from "./contract/failures.ts";
import { publishingChecks } from "./contract/publishing.ts";
import { sharingChecks } from "./contract/sharing.ts";
import type { EventLogCheck, MakeEventLog } from "./contract/stage.ts";

export { contractLimits, type EventLogCheck, type EventLogHarness, type MakeEventLog } from "./contract/stage.ts";

export const eventLogChecks: readonly EventLogCheck[] = [...publishingChecks, ...deliveryChecks, ...sharingChecks, ...failuresChecks];

/** Registers every check as a test. */
export function eventLogContract(name: string, make: MakeEventLog): void {
  describe(`event log contract: ${name}`, () => {
    for (const one of eventLogChecks) test(one.name, () => one.run(make));
  });
}
