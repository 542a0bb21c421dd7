/**
 * Kafka clients beside each other, in one run on one real broker: CPU of this process per record to produce and to consume a media chunk of
 * 1,600 bytes and an event of 211, by kafkajs and by @platformatic/kafka, without compression and with gzip, and by the embedded log and the
 * Kafka event log as the product uses them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { createKafkaEventLog } from "@earshot/platform/event-log/kafka/kafka.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { KafkaBroker, kafkaMissing } from "@earshot/platform/event-log/testing/kafka-broker.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import { Admin, Consumer, Producer } from "@platformatic/kafka";
import { CompressionTypes, Kafka, logLevel } from "kafkajs";

const partitions = 4;
const batchRecords = 300;
const keys = Array.from({ length: 1000 }, (_, i) => `0198f6a2-7c1e-7d3a-9b1c-${String(i).padStart(12, "0")}`);

async function cpuPerRecord(records: number, work: () => Promise<void>): Promise<number> {
  const from = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(from);
  return (user + system) / records;
}

/** G.711 of speech does not compress: as good as random. An event's text does. */
function payload(size: number): Buffer {
  if (size < 1000) return Buffer.from("segment of a call, said by the agent, with words and times; ".repeat(10)).subarray(0, size);
  const value = Buffer.alloc(size);
  for (let i = 0; i < size; i++) value[i] = (Math.imul(i + 1, 0x9e3779b1) >>> 13) & 0xff;
  return value;
}

type Codec = "none" | "gzip";
type Figures = { produce: number; consume: number };

async function platformatic(broker: string, topic: string, size: number, records: number, compression: Codec): Promise<Figures> {
  const base = { clientId: "bench", bootstrapBrokers: [broker] };
  const producer = new Producer({ ...base, idempotent: true, compression });
  const value = payload(size);
  const produce = await cpuPerRecord(records, async () => {
    for (let i = 0; i < records; i += batchRecords)
      await producer.send({
        messages: Array.from({ length: Math.min(batchRecords, records - i) }, (_, n) => ({
          topic,
          partition: (i + n) % partitions,
          key: Buffer.from(keys[(i + n) % keys.length]!),
          value,
        })),
      });
  });
  await producer.close();
  const consumer = new Consumer({ ...base, groupId: `bench-${topic}`, autocommit: false });
  const stream = await consumer.consume({ topics: [topic], mode: "earliest", maxWaitTime: 100 });
  const consume = await cpuPerRecord(records, async () => {
    let seen = 0;
    for await (const _ of stream) if (++seen >= records) break;
  });
  await consumer.close(true);
  return { produce, consume };
}

async function kafkaJs(broker: string, topic: string, size: number, records: number, compression: Codec): Promise<Figures> {
  const kafka = new Kafka({ clientId: "bench", brokers: [broker], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition!,
  });
  await producer.connect();
  const value = payload(size);
  const type = compression === "gzip" ? CompressionTypes.GZIP : CompressionTypes.None;
  const produce = await cpuPerRecord(records, async () => {
    for (let i = 0; i < records; i += batchRecords)
      await producer.send({
        topic,
        acks: -1,
        compression: type,
        messages: Array.from({ length: Math.min(batchRecords, records - i) }, (_, n) => ({
          partition: (i + n) % partitions,
          key: keys[(i + n) % keys.length]!,
          value,
        })),
      });
  });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: `bench-${topic}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const consume = await cpuPerRecord(
    records,
    () =>
      new Promise<void>((resolve, reject) => {
        let seen = 0;
        consumer
          .run({
            autoCommit: false,
            eachBatch: async ({ batch }) => {
              seen += batch.messages.length;
              if (seen >= records) resolve();
            },
          })
          .catch(reject);
      }),
  );
  await consumer.disconnect();
  return { produce, consume };
}

/** As the gateway writes: bursts of 100, at the pace the log takes them; then as a consumer group reads. */
async function eventLog(log: EventLog, name: string, size: number, records: number): Promise<Figures> {
  const spec: TopicSpec = {
    name,
    partitions,
    retentionMs: 3_600_000,
    retentionBytes: 2 ** 31,
    cleanup: "delete",
    key: "callId",
    message: size < 1000 ? "Event" : "MediaChunk",
    writtenBy: "bench",
  };
  await log.start();
  await log.declare([spec]);
  const value = payload(size);
  const produce = await cpuPerRecord(records, async () => {
    for (let i = 0; i < records; ) {
      for (const end = Math.min(records, i + 100); i < end && log.append(name, keys[i % keys.length]!, value); ) i++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await log.flush();
  });
  const consume = await cpuPerRecord(records, async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let seen = 0;
    const subscription = await log.subscribe({
      topics: [name],
      group: "bench",
      from: "earliest",
      handle(batch) {
        seen += batch.length;
        if (seen >= records) resolve();
      },
    });
    await promise;
    await subscription.stop();
  });
  await log.stop(5000);
  return { produce, consume };
}

export async function run(): Promise<void> {
  const missing = kafkaMissing();
  if (missing !== "") {
    console.log(missing);
    return;
  }
  const broker = await KafkaBroker.start({ properties: { "log.retention.bytes": `${2 ** 31}` } });
  const folder = await mkdtemp(join(tmpdir(), "earshot-bench-kafka-"));
  try {
    const admin = new Admin({ clientId: "bench", bootstrapBrokers: [broker.address] });
    const rows: Record<string, unknown>[] = [];
    for (const [size, records] of [
      [1600, 60_000],
      [211, 120_000],
    ] as const) {
      const common = {
        clock: systemClock,
        log: silentLog,
        metrics: createMetrics(),
        settings: { ...defaultPlatformSettings(), kafkaPartitions: 1 },
      };
      const embedded = await eventLog(createEmbeddedEventLog({ ...common, directory: join(folder, `${size}`) }), "bench.v1", size, records);
      const row = (what: string, figures: Figures): void => {
        rows.push({
          what,
          bytes: size,
          "produce µs": Number(figures.produce.toFixed(2)),
          "consume µs": Number(figures.consume.toFixed(2)),
          "produce x embedded": Number((figures.produce / embedded.produce).toFixed(2)),
          "consume x embedded": Number((figures.consume / embedded.consume).toFixed(2)),
        });
      };
      row("embedded event log", embedded);
      row(
        "Kafka event log",
        await eventLog(createKafkaEventLog({ ...common, metrics: createMetrics(), url: broker.url }), `bench-${size}.v1`, size, records),
      );
      for (const codec of ["none", "gzip"] as const)
        for (const [name, measure] of [
          ["@platformatic/kafka", platformatic],
          ["kafkajs", kafkaJs],
        ] as const) {
          const topic = `${name.replace(/\W/g, "")}-${codec}-${size}`;
          await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
          const count = codec === "gzip" ? records / 4 : records;
          row(`${name}, ${codec}`, await measure(broker.address, topic, size, count, codec));
        }
    }
    await admin.close();
    console.log("Kafka clients: CPU per record, in batches of 300 and as the event logs batch");
    console.table(rows);
  } finally {
    await broker.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) await run();
