/**
 * What every event log adapter must do. Each check runs against a fresh, empty log; the same list runs against a deliberately broken one,
 * which must fail it.
 */
import assert from "node:assert/strict";
import { type Category, categories, EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { type TopicSpec, topics } from "@earshot/proto/topics.ts";
import { describe, test } from "vitest";
import type { EventLog, LogRecord, SubscribeOptions, Subscription } from "./port.ts";

/** The limits an adapter under test is opened with, small enough to be reached. */
export const contractLimits = {
  maxRecordBytes: 16 * 1024,
  writeBufferBytes: 256 * 1024,
  retryFirstMs: 5,
  retryMaxMs: 20,
  retentionIntervalMs: 50,
} as const;

/** One storage, and a log started on it with `contractLimits`. */
export type EventLogHarness = {
  /** The first, started. */
  readonly log: EventLog;
  /** What it may take before it says that it is full. Default contractLimits.writeBufferBytes. */
  readonly holdsBytes?: number;
  /** Stops in good order and starts again on the same storage. */
  restart(): Promise<EventLog>;
  /** As a killed process: nothing more is written or stored from here on. Then starts again on what is left. */
  crash(): Promise<EventLog>;
  dispose(): Promise<void>;
};
export type MakeEventLog = () => Promise<EventLogHarness>;
export type EventLogCheck = { readonly name: string; run(make: MakeEventLog): Promise<void> };

const topic: TopicSpec = {
  name: "contract.v1",
  partitions: 3,
  retentionMs: 3_600_000,
  retentionBytes: 256 * 1024 * 1024,
  cleanup: "delete",
  key: "callId",
  message: "Event",
  writtenBy: "contract",
};
const beside: TopicSpec = { ...topic, name: "contract-beside.v1" };
const single: TopicSpec = { ...topic, name: "contract-single.v1", partitions: 1 };
/** So small that retention would take it all at once. */
const compacted: TopicSpec = { ...single, name: "contract-compacted.v1", retentionMs: 1, retentionBytes: 64 * 1024, cleanup: "compact" };
const all = [topic, beside, single, compacted, topics.deadLetter];
const waitMs = 8000;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (record: LogRecord): string => new TextDecoder().decode(record.value);

async function within<T>(work: Promise<T>, what: string, ms = waitMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what}: not within ${ms} ms` })), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + waitMs;
  while (!condition()) {
    assert.ok(performance.now() < end, `${what}: not within ${waitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const settle = (ms = 60): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Subscribes and collects what comes. */
async function collect(
  log: EventLog,
  options: Partial<SubscribeOptions> = {},
): Promise<{ records: { key: string; text: string; partition: number; offset: number }[]; subscription: Subscription }> {
  const records: { key: string; text: string; partition: number; offset: number }[] = [];
  const subscription = await log.subscribe({
    topics: [topic.name],
    group: "g",
    from: "earliest",
    handle(batch) {
      for (const record of batch) records.push({ key: record.key, text: text(record), partition: record.partition, offset: record.offset });
    },
    ...options,
  });
  return { records, subscription };
}

function rejectsWith(code: string, category: Category) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof EarshotError, `an EarshotError, not ${String(error)}`);
    assert.equal(error.category, category);
    assert.equal(error.code, code);
    return true;
  };
}

/** Opens an adapter, declares the topics, and always disposes of it. */
function check(name: string, run: (log: EventLog, harness: EventLogHarness) => Promise<void>): EventLogCheck {
  return {
    name,
    async run(make) {
      const harness = await make();
      try {
        await harness.log.declare(all);
        await run(harness.log, harness);
      } finally {
        await harness.dispose();
      }
    },
  };
}

/** A member of a group that writes down what happens to it, in one journal with the others. */
type Happening = { readonly member: string; readonly what: string; readonly partition: number };

