/** What a broker does to the log in real life: killed, hung, gone for a while, and members that die; nothing acknowledged is lost. */
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { categoryOf, EarshotError } from "@earshot/proto/errors.ts";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import { Admin, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from "@platformatic/kafka";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../clock/clock.ts";
import { silentLog } from "../../log/log.ts";
import type { EventLogSettings } from "../../settings.ts";
import type { EventLog } from "../port.ts";
import { spoolOver } from "../spooling-harness.ts";
import { Cable } from "../testing/cable.ts";
import { KafkaBroker, kafkaMissing } from "../testing/kafka-broker.ts";
import { parseKafkaUrl } from "./connection.ts";
import { Fetchers } from "./fetchers.ts";
import { makeOn, openOn } from "./harness.ts";
import { KafkaSubscription } from "./subscription.ts";

const missing = kafkaMissing();
const spec: TopicSpec = {
  name: "fault.v1",
  partitions: 4,
  retentionMs: 3_600_000,
  retentionBytes: 64 * 1024 * 1024,
  cleanup: "delete",
  key: "callId",
  // Audio is compressed on its way, events are not: the contract suite writes the other ones.
  message: "MediaChunk",
  writtenBy: "test",
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(missing !== "")(`Kafka's faults ${missing}`, () => {
  let broker: KafkaBroker;
  let cable: Cable;
  const opened: EventLog[] = [];
  const open = async (url: string, settings: Partial<EventLogSettings> = {}): Promise<EventLog> => {
    const log = await openOn(url, { retryMaxMs: 500, writeBufferBytes: 1024 * 1024, ...settings });
    opened.push(log);
    await log.declare([spec]);
    return log;
  };
  const fresh = (): string => `${broker.url}/${randomUUID().slice(0, 8)}`;

  beforeAll(async () => {
    cable = await Cable.start();
    broker = await KafkaBroker.start({ through: [cable] });
  }, 120_000);
  afterEach(async () => {
    cable.mend();
    for (const log of opened.splice(0)) await log.stop(0);
  });
  afterAll(async () => {
    await broker?.dispose();
    await cable?.stop();
  });

  /** Asks again while a broker that has just come back is not the leader of everything yet. */
  async function patiently<T>(ask: () => Promise<T>): Promise<T> {
    for (const end = performance.now() + 20_000; ; await wait(100))
      try {
        return await ask();
      } catch (error) {
        if (categoryOf(error) !== "unavailable" || performance.now() > end) throw error;
      }
  }

  /** Every record of the topic, by key, in order. */
  async function stored(log: EventLog): Promise<Map<string, string[]>> {
    const byKey = new Map<string, string[]>();
    for (const { partition, first, next } of await patiently(() => log.bounds(spec.name)))
      for (let from = first; from < next; ) {
        const records = await patiently(() => log.read(spec.name, partition, from, 1000));
        for (const { key, value } of records) byKey.set(key, [...(byKey.get(key) ?? []), new TextDecoder().decode(value)]);
        from = records.at(-1)!.offset + 1;
      }
    return byKey;
  }

  /** Writes by both ways while `fault` happens; afterwards every record is there once, in order. */
  async function writeThrough(fault: (states: ReadonlySet<string>) => Promise<void>): Promise<{ states: Set<string> }> {
    const log = await open(fresh());
    const states = new Set<string>();
    const published: Promise<unknown>[] = [];
    let isOver = false;
    const writing = (async () => {
      let i = 0;
      for (; !isOver; i++) {
        for (let key = 0; key < 5; key++) {
          while (!log.append(spec.name, `appended-${key}`, bytes(`${i}`))) await wait(5);
          published.push(log.publish(spec.name, `published-${key}`, bytes(`${i}`)));
        }
        states.add(log.health().state);
        await wait(5);
      }
      return i;
    })();
    const received: string[] = [];
    const subscription = await log.subscribe({
      topics: [spec.name],
      group: "g",
      from: "earliest",
      handle: (batch) => {
        for (const { key, value } of batch) received.push(`${key} ${new TextDecoder().decode(value)}`);
      },
    });
    await wait(300);
    await fault(states);
    await wait(500);
    isOver = true;
    const count = await writing;
    await Promise.all(published);
    await log.flush();
    await expect.poll(() => log.health(), { timeout: 20_000 }).toEqual({ state: "up", detail: "" });
    const expected = Array.from({ length: count }, (_, i) => `${i}`);
    const found = await stored(log);
    expect(found.size).toBe(10);
    for (const values of found.values()) expect(values).toEqual(expected);
    await subscription.drained();
    expect(new Set(received).size).toBe(count * 10);
    return { states };
  }

  test("killed and started again: what was taken is there once, in order, and health told", async () => {
    const { states } = await writeThrough(async () => {
      await broker.kill();
      await wait(1500);
      await broker.restart();
    });
    expect([...states]).toEqual(expect.arrayContaining(["up", "down"]));
  });

  test("stopped in good order and started again", async () => {
    await writeThrough(async () => {
      await broker.stop();
      await broker.restart();
    });
  });

  test("hung for seconds: degraded, then everything is there once", async () => {
    await writeThrough(async (states) => {
      broker.pause();
      await expect.poll(() => [...states]).toContain("degraded");
      broker.resume();
    });
  });

  test.each([
    ["two hours ahead", 2 * 3_600_000],
    ["two hours behind", -2 * 3_600_000],
  ])("a machine whose clock is %s writes like any other, and the broker says when", async (_, wrongByMs) => {
    const log = makeOn(fresh(), {}, { ...systemClock, now: () => Date.now() + wrongByMs });
    opened.push(log);
    await log.start();
    await log.declare([spec]);
    const { partition, offset } = await log.publish(spec.name, "key", bytes("words"));
    const [record] = await log.read(spec.name, partition, offset, 1);
    expect(Math.abs(record!.appendedAtMs - Date.now())).toBeLessThan(60_000);
    expect(log.health().state).toBe("up");
  });

  test("while it is away the buffer fills, append says false, publish waits, and it all goes out in the end", async () => {
    const log = await open(fresh());
    await log.publish(spec.name, "k", bytes("first"));
    await broker.kill();
    let taken = 0;
    while (log.append(spec.name, "k", new Uint8Array(10_000))) taken++;
    expect(taken * 10_000).toBeLessThanOrEqual(1024 * 1024);
    const published = log.publish(spec.name, "k", new Uint8Array(10_000));
    await expect.poll(() => log.health().state, { timeout: 10_000 }).toBe("down");
    expect(log.health().detail).toMatch(/Kafka cannot be reached/);
    await broker.restart();
    await published;
    const sizes = [...(await stored(log)).values()].flat().length;
    expect(sizes).toBe(taken + 2);
  });

  test("members come, leave in order, vanish, and the broker is killed in mid-rebalance: nothing is lost, hand-overs double nothing", async () => {
    const url = fresh();
    const writer = await open(url);
    const seen = new Map<string, number>();
    const join = async (log?: EventLog): Promise<{ log: EventLog; partitions: Set<number> }> => {
      log ??= await open(url);
      const partitions = new Set<number>();
      await log.subscribe({
        topics: [spec.name],
        group: "g",
        from: "earliest",
        maxBatch: 20,
        assigned: (taken) => {
          for (const one of taken) partitions.add(one);
        },
        revoked: (given) => {
          for (const one of given) partitions.delete(one);
        },
        handle: async (batch) => {
          await wait(1);
          for (const { key, value } of batch) {
            const id = `${key} ${new TextDecoder().decode(value)}`;
            seen.set(id, (seen.get(id) ?? 0) + 1);
          }
        },
      });
      return { log, partitions };
    };
    let isOver = false;
    let count = 0;
    const writing = (async () => {
      for (; !isOver; count++) {
        for (let key = 0; key < 20; key++) while (!writer.append(spec.name, `key-${key}`, bytes(`${count}`))) await wait(5);
        await wait(5);
      }
    })();
    const one = await join();
    const two = await join();
    const three = await join();
    const total = (...members: { partitions: Set<number> }[]) => members.reduce((sum, { partitions }) => sum + partitions.size, 0);
    await expect.poll(() => total(one, two, three), { timeout: 10_000 }).toBe(4);
    await one.log.stop(5000);
    await expect.poll(() => total(two, three), { timeout: 10_000 }).toBe(4);
    expect([...seen.values()].filter((times) => times > 1)).toEqual([]);
    const four = join(await open(url));
    await wait(50);
    await broker.kill();
    await wait(500);
    await broker.restart();
    const last = await four;
    await expect.poll(() => total(two, three, last), { timeout: 30_000 }).toBe(4);
    isOver = true;
    await writing;
    await writer.flush();
    await expect.poll(() => seen.size, { timeout: 30_000 }).toBe(count * 20);
  });

  test("cut off for longer than its session: a member knows it before the network is back, and handles nothing of what came meanwhile", async () => {
    const url = fresh();
    const writer = await open(url);
    const seen = new Map<number, number>();
    const join = async (log: EventLog) => {
      const partitions = new Map<number, () => boolean>();
      const told: string[] = [];
      await log.subscribe({
        topics: [spec.name],
        group: "g",
        from: "earliest",
        assigned: (taken, isOurs) => {
          for (const one of taken) partitions.set(one, isOurs);
        },
        revoked: (given, why) => {
          told.push(why);
          for (const one of given) partitions.delete(one);
        },
        handle: (batch) => {
          for (const { value } of batch) {
            const number = Number(new TextDecoder().decode(value));
            seen.set(number, (seen.get(number) ?? 0) + 1);
          }
        },
      });
      return { partitions, told };
    };
    let count = 0;
    let isOver = false;
    onTestFinished(() => {
      isOver = true;
    });
    const writing = (async () => {
      for (; !isOver && writer.health().state === "up"; count++) {
        writer.append(spec.name, `key-${count % 20}`, bytes(`${count}`));
        await wait(5);
      }
    })();
    const far = await join(await open(url.replace(broker.address, `127.0.0.1:${cable.port}`)));
    const near = await join(await open(url));
    await expect.poll(() => [far.partitions.size, near.partitions.size], { timeout: 10_000 }).toEqual([2, 2]);
    await wait(500);
    const ours = [...far.partitions.values()];
    expect(ours.every((isOurs) => isOurs())).toBe(true);
    cable.cut();
    const cutAt = count;
    await expect.poll(() => near.partitions.size, { timeout: 10_000 }).toBe(4);
    expect(ours.some((isOurs) => isOurs())).toBe(false);
    // Once when the second one came, and now.
    await expect.poll(() => far.told).toEqual(["handover", "lost"]);
    await wait(1000);
    cable.mend();
    await expect.poll(() => [far.partitions.size, near.partitions.size], { timeout: 20_000 }).toEqual([2, 2]);
    expect(ours.some((isOurs) => isOurs())).toBe(false);
    isOver = true;
    await writing;
    await writer.flush();
    await expect.poll(() => seen.size, { timeout: 10_000 }).toBe(count);
    await wait(500);
    expect([...seen].filter(([number, times]) => number >= cutAt && times > 1)).toEqual([]);
  });

  test("what a member is still taking over is not free: who joins meanwhile gets it when it has been given up", async () => {
    const url = fresh();
    await open(url);
    const journal: string[] = [];
    const slow = Promise.withResolvers<void>();
    const subscribe = async (name: string, mayBegin: Promise<void>): Promise<KafkaSubscription> => {
      const address = parseKafkaUrl(url);
      const log = await open(url);
      const subscription = new KafkaSubscription(
        {
          topics: [spec.name],
          group: "g",
          from: "earliest",
          handle: () => {},
          assigned: (taken) => void journal.push(...taken.map((one) => `${name} takes ${one}`)),
          revoked: (given) => void journal.push(...given.map((one) => `${name} gives ${one}`)),
        },
        [{ name: spec.name, kafkaName: address.prefix + spec.name, isCompacted: false }],
        spec.partitions,
        `${address.prefix}g`,
        {
          address,
          clientId: name,
          clock: systemClock,
          log: silentLog,
          firstBackoffMs: 10,
          maxBackoffMs: 100,
          fetchers: new Fetchers({
            address,
            clientId: name,
            maxBytesPerPartition: 1024 * 1024,
            waitMs: 100,
            intervalMs: 10,
            retryMs: 10,
            failed: () => {},
            succeeded: () => {},
          }),
          prefetchBytes: 1024 * 1024,
          sessionTimeoutMs: 2000,
          offsetIntervalMs: 100,
          bounds: async (_, partitions) => {
            await mayBegin;
            const all = await log.bounds(spec.name);
            return all.filter(({ partition }) => partitions.includes(partition));
          },
          flush: () => log.flush(),
          publishDeadLetter: async () => {},
          countLoss: () => {},
          countDeadLetter: () => {},
          countDropped: () => {},
          countHandled: () => {},
          reading: () => {},
        },
      );
      await subscription.start();
      return subscription;
    };
    const first = await subscribe("first", slow.promise);
    const second = await subscribe("second", Promise.resolve());
    await wait(1500);
    expect(journal).toEqual([]);
    slow.resolve();
    const ofSecond = () => journal.filter((one) => one.startsWith("second takes"));
    await expect.poll(() => ofSecond().length, { timeout: 10_000 }).toBe(2);
    for (const taken of ofSecond())
      expect(journal.indexOf(taken.replace("second takes", "first gives"))).toBeLessThan(journal.indexOf(taken));
    expect(ofSecond().every((taken) => journal.includes(taken.replace("second takes", "first gives")))).toBe(true);
    await Promise.all([first.stop(), second.stop()]);
  });

  test("a record that is not due any more when the broker is back is withdrawn, and what stands around it goes out", async () => {
    const log = await open(fresh());
    await log.publish(spec.name, "k", bytes("before"));
    await broker.kill();
    let isDue = true;
    const dueWhile = (): boolean => isDue;
    // The request under way when the broker went takes no part in it.
    log.append(spec.name, "k", bytes("first"));
    await wait(100);
    log.append(spec.name, "k", bytes("withdrawn"), dueWhile);
    log.append(spec.name, "k", bytes("second"));
    const flushed = log.flush();
    const published = log.publish(spec.name, "k", bytes("withdrawn too"), dueWhile);
    const refused = expect(published).rejects.toMatchObject({ category: "cancelled", code: "event_log_record_withdrawn" });
    log.append(spec.name, "k", bytes("third"));
    isDue = false;
    await broker.restart();
    await Promise.all([flushed, refused, log.flush()]);
    expect((await stored(log)).get("k")).toEqual(["before", "first", "second", "third"]);
  });

  test("a writer with a spool is killed while the broker is away: what it had on disk goes out after its restart, in order", async () => {
    const url = fresh();
    const reader = await open(url);
    const directory = await mkdtemp(join(tmpdir(), "earshot-spool-"));
    const child = spawn(process.execPath, [join(import.meta.dirname, "spool-writer.ts"), url, directory, "spooled.v1"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk));
    const reported = (): number[] => said.trimEnd().split("\n").filter(Boolean).map(Number);
    const written = (): number => reported().length;
    try {
      await expect.poll(written, { timeout: 15_000 }).toBeGreaterThan(20);
      await broker.kill();
      const before = written();
      await expect.poll(written, { timeout: 15_000 }).toBeGreaterThan(before + 100);
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
      await broker.restart();
      const again = spoolOver(makeOn(url, { retryMaxMs: 500 }), directory);
      opened.push(again);
      await again.start();
      const topic = { ...spec, name: "spooled.v1", partitions: 1 };
      await again.declare([topic]);
      await again.publish("spooled.v1", "k", bytes("after"));
      await again.flush();
      await reader.declare([topic]);
      const found = (await patiently(() => reader.read("spooled.v1", 0, 0, 100_000))).map(({ value }) => new TextDecoder().decode(value));
      // Some may come twice after the kill; the first of each is in order, and none that was reported is missing.
      const firsts = [...new Set(found)];
      expect(firsts.at(-1)).toBe("after");
      const numbers = firsts.slice(0, -1).map(Number);
      expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
      const there = new Set(numbers);
      expect(reported().filter((number) => !there.has(number))).toEqual([]);
    } finally {
      child.kill("SIGKILL");
      await rm(directory, { recursive: true, force: true });
    }
  });

  test("a record that the topic refuses for its size fails alone; what came with it is written, and health does not stay down", async () => {
    const url = fresh();
    const log = await open(url, { maxRecordBytes: 100_000 });
    const admin = new Admin({ clientId: "t", bootstrapBrokers: [broker.address] });
    await admin.incrementalAlterConfigs({
      resources: [
        {
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName: `${url.split("/").at(-1)}.${spec.name}`,
          configs: [{ name: "max.message.bytes", value: "20000", configOperation: IncrementalAlterConfigOperationTypes.SET }],
        },
      ],
    });
    await admin.close();
    const tooLarge = (key: string) => log.publish(spec.name, key, randomBytes(50_000)).catch((error: unknown) => error);
    // The broker says yes to a changed setting before its log goes by it.
    await expect.poll(() => tooLarge("probe")).toMatchObject({ code: "event_log_record_too_large" });
    const before = log.publish(spec.name, "k", bytes("before"));
    const refused = tooLarge("k");
    expect(log.append(spec.name, "k", bytes("appended"))).toBe(true);
    const after = log.publish(spec.name, "k", bytes("after"));
    expect(await refused).toMatchObject({ code: "event_log_record_too_large" });
    expect((await after).offset).toBe((await before).offset + 2);
    await log.flush();
    expect((await stored(log)).get("k")).toEqual(["before", "appended", "after"]);
    expect(log.health()).toEqual({ state: "up", detail: "" });
  });

  test("a changed retention takes effect; other numbers of partitions are refused", async () => {
    const url = fresh();
    const log = await open(url);
    await log.declare([{ ...spec, retentionMs: 7_200_000 }]);
    const admin = new Admin({ clientId: "t", bootstrapBrokers: [broker.address] });
    const retention = async () => {
      const [config] = await admin.describeConfigs({
        resources: [
          {
            resourceType: ConfigResourceTypes.TOPIC,
            resourceName: `${url.split("/").at(-1)}.${spec.name}`,
            configurationKeys: ["retention.ms"],
          },
        ],
      });
      return config!.configs[0]!.value;
    };
    await expect.poll(retention).toBe("7200000");
    await admin.close();
    await expect(log.declare([{ ...spec, partitions: 6 }])).rejects.toMatchObject({ code: "event_log_partitions_changed" });
  });

  test("an address where no broker is fails at start, with what to check", async () => {
    const failure = await openOn("kafka://127.0.0.1:1").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EarshotError);
    expect(failure).toMatchObject({
      code: "kafka_unavailable",
      category: "unavailable",
      remedy: expect.stringContaining("EARSHOT_EVENT_LOG"),
    });
    await expect(openOn("kafka://nowhere")).rejects.toMatchObject({ code: "kafka_url_invalid" });
    await expect(openOn(broker.url.replace("kafka:", "kafkas:"))).rejects.toMatchObject({ code: "kafka_unavailable" });
  });
});

describe.skipIf(missing !== "")(`Kafka with logins and permissions ${missing}`, () => {
  let broker: KafkaBroker;
  beforeAll(async () => {
    broker = await KafkaBroker.start({ users: { admin: "s3cret/:@", nobody: "other" } });
  }, 120_000);
  afterAll(() => broker?.dispose());

  test("the right password is let in, a wrong one is told so, a user without permissions too", async () => {
    const log = await openOn(broker.url);
    await log.declare([spec]);
    await log.publish(spec.name, "k", bytes("x"));
    await log.stop(5000);
    await expect(openOn(`kafka://admin:wrong@${broker.address}`)).rejects.toMatchObject({
      code: "kafka_login_failed",
      remedy: expect.stringContaining("password"),
    });
    await expect(openOn(`kafka://nobody:other@${broker.address}`)).rejects.toMatchObject({
      code: "kafka_permission_missing",
      remedy: expect.stringContaining("kafka-acls"),
    });
  });
});
