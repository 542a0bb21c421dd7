/** How many requests go to the broker: each costs as much as hundreds of records, here and there. Counted at the client, as it sends them. */

import { randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { EventLogSettings } from "../../settings.ts";
import type { EventLog } from "../port.ts";
import { KafkaBroker, kafkaMissing } from "../testing/kafka-broker.ts";
import { openOn } from "./harness.ts";

const missing = kafkaMissing();
const events: TopicSpec = {
  name: "requests.v1",
  partitions: 1,
  retentionMs: 3_600_000,
  retentionBytes: 64 * 1024 * 1024,
  cleanup: "delete",
  key: "callId",
  message: "Event",
  writtenBy: "test",
};
const audio: TopicSpec = { ...events, name: "requests-audio.v1", message: "MediaChunk" };
const quiet = [1, 2, 3].map((number): TopicSpec => ({ ...events, name: `requests-quiet-${number}.v1` }));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const sent = "tracing:plt:kafka:connections:api:start";
const produce = 0;
const fetch = 1;

describe.skipIf(missing !== "")(`requests to Kafka ${missing}`, () => {
  let broker: KafkaBroker;
  const opened: EventLog[] = [];
  const counts = new Map<number, number>();
  const count = (message: unknown): void => {
    const { apiKey } = message as { apiKey: number };
    counts.set(apiKey, (counts.get(apiKey) ?? 0) + 1);
  };
  const requests = (apiKey: number): number => counts.get(apiKey) ?? 0;
  const open = async (settings: Partial<EventLogSettings>): Promise<EventLog> => {
    const log = await openOn(`${broker.url}/${randomUUID().slice(0, 8)}`, settings);
    opened.push(log);
    await log.declare([events, audio, ...quiet]);
    return log;
  };

  beforeAll(async () => {
    broker = await KafkaBroker.start();
    subscribe(sent, count);
  }, 120_000);
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.stop(0);
    counts.clear();
  });
  afterAll(async () => {
    unsubscribe(sent, count);
    await broker?.dispose();
  });

  test("records that come one by one go together, audio and events at their own pace, in order", async () => {
    const log = await open({ kafkaIntervalMs: 100, kafkaMediaIntervalMs: 200 });
    const began = performance.now();
    let made = 0;
    for (; performance.now() - began < 1000; made++) {
      for (const { name } of [events, audio]) expect(log.append(name, "call", bytes(`${made}`))).toBe(true);
      await wait(2);
    }
    await log.flush();
    const seconds = (performance.now() - began) / 1000;
    // And one each for the flush.
    expect(requests(produce)).toBeLessThanOrEqual(Math.ceil(seconds * (10 + 5)) + 4);
    for (const { name } of [events, audio]) {
      const records = await log.read(name, 0, 0, made + 1);
      expect(records.map(({ value }) => new TextDecoder().decode(value))).toEqual(Array.from({ length: made }, (_, i) => `${i}`));
    }
  });

  test("the first record after a pause, a flush and a full request wait for nothing", async () => {
    const intervalMs = 10_000;
    const log = await open({ kafkaIntervalMs: intervalMs, writeBufferBytes: 8 * 1024 * 1024 });
    const began = performance.now();
    await log.publish(events.name, "call", bytes("first"));
    const second = log.publish(events.name, "call", bytes("second"));
    await log.flush();
    await second;
    for (let i = 0; i < 120; i++) log.append(events.name, "call", new Uint8Array(16_000));
    await expect.poll(async () => (await log.bounds(events.name))[0]!.next, { interval: 20, timeout: intervalMs }).toBeGreaterThan(40);
    // Whatever waits, waits for the interval.
    expect(performance.now() - began).toBeLessThan(intervalMs - 500);
  });

  test("a reader that keeps up asks at its own pace", async () => {
    const log = await open({ kafkaIntervalMs: 200 });
    let seen = 0;
    const handle = (batch: readonly unknown[]): void => {
      seen += batch.length;
    };
    await log.subscribe({ topics: [audio.name], group: "g", from: "latest", durable: false, handle });
    counts.clear();
    const began = performance.now();
    let made = 0;
    for (; performance.now() - began < 1000; made++) {
      log.append(audio.name, "call", bytes(`${made}`));
      await wait(5);
    }
    await log.flush();
    await expect.poll(() => seen).toBe(made);
    expect(requests(fetch)).toBeLessThanOrEqual(((performance.now() - began) / 1000) * 10 + 2);
  });

  test("subscriptions that share nothing read with one poll, and each gets what is its own, also where two read one topic", async () => {
    const log = await open({});
    const seen = new Map<string, string[]>();
    const names = [...quiet, quiet[0]!].map(({ name }, i) => ({ name, reader: `${i} ${name}` }));
    const readers = await Promise.all(
      names.map(({ name, reader }) =>
        log.subscribe({
          topics: [name],
          group: "g",
          from: "latest",
          durable: false,
          handle(batch) {
            seen.set(reader, [...(seen.get(reader) ?? []), ...batch.map(({ value }) => new TextDecoder().decode(value))]);
          },
        }),
      ),
    );
    await wait(300);
    counts.clear();
    const began = performance.now();
    await wait(1000);
    // Two polls of 250 ms each, not four.
    expect(requests(fetch)).toBeLessThanOrEqual(((performance.now() - began) / 1000) * 10);
    for (const { name } of quiet) await log.publish(name, "call", bytes(name));
    await expect.poll(() => [...seen.keys()].sort()).toEqual(names.map(({ reader }) => reader).sort());
    for (const { name, reader } of names) expect(seen.get(reader)).toEqual([name]);
    // One that leaves takes nothing from the others.
    await readers[1]!.stop();
    for (const { name } of quiet) await log.publish(name, "call", bytes("more"));
    await expect.poll(() => names.map(({ reader }) => seen.get(reader)!.length)).toEqual([2, 1, 2, 2]);
  });
});