async function joinAs(
  member: string,
  log: EventLog,
  journal: Happening[],
  options: Partial<SubscribeOptions> = {},
): Promise<Subscription & { partitions: Set<number> }> {
  const partitions = new Set<number>();
  const subscription = await log.subscribe({
    topics: [topic.name],
    group: "g",
    from: "earliest",
    handle(batch) {
      for (const record of batch) journal.push({ member, what: text(record), partition: record.partition });
    },
    ...options,
    async assigned(taken, isOurs) {
      assert.ok(isOurs(), "what is taken over is this member's");
      await options.assigned?.(taken, isOurs);
      for (const partition of taken) journal.push({ member, what: "assigned", partition });
      for (const partition of taken) partitions.add(partition);
    },
    async revoked(given, why) {
      await options.revoked?.(given, why);
      for (const partition of given) journal.push({ member, what: why, partition });
      for (const partition of given) partitions.delete(partition);
    },
  });
  return { lag: () => subscription.lag(), drained: () => subscription.drained(), stop: () => subscription.stop(), partitions };
}

/** Resolves when the members together own every partition of the contract's topic, and each owns some. */
async function sharedOut(...members: { partitions: Set<number> }[]): Promise<void> {
  await until(
    () =>
      members.every(({ partitions }) => partitions.size > 0) &&
      members.reduce((sum, { partitions }) => sum + partitions.size, 0) === topic.partitions,
    "every partition has an owner",
  );
}

const failing = (category: Category, code = "contract_failure"): EarshotError =>
  new EarshotError(category, code, "The contract's failure.");

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

