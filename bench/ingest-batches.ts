/**
 * Which batches form on the way into the column store when 10, 200 and 2,000 calls are up: events per batch, batches per second, and CPU of this
 * process per event (log, decoding, column store), in real time. Calls of 20 s follow one another; each says a sentence every three seconds. Beside
 * it, in the same run, the CPU per event of the largest batch there can be (everything at once).
 *
 *   npm run bench -- ingest-batches [--calls=10,200,2000] [--seconds=20]
 */
import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createIngest } from "@earshot/analytics/ingest/ingest.ts";
import { createClickHouseCallStore } from "@earshot/analytics/store/clickhouse/call-store.ts";
import { exampleCall } from "@earshot/analytics/store/clickhouse/contract.ts";
import { storeSettings } from "@earshot/analytics/store/settings.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { type Event, encodeEvent, type PayloadCase } from "@earshot/proto/event.ts";
import { allTopics, type TopicName } from "@earshot/proto/topics.ts";

const option = { type: "string" } as const;
const { values } = parseArgs({ options: { calls: option, seconds: option }, allowPositionals: true });
const callCounts = (values.calls ?? "10,200,2000").split(",").map(Number);
const seconds = Number(values.seconds ?? 20);
const callMs = 20_000;
const warmUpMs = 5000;
const sentences = Array.from({ length: 6 }, (_, i) => `That is sentence number ${i} of this call, and it says nothing new`);

const topicOf: Partial<Record<PayloadCase, TopicName>> = {
  transcriptSegment: "transcripts.v1",
  sentiment: "insights.v1",
  alert: "insights.v1",
  attention: "insights.v1",
  lineQuality: "line-quality.v1",
  conversationMetrics: "conversation.v1",
  recordingStored: "recordings.v1",
  stageReached: "ledger.v1",
};
type Sent = { readonly atMs: number; readonly topic: TopicName; readonly key: string; readonly value: Uint8Array };

function eventsOf(call: string, startMs: number): Sent[] {
  return exampleCall("bench", call, startMs, sentences).map((event: Event) => ({
    atMs: event.occurredAtMs,
    topic: topicOf[event.payload.case!] ?? "calls.v1",
    key: call,
    value: encodeEvent(event as never),
  }));
}

type Row = { events: number; batches: number; seconds: number; cpuMicros: number };

/** `feed` hands out what is due. */
async function measure(forMs: number, feed: (nowMs: number) => readonly Sent[]): Promise<Row> {
  // The product's own timers keep no process alive.
  const alive = setInterval(() => {}, 1000);
  const directory = await mkdtemp(join(tmpdir(), "earshot-bench-batches-"));
  const { platform, store: settings } = readSettings({ platform: platformSettings, store: storeSettings }, {}).values;
  const metrics = createMetrics();
  const common = { clock: systemClock, log: silentLog, metrics };
  const eventLog = createEmbeddedEventLog({ ...common, directory: join(directory, "log"), settings: platform });
  const store = createClickHouseCallStore({ ...common, url: `chdb:${join(directory, "store")}`, settings, settles: false });
  const ingest = createIngest({ ...common, eventLog, store, settings });
  const batches = async (): Promise<{ events: number; batches: number }> => {
    const text = await metrics.expose();
    const read = (name: string): number => Number(new RegExp(`^earshot_ingest_batch_rows_${name} (\\S+)`, "m").exec(text)?.[1] ?? 0);
    return { events: read("sum"), batches: read("count") };
  };
  await eventLog.start();
  await eventLog.declare(allTopics);
  await store.start();
  await ingest.start();
  try {
    let fedMicros = 0;
    const run = async (ms: number): Promise<void> => {
      for (const until = Date.now() + ms; Date.now() < until; await sleep(50)) {
        const before = process.cpuUsage();
        for (const { topic, key, value } of feed(Date.now())) eventLog.append(topic, key, value);
        const { user, system } = process.cpuUsage(before);
        fedMicros += user + system;
      }
    };
    await run(warmUpMs);
    fedMicros = 0;
    const [before, cpu, from] = [await batches(), process.cpuUsage(), performance.now()];
    await run(forMs);
    await ingest.drained();
    const { user, system } = process.cpuUsage(cpu);
    const after = await batches();
    const events = after.events - before.events;
    return {
      events,
      batches: after.batches - before.batches,
      seconds: (performance.now() - from) / 1000,
      cpuMicros: (user + system - fedMicros) / Math.max(1, events),
    };
  } finally {
    await ingest.stop(5000);
    await store.stop(5000);
    await eventLog.stop(5000);
    await rm(directory, { recursive: true, force: true });
    clearInterval(alive);
  }
}

/** `calls` are up at any time; one that ends is followed by another. */
function inRealTime(calls: number): (nowMs: number) => readonly Sent[] {
  const began = Date.now();
  const places = Array.from({ length: calls }, (_, i) => ({
    nextStartMs: began - callMs + (i * callMs) / calls,
    waiting: [] as Sent[],
    count: 0,
  }));
  return (nowMs) => {
    const due: Sent[] = [];
    for (const [i, place] of places.entries()) {
      if (place.nextStartMs <= nowMs) {
        place.waiting.push(...eventsOf(`call-${calls}-${i}-${place.count++}`, place.nextStartMs));
        place.nextStartMs += callMs;
      }
      let count = 0;
      while (count < place.waiting.length && place.waiting[count]!.atMs <= nowMs) count++;
      if (count > 0) due.push(...place.waiting.splice(0, count));
    }
    return due;
  };
}

/** Every event of many calls that are over, as fast as the log takes them: the batches are as large as they can be. */
function allAtOnce(): (nowMs: number) => readonly Sent[] {
  let count = 0;
  return (nowMs) => Array.from({ length: 250 }, () => eventsOf(`once-${count++}`, nowMs - 60_000)).flat();
}

const [only] = process.argv.slice(2);
if (process.send !== undefined && only !== undefined) {
  const row = only === "all" ? await measure(4000, allAtOnce()) : await measure(seconds * 1000, inRealTime(Number(only)));
  process.send(row, () => process.exit(0));
} else {
  // The engine is made for one store per process.
  const rowOf = (what: string): Promise<Row> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url), [what, `--seconds=${seconds}`], {
        execArgv: ["--disable-warning=ExperimentalWarning"],
      });
      child.once("message", (row) => resolve(row as Row)).once("exit", (code) => reject(new Error(`the measurement ended with ${code}`)));
    });
  console.log(`Events into the column store, batches as they form (one waits at most ${storeSettings.ingestBatchMs.default} ms):`);
  const atOnce = await rowOf("all");
  const print = (name: string, row: Row): void =>
    console.log(
      `  ${name.padStart(12)}: ${(row.events / row.batches).toFixed(0).padStart(5)} events per batch, ${(row.batches / row.seconds).toFixed(1)} batches/s, ` +
        `${(row.events / row.seconds).toFixed(0).padStart(6)} events/s, ${row.cpuMicros.toFixed(0).padStart(5)} us CPU per event ` +
        `(${(row.cpuMicros / atOnce.cpuMicros).toFixed(1)} x), ${((row.cpuMicros * row.events) / row.seconds / 10_000).toFixed(1)} % of a core`,
    );
  for (const calls of callCounts) print(`${calls} calls`, await rowOf(String(calls)));
  print("all at once", atOnce);
}
