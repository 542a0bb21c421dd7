/** What a handler that fails brings about: another try, or a dead letter, and nothing else stands still. */
import assert from "node:assert/strict";
import { type Category, categories } from "@earshot/proto/errors.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { EventLog } from "../port.ts";
import { bytes, check, contractLimits, type EventLogCheck, failing, single, text, topic, within } from "./stage.ts";

async function deadLetters(log: EventLog): Promise<{ key: string; code: string; category: string; value: string; offset: number }[]> {
  return (await log.read(topics.deadLetter.name, 0, 0, 1000)).map((record) => {
    const { payload } = decodeEvent(record.value);
    assert.ok(payload.case === "deadLetter");
    const { errorCode, errorCategory, value, offset } = payload.value;
    return { key: record.key, code: errorCode, category: errorCategory, value: new TextDecoder().decode(value), offset };
  });
}

/** One poison record among good ones, failing with `category` each time. */
async function poison(log: EventLog, category: Category, maxAttempts: number): Promise<{ handled: string[]; attempts: number }> {
  const handled: string[] = [];
  let attempts = 0;
  for (const value of ["a", "poison", "b", "c"]) await log.publish(single.name, "key-1", bytes(value));
  const subscription = await log.subscribe({
    topics: [single.name],
    group: "g",
    from: "earliest",
    maxAttempts,
    handle(batch) {
      const values = batch.map(text);
      if (values.includes("poison")) {
        if (values.length === 1) attempts++;
        throw failing(category);
      }
      handled.push(...values);
    },
  });
  await within(subscription.drained(), "drained past the poison");
  assert.equal(subscription.lag(), 0);
  await subscription.stop();
  return { handled, attempts };
}

export const failuresChecks: readonly EventLogCheck[] = [
  check("a failure that may pass is tried again, in order, until it passes", async (log) => {
    for (const value of ["a", "b", "c"]) await log.publish(single.name, "k", bytes(value));
    const handled: string[] = [];
    let failures = 3;
    const subscription = await log.subscribe({
      topics: [single.name],
      group: "g",
      from: "earliest",
      handle(batch) {
        for (const record of batch) {
          if (text(record) === "b" && failures-- > 0) throw failing("unavailable");
          if (batch.length === 1 || !batch.some((one) => text(one) === "b")) handled.push(text(record));
        }
      },
    });
    await within(subscription.drained(), "drained");
    assert.deepEqual(handled, ["a", "b", "c"]);
    assert.deepEqual(await deadLetters(log), []);
  }),

  ...(["unavailable", "timeout", "rate_limited"] as const).map((category) =>
    check(`${category} without end: tried as often as allowed, then put aside`, async (log) => {
      const { handled, attempts } = await poison(log, category, 3);
      assert.deepEqual(handled, ["a", "b", "c"]);
      assert.equal(attempts, 3);
      assert.deepEqual(await deadLetters(log), [{ key: "key-1", code: "contract_failure", category, value: "poison", offset: 1 }]);
    }),
  ),

  ...(["invalid_request", "corrupt", "quota", "bug"] as const).map((category) =>
    check(`${category}: put aside at once, with its code and key, and the partition goes on`, async (log) => {
      assert.notEqual(categories[category].consumer, "retry");
      const { handled, attempts } = await poison(log, category, 5);
      assert.deepEqual(handled, ["a", "b", "c"]);
      assert.equal(attempts, 1);
      assert.deepEqual(await deadLetters(log), [{ key: "key-1", code: "contract_failure", category, value: "poison", offset: 1 }]);
    }),
  ),

  ...(["not_found", "conflict", "cancelled"] as const).map((category) =>
    check(`${category}: passed over, not put aside`, async (log) => {
      const { handled, attempts } = await poison(log, category, 5);
      assert.deepEqual(handled, ["a", "b", "c"]);
      assert.equal(attempts, 1);
      assert.deepEqual(await deadLetters(log), []);
    }),
  ),

  check("what is thrown without a category counts as a bug: put aside, named by its class", async (log) => {
    await log.publish(single.name, "k", bytes("x"));
    const subscription = await log.subscribe({
      topics: [single.name],
      group: "g",
      from: "earliest",
      handle() {
        throw new TypeError("a bug of the contract's");
      },
    });
    await within(subscription.drained(), "drained");
    const letters = await deadLetters(log);
    assert.deepEqual(
      letters.map(({ code, category }) => ({ code, category })),
      [{ code: "unexpected_TypeError", category: "bug" }],
    );
  }),

  check("a poison record blocks neither its neighbours nor other partitions while it is tried again", async (log) => {
    const handled: string[] = [];
    const subscription = await log.subscribe({
      topics: [topic.name],
      group: "g",
      from: "earliest",
      maxAttempts: 4,
      handle(batch) {
        for (const record of batch) if (text(record) === "poison") throw failing("unavailable");
        handled.push(...batch.map(text));
      },
    });
    await log.publish(topic.name, "call-0", bytes("poison"));
    for (let i = 0; i < 30; i++) await log.publish(topic.name, `call-${i}`, bytes(`${i}`));
    await within(subscription.drained(), "drained");
    assert.equal(new Set(handled).size, 30);
    assert.equal((await deadLetters(log)).length, 1);
  }),

  check("a poison record at the size limit can be put aside too", async (log) => {
    await log.publish(single.name, "k", new Uint8Array(contractLimits.maxRecordBytes));
    const subscription = await log.subscribe({
      topics: [single.name],
      group: "g",
      from: "earliest",
      handle() {
        throw failing("corrupt");
      },
    });
    await within(subscription.drained(), "drained");
    assert.equal((await deadLetters(log)).length, 1);
  }),
];