export const eventLogChecks: readonly EventLogCheck[] = [
  check("records of one key come in the order they were appended, whole", async (log) => {
    const { records, subscription } = await collect(log, { maxBatch: 7 });
    const keys = Array.from({ length: 10 }, (_, i) => `call-${i}`);
    for (let i = 0; i < 500; i++) assert.equal(log.append(topic.name, keys[i % 10]!, bytes(`${i}`)), true);
    await within(subscription.drained(), "drained");
    for (const key of keys) {
      const expected = Array.from({ length: 50 }, (_, i) => `${i * 10 + keys.indexOf(key)}`);
      assert.deepEqual(
        records.filter((record) => record.key === key).map((record) => record.text),
        expected,
      );
    }
    assert.equal(records.length, 500);
  }),

  check("one key stays in one partition, and keys spread over all", async (log) => {
    const where = new Map<string, Set<number>>();
    for (let i = 0; i < 60; i++) {
      const key = `call-${i % 20}`;
      const { partition } = await log.publish(topic.name, key, bytes("x"));
      where.set(key, (where.get(key) ?? new Set()).add(partition));
    }
    for (const partitions of where.values()) assert.equal(partitions.size, 1);
    assert.equal(new Set([...where.values()].flatMap((set) => [...set])).size, topic.partitions);
  }),

  check("a batch is of one partition and its offsets grow by one", async (log) => {
    const next = new Map<number, number>();
    let largest = 0;
    let wrong = 0;
    for (let i = 0; i < 300; i++) log.append(topic.name, `call-${i % 11}`, bytes(`${i}`));
    const subscription = await log.subscribe({
      topics: [topic.name],
      group: "g",
      from: "earliest",
      maxBatch: 16,
      handle(batch) {
        largest = Math.max(largest, batch.length);
        for (const record of batch) {
          if (record.partition !== batch[0]!.partition || record.offset !== (next.get(record.partition) ?? 0)) wrong++;
          next.set(record.partition, record.offset + 1);
        }
      },
    });
    await within(subscription.drained(), "drained");
    assert.ok(largest <= 16);
    assert.equal(wrong, 0);
    let handled = 0;
    for (const count of next.values()) handled += count;
    assert.equal(handled, 300);
  }),

  check("values and keys of any bytes arrive as they were sent, with the time of appending", async (log) => {
    const values = [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array(16 * 1024).fill(255)];
    const before = Date.now();
    for (const value of values) await log.publish(single.name, "schlüssel-☎", value);
    const read = await log.read(single.name, 0, 0, 10);
    assert.deepEqual(
      read.map((record) => Buffer.from(record.value).toString("hex")),
      values.map((value) => Buffer.from(value).toString("hex")),
    );
    for (const record of read) {
      assert.equal(record.key, "schlüssel-☎");
      assert.ok(Math.abs(record.appendedAtMs - before) < 60_000);
    }
  }),

  check("the caller may use its buffer again as soon as append returns", async (log) => {
    const buffer = new Uint8Array(4);
    for (let i = 0; i < 100; i++) {
      buffer.fill(i);
      log.append(single.name, "k", buffer);
    }
    await log.flush();
    const read = await log.read(single.name, 0, 0, 200);
    assert.deepEqual(
      read.map((record) => [...record.value]),
      Array.from({ length: 100 }, (_, i) => [i, i, i, i]),
    );
  }),

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

  check("members of one group share the partitions, and take over from one that leaves", async (log) => {
    const taken = [new Set<number>(), new Set<number>()];
    const hooks = (mine: Set<number>) => ({
      assigned(partitions: readonly number[]) {
        for (const partition of partitions) mine.add(partition);
      },
      revoked(partitions: readonly number[]) {
        for (const partition of partitions) mine.delete(partition);
      },
    });
    const one = await collect(log, hooks(taken[0]!));
    const two = await collect(log, hooks(taken[1]!));
    await sharedOut(...taken.map((partitions) => ({ partitions })));
    for (let i = 0; i < 120; i++) await log.publish(topic.name, `call-${i % 30}`, bytes(`${i}`));
    await within(Promise.all([one.subscription.drained(), two.subscription.drained()]), "drained");
    const values = [...one.records, ...two.records].map((record) => record.text);
    assert.equal(new Set(values).size, 120);
    assert.equal(values.length, 120);
    assert.ok(one.records.length > 0 && two.records.length > 0, "both have work");
    await one.subscription.stop();
    const before = one.records.length;
    await until(() => taken[1]!.size === topic.partitions, "the one that stays has everything");
    for (let i = 120; i < 150; i++) await log.publish(topic.name, `call-${i}`, bytes(`${i}`));
    await within(two.subscription.drained(), "drained by the one that stays");
    assert.equal(one.records.length, before);
    assert.equal(new Set([...one.records, ...two.records].map((record) => record.text)).size, 150);
  }),

  check("partition p of every topic of a subscription goes to the same member", async (log) => {
    const seen = new Map<string, Set<string>>();
    let mixed = 0;
    const join = (member: string) =>
      joinAs(member, log, [], {
        topics: [topic.name, beside.name],
        handle(batch) {
          if (batch.some((record) => record.topic !== batch[0]!.topic || record.partition !== batch[0]!.partition)) mixed++;
          const name = `${member} ${batch[0]!.topic}`;
          seen.set(name, (seen.get(name) ?? new Set()).add(`${batch[0]!.partition}`));
        },
      });
    const one = await join("one");
    const two = await join("two");
    await sharedOut(one, two);
    for (let i = 0; i < 60; i++) for (const { name } of [topic, beside]) await log.publish(name, `call-${i}`, bytes(`${i}`));
    await within(Promise.all([one.drained(), two.drained()]), "drained");
    const of = (member: string, { name }: TopicSpec) => [...(seen.get(`${member} ${name}`) ?? [])].sort();
    for (const [member, { partitions }] of [
      ["one", one],
      ["two", two],
    ] as const)
      for (const spec of [topic, beside]) assert.deepEqual(of(member, spec), [...partitions].map(String).sort());
    assert.equal(mixed, 0);
  }),

  check("topics with different numbers of partitions are not shared out together", async (log) => {
    await assert.rejects(
      log.subscribe({ topics: [topic.name, single.name], group: "g", from: "earliest", handle() {} }),
      rejectsWith("event_log_not_co_partitioned", "invalid_request"),
    );
  }),

  check("assigned comes before the first batch, which waits for it; it is called again where it fails", async (log) => {
    const journal: Happening[] = [];
    for (let i = 0; i < 30; i++) await log.publish(topic.name, `call-${i}`, bytes("record"));
    let calls = 0;
    const member = await joinAs("one", log, journal, {
      async assigned() {
        calls++;
        await settle(50);
        if (calls === 1) throw failing("unavailable");
      },
    });
    await within(member.drained(), "drained");
    assert.ok(calls >= 2);
    for (const partition of [0, 1, 2])
      assert.deepEqual([...new Set(journal.filter((one) => one.partition === partition).map(({ what }) => what))], ["assigned", "record"]);
    assert.equal(journal.filter(({ what }) => what === "record").length, 30);
  }),

  check("a partition that moves: last batch, revoked, then the other's assigned and first batch; nothing twice", async (log) => {
    const journal: Happening[] = [];
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++, sent++) await log.publish(topic.name, `call-${sent % 20}`, bytes(`${sent}`));
    };
    const slowly = {
      maxBatch: 2,
      handle: (member: string) => async (batch: readonly LogRecord[]) => {
        await settle(3);
        for (const record of batch) journal.push({ member, what: text(record), partition: record.partition });
      },
    };
    const options = (member: string) => ({ maxBatch: slowly.maxBatch, handle: slowly.handle(member), revoked: () => settle(20) });
    await send(100);
    const one = await joinAs("one", log, journal, options("one"));
    await within(one.drained(), "drained by the first");
    await send(60);
    const two = await joinAs("two", log, journal, options("two"));
    await send(60);
    await sharedOut(one, two);
    await within(Promise.all([one.drained(), two.drained()]), "drained by both");
    await one.stop();
    assert.equal(one.partitions.size, 0);
    await send(30);
    await until(() => two.partitions.size === topic.partitions, "the one that stays has everything");
    await within(two.drained(), "drained by the one that stays");
    await two.stop();
    const handled = journal.map(({ what }) => what).filter((what) => what !== "assigned" && what !== "handover");
    assert.deepEqual(
      handled.map(Number).sort((a, b) => a - b),
      Array.from({ length: sent }, (_, i) => i),
    );
    for (const partition of [0, 1, 2]) {
      let owner = "";
      for (const { member, what } of journal.filter((happening) => happening.partition === partition)) {
        assert.equal(owner, what === "assigned" ? "" : member, `${what} of ${member}`);
        if (what === "assigned") owner = member;
        if (what === "handover") owner = "";
      }
      assert.equal(owner, "", "given up at last");
    }
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

  check("of a compacted topic the newest record of each key is kept, whatever its age", async (log) => {
    const newest = new Map<string, string>();
    const put = async (key: string, value: string): Promise<void> => {
      await log.publish(compacted.name, key, bytes(value.padEnd(2000, ".")));
      newest.set(key, value);
    };
    await put("old", "the only one");
    for (let i = 0; i < 200; i++) await put(`key-${i % 7}`, `${i}`);
    await settle(400);
    for (let i = 0; i < 100; i++) await put(`key-${i % 5}`, `again ${i}`);
    await settle(400);
    const found = new Map<string, string>();
    for (const { first, next } of await log.bounds(compacted.name))
      for (let from = first; from < next; ) {
        const records = await log.read(compacted.name, 0, from, 1000);
        if (records.length === 0) break;
        for (const record of records) found.set(record.key, text(record).replace(/\.+$/, ""));
        from = records.at(-1)!.offset + 1;
      }
    assert.deepEqual([...found].sort(), [...newest].sort());
  }),

  check("health says that it works, and that it does not once it is stopped", async (log) => {
    await log.publish(single.name, "k", bytes("x"));
    assert.deepEqual(log.health(), { state: "up", detail: "" });
    await log.stop(1000);
    assert.equal(log.health().state, "down");
    assert.notEqual(log.health().detail, "");
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

  check(
    "append says false when the buffer is full, having taken nothing; publish waits",
    async (log, { holdsBytes = contractLimits.writeBufferBytes }) => {
      const value = new Uint8Array(4096);
      let taken = 0;
      let refused = 0;
      for (let i = 0; i < 200; i++) {
        new DataView(value.buffer).setUint32(0, i);
        if (log.append(single.name, "k", value)) taken++;
        else refused++;
      }
      assert.ok(refused > 0, "some are refused");
      assert.ok(taken * 4096 <= holdsBytes, "no more is taken than the buffer holds");
      assert.ok(taken * 4096 >= contractLimits.writeBufferBytes / 4, "the buffer is used");
      await within(
        Promise.all(Array.from({ length: 100 }, (_, i) => log.publish(single.name, "k", new Uint8Array(4096).fill(i)))),
        "publishes that wait",
      );
      const read = await log.read(single.name, 0, 0, 1000);
      assert.equal(read.length, taken + 100);
      assert.deepEqual(
        read.slice(taken).map((record) => record.value[0]),
        Array.from({ length: 100 }, (_, i) => i),
      );
      assert.equal(log.append(single.name, "k", value), true, "there is room again");
    },
  ),

  check("a record over the limit is refused by code; one at the limit is taken", async (log) => {
    const tooLarge = new Uint8Array(contractLimits.maxRecordBytes + 1);
    assert.throws(() => log.append(single.name, "k", tooLarge), rejectsWith("event_log_record_too_large", "invalid_request"));
    await assert.rejects(log.publish(single.name, "k", tooLarge), rejectsWith("event_log_record_too_large", "invalid_request"));
    await log.publish(single.name, "k", tooLarge.subarray(1));
    assert.equal((await log.read(single.name, 0, 0, 10)).length, 1);
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

  check("a topic that was not declared is an error, for every call", async (log) => {
    const unknown = rejectsWith("event_log_topic_unknown", "invalid_request");
    assert.throws(() => log.append("nowhere.v1", "k", bytes("x")), unknown);
    await assert.rejects(log.publish("nowhere.v1", "k", bytes("x")), unknown);
    await assert.rejects(log.subscribe({ topics: ["nowhere.v1"], group: "g", from: "earliest", handle() {} }), unknown);
    await assert.rejects(log.read("nowhere.v1", 0, 0, 1), unknown);
    await assert.rejects(log.bounds("nowhere.v1"), unknown);
  }),

  check("what was published survives a crash, in order", async (log, harness) => {
    const positions = await Promise.all(Array.from({ length: 50 }, (_, i) => log.publish(single.name, "k", bytes(`${i}`))));
    assert.deepEqual(
      positions.map((position) => position.offset),
      Array.from({ length: 50 }, (_, i) => i),
    );
    const again = await harness.crash();
    await again.declare(all);
    assert.deepEqual(
      (await again.read(single.name, 0, 0, 100)).map(text),
      Array.from({ length: 50 }, (_, i) => `${i}`),
    );
    assert.equal((await again.publish(single.name, "k", bytes("next"))).offset, 50);
  }),

  check("what was appended before a flush survives a crash", async (log, harness) => {
    for (let i = 0; i < 50; i++) log.append(single.name, "k", bytes(`${i}`));
    await log.flush();
    const again = await harness.crash();
    await again.declare(all);
    assert.equal((await again.read(single.name, 0, 0, 100)).length, 50);
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

  check("read goes from any offset, bounded; bounds say what there is", async (log) => {
    for (let i = 0; i < 40; i++) await log.publish(single.name, "k", bytes(`${i}`));
    assert.deepEqual(await log.bounds(single.name), [{ partition: 0, first: 0, next: 40 }]);
    assert.deepEqual((await log.read(single.name, 0, 37, 100)).map(text), ["37", "38", "39"]);
    assert.deepEqual((await log.read(single.name, 0, 5, 2)).map(text), ["5", "6"]);
    assert.deepEqual(await log.read(single.name, 0, 40, 10), []);
  }),

  check("reads of several partitions at once each answer whole", async (log) => {
    for (let i = 0; i < 60; i++) await log.publish(topic.name, `key-${i}`, bytes(`${i}`));
    const partitions = (await log.bounds(topic.name)).map(({ partition }) => partition);
    const read = async (partition: number): Promise<string[]> => {
      const found: string[] = [];
      for (let at = 0; ; at += 5) {
        const some = await log.read(topic.name, partition, at, 5);
        if (some.length === 0) return found;
        found.push(...some.map(text));
      }
    };
    const sent = Array.from({ length: 60 }, (_, i) => `${i}`).sort();
    for (let round = 0; round < 3; round++) assert.deepEqual((await Promise.all(partitions.map(read))).flat().sort(), sent);
  }),

  check("a subscriber at the head is woken at once", async (log) => {
    const { records, subscription } = await collect(log, { topics: [single.name] });
    await within(subscription.drained(), "drained");
    const delays: number[] = [];
    for (let i = 0; i < 20; i++) {
      const from = performance.now();
      log.append(single.name, "k", bytes(`${i}`));
      await until2(() => records.length > i);
      delays.push(performance.now() - from);
    }
    delays.sort((a, b) => a - b);
    assert.ok(delays[10]! < 50, `median ${delays[10]} ms`);
  }),
];

async function until2(condition: () => boolean): Promise<void> {
  const end = performance.now() + waitMs;
  while (!condition()) {
    assert.ok(performance.now() < end, "the record never came");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Registers every check as a test. */
export function eventLogContract(name: string, make: MakeEventLog): void {
  describe(`event log contract: ${name}`, () => {
    for (const one of eventLogChecks) test(one.name, () => one.run(make));
  });
}
