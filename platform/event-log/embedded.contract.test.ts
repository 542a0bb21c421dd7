import { describe, expect, test } from "vitest";
import { breakEventLog, type Fault, faults } from "./broken-event-log.ts";
import { eventLogChecks, eventLogContract } from "./contract.ts";
import { makeEmbeddedHarness } from "./embedded-harness.ts";

eventLogContract("embedded", makeEmbeddedHarness);

/** Which checks must find which fault, by the beginning of their names. */
const foundBy: Record<Fault, readonly string[]> = {
  "reorders a batch": ["records of one key come in the order", "a batch is of one partition"],
  "loses records": ["records of one key come in the order", "every group reads everything", "read goes from any offset"],
  "spreads one key over partitions": ["one key stays in one partition"],
  "swallows what a handler throws": [
    "a failure that may pass",
    "a poison record blocks neither",
    "not_found:",
    "conflict:",
    "cancelled:",
    "corrupt:",
  ],
  "does not wait for handlers": ["stop waits for the batch in hand", "drained waits for the handler"],
  "forgets where a group stands": ["a group goes on where it stopped", "a new group begins at"],
  "stores offsets before handling": ["what was handed over and not finished"],
  "never begins anew": ["a group that is not durable"],
  "ignores maxAttempts": ["unavailable without end", "timeout without end", "rate_limited without end", "a failure that may pass"],
  "puts everything aside": ["not_found:", "invalid_request:", "quota:", "what is thrown without a category", "a failure that may pass"],
  "hides the error's code": ["bug:", "corrupt:", "what is thrown without a category"],
  "keeps the caller's buffer": ["the caller may use its buffer again"],
  "takes more than its buffer holds": ["append says false when the buffer is full"],
  "has no size limit": ["a record over the limit is refused"],
  "makes topics up": ["a topic that was not declared"],
  "loses what was published in a crash": ["what was published survives", "what was appended before a flush survives"],
  "wakes subscribers late": ["a subscriber at the head is woken"],
  "changes the bytes": ["values and keys of any bytes"],
  "reads from the wrong place": ["read goes from any offset"],
  "answers one reader at a time": ["reads of several partitions at once"],
  "stops without waiting": ["stop waits for the batch in hand"],
  "gives groups one pace": ["every group reads everything"],
  "gives every member everything": ["members of one group share"],
  "refuses large dead letters": ["a poison record at the size limit"],
  "says nothing waits": ["drained waits for the handler"],
  "shares topics out apart": ["partition p of every topic", "topics with different numbers"],
  "does not wait for assigned": ["assigned comes before the first batch"],
  "tells no member where it goes on": ["assigned is told where"],
  "hands over without revoking": ["a partition that moves"],
  "calls hooks where nothing is shared": ["a subscription that shares nothing"],
  "forgets old keys": ["of a compacted topic"],
  "always says it is well": ["health says"],
};

const checksOf = (fault: Fault) => eventLogChecks.filter((check) => foundBy[fault].some((beginning) => check.name.startsWith(beginning)));

describe("the contract finds every fault of a broken adapter", () => {
  test.concurrent.each(Object.keys(faults) as Fault[])("%s", async (fault) => {
    const checks = checksOf(fault);
    expect(checks.length).toBeGreaterThanOrEqual(foundBy[fault].length);
    for (const check of checks) await expect(check.run(breakEventLog(makeEmbeddedHarness, fault)), check.name).rejects.toThrow();
  });

  test("every check finds some fault", () => {
    const used = new Set((Object.keys(faults) as Fault[]).flatMap(checksOf));
    expect(eventLogChecks.filter((check) => !used.has(check)).map((check) => check.name)).toEqual([]);
  });
});
