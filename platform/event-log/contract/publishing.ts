/** What is written is kept, in order, whole, within the limits, and can be read. */
import assert from "node:assert/strict";
import {
  all,
  bytes,
  check,
  collect,
  compacted,
  contractLimits,
  type EventLogCheck,
  rejectsWith,
  settle,
  single,
  text,
  topic,
  within,
} from "./stage.ts";

export const publishingChecks: readonly EventLogCheck[] = [
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
];
