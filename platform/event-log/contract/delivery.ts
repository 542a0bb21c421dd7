/** What a subscriber is handed: from where, once, at its own pace, and again where it did not finish. */
import assert from "node:assert/strict";
import {
  all,
  bytes,
  check,
  collect,
  type EventLogCheck,
  type Happening,
  joinAs,
  settle,
  single,
  text,
  topic,
  until,
  within,
} from "./stage.ts";

export const deliveryChecks: readonly EventLogCheck[] = [
  check("what was handed over and not finished comes again after a crash", async (log, harness) => {
    for (let i = 0; i < 6; i++) await log.publish(single.name, "k", bytes(`${i}`));
    const seen: string[] = [];
    await log.subscribe({
      topics: [single.name],
      group: "g",
      from: "earliest",
      maxBatch: 2,
      handle(batch) {
        seen.push(...batch.map(text));
        return seen.length >= 4 ? new Promise(() => {}) : undefined;
      },
    });
    await until(() => seen.length >= 4, "two batches");
    const again = await harness.crash();
    await again.declare(all);
    const { records, subscription } = await collect(again, { topics: [single.name] });
    await within(subscription.drained(), "drained");
    const texts = records.map((record) => record.text);
    // At least once: the unfinished batch and all after it, perhaps more, in order.
    assert.deepEqual(texts.slice(-4), ["2", "3", "4", "5"]);
    assert.deepEqual(texts, ["0", "1", "2", "3", "4", "5"].slice(6 - texts.length));
  }),

  check("a group goes on where it stopped: nothing twice, nothing lost", async (log, harness) => {
    for (let i = 0; i < 10; i++) await log.publish(single.name, "k", bytes(`${i}`));
    const first = await collect(log, { topics: [single.name] });
    await within(first.subscription.drained(), "drained");
    await first.subscription.stop();
    for (let i = 10; i < 15; i++) await log.publish(single.name, "k", bytes(`${i}`));
    const restarted = await harness.restart();
    await restarted.declare(all);
    const second = await collect(restarted, { topics: [single.name] });
    await within(second.subscription.drained(), "drained");
    assert.deepEqual(
      [...first.records, ...second.records].map((record) => record.text),
      Array.from({ length: 15 }, (_, i) => `${i}`),
    );
    assert.equal(first.records.length, 10);
  }),

  check("stop waits for the batch in hand, and hands over nothing after it", async (log) => {
    let release: () => void = () => {};
    let calls = 0;
    let finished = false;
    const subscription = await log.subscribe({
      topics: [single.name],
      group: "g",
      from: "earliest",
      maxBatch: 1,
      async handle() {
        calls++;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        finished = true;
      },
    });
    await log.publish(single.name, "k", bytes("1"));
    await log.publish(single.name, "k", bytes("2"));
    await until(() => calls === 1, "first batch");
    let stopped = false;
    const stopping = subscription.stop().then(() => {
      stopped = true;
    });
    await settle();
    assert.equal(stopped, false);
    release();
    await within(stopping, "stop");
    assert.equal(finished, true);
    await settle();
    assert.equal(calls, 1);
  }),

  check("every group reads everything, at its own pace", async (log) => {
    const fast = await collect(log, { group: "fast" });
    const slow = await collect(log, {
      group: "slow",
      maxBatch: 1,
      handle: () => new Promise(() => {}),
    });
    for (let i = 0; i < 50; i++) await log.publish(topic.name, `call-${i % 5}`, bytes(`${i}`));
    await within(fast.subscription.drained(), "the fast group");
    const late = await collect(log, { group: "late" });
    await within(late.subscription.drained(), "the late group");
    assert.equal(fast.records.length, 50);
    assert.equal(late.records.length, 50);
    await until(() => slow.subscription.lag() === 50, "the slow group's lag is 50");
  }),

  check("a subscription that shares nothing reads all by itself, and its hooks are not called", async (log) => {
    const journal: Happening[] = [];
    const one = await joinAs("one", log, journal, { durable: false });
    const two = await joinAs("two", log, journal, { durable: false });
    for (let i = 0; i < 20; i++) await log.publish(topic.name, `call-${i}`, bytes("record"));
    await within(Promise.all([one.drained(), two.drained()]), "drained");
    await one.stop();
    await two.stop();
    assert.deepEqual([...new Set(journal.map(({ what }) => what))], ["record"]);
    assert.equal(journal.length, 40);
  }),

  check("a new group begins at the earliest or after the latest record, as it asks", async (log) => {
    await log.publish(single.name, "k", bytes("old"));
    const earliest = await collect(log, { topics: [single.name], group: "earliest" });
    const latest = await collect(log, { topics: [single.name], group: "latest", from: "latest" });
    await log.publish(single.name, "k", bytes("new"));
    await within(Promise.all([earliest.subscription.drained(), latest.subscription.drained()]), "drained");
    assert.deepEqual(
      earliest.records.map((record) => record.text),
      ["old", "new"],
    );
    assert.deepEqual(
      latest.records.map((record) => record.text),
      ["new"],
    );
  }),

  check("a group that is not durable begins anew at each start", async (log, harness) => {
    for (const value of ["1", "2"]) await log.publish(single.name, "k", bytes(value));
    const options = { topics: [single.name], durable: false } as const;
    const first = await collect(log, options);
    await within(first.subscription.drained(), "drained");
    await first.subscription.stop();
    const again = await collect(log, options);
    await within(again.subscription.drained(), "drained");
    const restarted = await harness.restart();
    await restarted.declare(all);
    const third = await collect(restarted, options);
    await within(third.subscription.drained(), "drained");
    for (const { records } of [first, again, third])
      assert.deepEqual(
        records.map((record) => record.text),
        ["1", "2"],
      );
  }),

  check("drained waits for the handler, lag counts what is not handled", async (log) => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { subscription } = await collect(log, { handle: () => held });
    for (let i = 0; i < 9; i++) log.append(topic.name, `call-${i}`, bytes("x"));
    await until(() => subscription.lag() === 9, "lag is 9");
    let isDrained = false;
    const drained = subscription.drained().then(() => {
      isDrained = true;
    });
    await settle();
    assert.equal(isDrained, false);
    assert.equal(subscription.lag(), 9);
    release();
    await within(drained, "drained");
    assert.equal(subscription.lag(), 0);
    await within(subscription.drained(), "drained when there is nothing to do");
  }),

  check("a subscriber at the head is woken at once", async (log) => {
    const { records, subscription } = await collect(log, { topics: [single.name] });
    await within(subscription.drained(), "drained");
    const delays: number[] = [];
    for (let i = 0; i < 20; i++) {
      const from = performance.now();
      log.append(single.name, "k", bytes(`${i}`));
      await atOnce(() => records.length > i);
      delays.push(performance.now() - from);
    }
    delays.sort((a, b) => a - b);
    assert.ok(delays[10]! < 50, `median ${delays[10]} ms`);
  }),
];

async function atOnce(condition: () => boolean): Promise<void> {
  const end = performance.now() + 8000;
  while (!condition()) {
    assert.ok(performance.now() < end, "the record never came");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
