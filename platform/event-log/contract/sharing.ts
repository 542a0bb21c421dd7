/** How the members of a group share the partitions, and how one moves. */
import assert from "node:assert/strict";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import type { EventLog, LogRecord } from "../port.ts";
import {
  all,
  beside,
  bytes,
  check,
  collect,
  type EventLogCheck,
  failing,
  type Happening,
  joinAs,
  rejectsWith,
  settle,
  single,
  text,
  topic,
  until,
  within,
} from "./stage.ts";

/** Resolves when the members together own every partition of the contract's topic, and each owns some. */
async function sharedOut(...members: { partitions: Set<number> }[]): Promise<void> {
  await until(
    () =>
      members.every(({ partitions }) => partitions.size > 0) &&
      members.reduce((sum, { partitions }) => sum + partitions.size, 0) === topic.partitions,
    "every partition has an owner",
  );
}

export const sharingChecks: readonly EventLogCheck[] = [
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

  check("assigned is told where each topic of a partition goes on", async (log, harness) => {
    for (let i = 0; i < 60; i++) for (const { name } of [topic, beside]) await log.publish(name, `call-${i}`, bytes(`${i}`));
    const member = async (eventLog: EventLog) => {
      const told = new Map<string, number>();
      const firsts = new Map<string, number>();
      const joined = await joinAs("one", eventLog, [], {
        topics: [topic.name, beside.name],
        assigned(partitions, _, from) {
          for (const partition of partitions)
            for (const { name } of [topic, beside]) told.set(`${name} ${partition}`, from(name, partition));
        },
        handle(batch) {
          const where = `${batch[0]!.topic} ${batch[0]!.partition}`;
          if (!firsts.has(where)) firsts.set(where, batch[0]!.offset);
        },
      });
      return { joined, told, firsts };
    };
    const one = await member(log);
    await within(one.joined.drained(), "drained");
    assert.equal(one.told.size, 2 * topic.partitions);
    assert.ok([...one.told.values()].every((offset) => offset === 0));
    const ends = new Map<string, number>();
    for (const { name } of [topic, beside])
      for (const { partition, next } of await log.bounds(name)) ends.set(`${name} ${partition}`, next);
    await one.joined.stop();
    const again = await harness.restart();
    await again.declare(all);
    for (let i = 0; i < 60; i++) for (const { name } of [topic, beside]) await again.publish(name, `call-${i}`, bytes(`${i}`));
    const two = await member(again);
    await within(two.joined.drained(), "drained after the restart");
    assert.deepEqual(two.told, ends);
    assert.deepEqual(two.firsts, ends);
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
];
