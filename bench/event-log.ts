/**
 * Cost of the embedded event log, µs of CPU (user + system, all threads) per record: append, and consume at the head, beside plain `fs.write` of the
 * same bytes in the same run, in blocks as large as the log's own writes.
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import type { TopicSpec } from "@earshot/proto/topics.ts";

const topic: TopicSpec = {
  name: "bench.v1",
  partitions: 4,
  retentionMs: 3_600_000,
  retentionBytes: 8 * 1024 ** 3,
  cleanup: "delete",
  key: "callId",
  message: "MediaChunk",
  writtenBy: "bench",
};
const keys = Array.from({ length: 1000 }, (_, i) => `0198f6a2-7c1e-7d3a-9b1c-${String(i).padStart(12, "0")}`);
/** Appended in one go before the event loop gets its turn, as a burst of packets would. */
const burst = 100;

type Cost = { cpuMicros: number; wallMs: number; refused: number };

async function measured(records: number, work: () => Promise<number>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const from = performance.now();
  const refused = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMicros: (user + system) / records, wallMs: performance.now() - from, refused };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function plainWrites(directory: string, records: number, size: number): Promise<Cost> {
  const block = Buffer.alloc(128 * 1024, 1);
  const bytes = records * (size + 14 + 36);
  const file = await open(join(directory, "plain"), "w");
  try {
    return await measured(records, async () => {
      for (let at = 0; at < bytes; at += block.length) await file.write(block, 0, Math.min(block.length, bytes - at), at);
      await file.datasync();
      return 0;
    });
  } finally {
    await file.close();
  }
}

async function eventLog(directory: string, records: number, size: number, consume: boolean): Promise<Cost> {
  const log = createEmbeddedEventLog({
    directory,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics(),
    settings: defaultPlatformSettings(),
  });
  await log.start();
  await log.declare([topic]);
  let handled = 0;
  if (consume)
    await log.subscribe({
      topics: [topic.name],
      group: "bench",
      from: "earliest",
      handle(batch) {
        for (const record of batch) handled += record.value[0]!;
      },
    });
  const value = new Uint8Array(size).fill(1);
  const cost = await measured(records, async () => {
    let refused = 0;
    for (let i = 0; i < records; ) {
      for (const end = Math.min(records, i + burst); i < end; ) {
        if (log.append(topic.name, keys[i % keys.length]!, value)) i++;
        else {
          refused++;
          break;
        }
      }
      await turn();
    }
    await log.flush();
    while (consume && handled < records) await turn();
    return refused;
  });
  await log.stop(5000);
  return cost;
}

/** At the pace of 1,000 two-stream calls: what share of one core appending and consuming take, and how late a record is handled. */
async function paced(directory: string): Promise<{ corePercent: number; p50Ms: number; p99Ms: number; refused: number }> {
  const perTick = 200;
  const seconds = 3;
  const log = createEmbeddedEventLog({
    directory,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics(),
    settings: defaultPlatformSettings(),
  });
  await log.start();
  await log.declare([topic]);
  const delays: number[] = [];
  await log.subscribe({
    topics: [topic.name],
    group: "bench",
    from: "earliest",
    handle(batch) {
      const now = performance.now();
      for (const record of batch) delays.push(now - new DataView(record.value.buffer, record.value.byteOffset).getFloat64(0));
    },
  });
  const value = new Uint8Array(1600);
  const view = new DataView(value.buffer);
  const cpu = process.cpuUsage();
  const start = performance.now();
  let sent = 0;
  let refused = 0;
  while (performance.now() - start < seconds * 1000) {
    const due = Math.floor((performance.now() - start) / 10) * perTick;
    for (; sent < due; sent++) {
      view.setFloat64(0, performance.now());
      if (!log.append(topic.name, keys[sent % keys.length]!, value)) refused++;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await log.flush();
  const { user, system } = process.cpuUsage(cpu);
  const wallMicros = (performance.now() - start) * 1000;
  await log.stop(5000);
  delays.sort((a, b) => a - b);
  return {
    corePercent: ((user + system) / wallMicros) * 100,
    p50Ms: delays[Math.floor(delays.length / 2)] ?? Number.NaN,
    p99Ms: delays[Math.floor(delays.length * 0.99)] ?? Number.NaN,
    refused,
  };
}

export async function run(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "earshot-bench-"));
  const rows: Record<string, unknown>[] = [];
  let folder = 0;
  const fresh = (): string => join(root, String(folder++));
  try {
    await eventLog(fresh(), 20_000, 1600, true);
    for (const [size, records] of [
      [1600, 100_000],
      [211, 300_000],
    ] as const) {
      const plain = await plainWrites(root, records, size);
      const append = await eventLog(fresh(), records, size, false);
      const both = await eventLog(fresh(), records, size, true);
      const row = (what: string, cost: Cost) =>
        rows.push({
          what,
          bytes: size,
          "µs CPU per record": Number(cost.cpuMicros.toFixed(2)),
          "x plain fs.write": Number((cost.cpuMicros / plain.cpuMicros).toFixed(2)),
          "records/s": Math.round(records / (cost.wallMs / 1000)),
          "refused, tried again": cost.refused,
        });
      row("plain fs.write", plain);
      row("append", append);
      row("append + consume", both);
      await rm(root, { recursive: true, force: true });
      const { mkdir } = await import("node:fs/promises");
      await mkdir(root);
    }
    console.log("event log, embedded");
    console.table(rows);
    const pace = await paced(fresh());
    console.log(
      `20,000 records/s of 1,600 bytes, appended and consumed: ${pace.corePercent.toFixed(0)} % of one core, handled after p50 ${pace.p50Ms.toFixed(1)} ms, p99 ${pace.p99Ms.toFixed(1)} ms, refused ${pace.refused}`,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

if (import.meta.main) await run();
