/** What only the embedded adapter can do wrong: files cut off or damaged, a killed writer, retention. */
import { spawn } from "node:child_process";
import { mkdtemp, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../clock/clock.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import { createLog } from "../log/log.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { defaultPlatformSettings, type EventLogSettings } from "../settings.ts";
import { createEmbeddedEventLog } from "./embedded.ts";
import type { EventLog } from "./port.ts";

const spec: TopicSpec = {
  name: "t.v1",
  partitions: 1,
  retentionMs: 60_000,
  retentionBytes: 1 << 30,
  cleanup: "delete",
  key: "callId",
  message: "Event",
  writtenBy: "test",
};
const value = (i: number, size = 1000): Uint8Array => {
  const bytes = new Uint8Array(size).fill(i);
  new DataView(bytes.buffer).setUint32(0, i);
  return bytes;
};
const indexOf = (record: { value: Uint8Array }): number => new DataView(record.value.buffer, record.value.byteOffset).getUint32(0);

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one();
});

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "earshot-crash-"));
  cleanUp.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function start(at: string, options: { settings?: Partial<EventLogSettings>; clock?: ManualClock; spec?: TopicSpec } = {}) {
  let lines = "";
  const metrics = createMetrics();
  const log: EventLog = createEmbeddedEventLog({
    directory: at,
    clock: options.clock ?? systemClock,
    log: createLog({ level: "warn", destination: { write: (line) => (lines += line) } }),
    metrics,
    settings: { ...defaultPlatformSettings(), ...options.settings },
  });
  await log.start();
  cleanUp.push(() => log.stop(1000));
  await log.declare([options.spec ?? spec]);
  return { log, metrics, logged: () => lines };
}

async function segmentFiles(at: string): Promise<string[]> {
  const folder = join(at, "topics", spec.name, "0");
  return (await readdir(folder)).sort().map((name) => join(folder, name));
}

test("a torn tail is cut off with a warning, and writing goes on where it was cut", async () => {
  const at = await directory();
  const first = await start(at);
  for (let i = 0; i < 10; i++) await first.log.publish(spec.name, "k", value(i));
  await first.log.stop(1000);
  const [file] = await segmentFiles(at);
  await truncate(file!, (await stat(file!)).size - 300);
  const second = await start(at);
  expect(second.logged()).toContain("torn tail");
  expect((await second.log.read(spec.name, 0, 0, 100)).map(indexOf)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await second.log.publish(spec.name, "k", value(99))).toEqual({ partition: 0, offset: 9 });
  await second.log.stop(1000);
  const third = await start(at);
  expect(third.logged()).toBe("");
  expect((await third.log.read(spec.name, 0, 8, 100)).map(indexOf)).toEqual([8, 99]);
});

test.each([1, 11, 23, 24, 30])("a tail of %i stray bytes is cut off too", async (bytes) => {
  const at = await directory();
  const first = await start(at);
  await first.log.publish(spec.name, "k", value(1));
  await first.log.stop(1000);
  const [file] = await segmentFiles(at);
  const handle = await open(file!, "a");
  await handle.write(Buffer.alloc(bytes, 0x45));
  await handle.close();
  const second = await start(at);
  expect(second.logged()).toContain(`"bytes":${bytes}`);
  expect(await second.log.bounds(spec.name)).toEqual([{ partition: 0, first: 0, next: 1 }]);
});

test("damage in the middle costs its own records only: the reader skips and counts them", async () => {
  const at = await directory();
  const first = await start(at);
  for (let i = 0; i < 10; i++) await first.log.publish(spec.name, "k", value(i));
  await first.log.stop(1000);
  const [file] = await segmentFiles(at);
  const handle = await open(file!, "r+");
  // Each publish was a batch of its own: 24 + 14 + 1 + 1000 bytes.
  await handle.write(Buffer.from([0xff]), 0, 1, 4 * 1039 + 500);
  await handle.close();
  const { log, metrics, logged } = await start(at);
  const seen: number[] = [];
  const subscription = await log.subscribe({
    topics: [spec.name],
    group: "g",
    from: "earliest",
    handle(batch) {
      seen.push(...batch.map(indexOf));
    },
  });
  await subscription.drained();
  expect(seen).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9]);
  expect(logged()).toContain("damaged");
  expect(await metrics.expose()).toContain('earshot_event_log_lost_total{topic="t.v1",group="g",reason="damage"} 1');
});

test("damage in an older segment, up to its end, costs that segment's records only", async () => {
  const at = await directory();
  const settings = { segmentBytes: 64 * 1024 };
  const first = await start(at, { settings });
  for (let i = 0; i < 40; i++) await first.log.publish(spec.name, "k", value(i, 10_000));
  await first.log.stop(1000);
  const files = await segmentFiles(at);
  expect(files.length).toBeGreaterThan(4);
  const handle = await open(files[1]!, "r+");
  await handle.write(Buffer.alloc((await stat(files[1]!)).size, 0xaa), 0);
  await handle.close();
  const { log, metrics } = await start(at, { settings });
  const seen: number[] = [];
  const subscription = await log.subscribe({
    topics: [spec.name],
    group: "g",
    from: "earliest",
    handle: (batch) => void seen.push(...batch.map(indexOf)),
  });
  await subscription.drained();
  expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i).filter((i) => i < 6 || i >= 12));
  expect(await metrics.expose()).toContain('reason="damage"} 6');
});

test("a writer killed in mid-write loses no record that was published", async () => {
  const at = await directory();
  const child = spawn(process.execPath, [join(dirname(fileURLToPath(import.meta.url)), "crash-writer.ts"), at], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let acknowledged = -1;
  let rest = "";
  const enough = new Promise<void>((resolve) => {
    child.stdout.on("data", (data: Buffer) => {
      const lines = (rest + data.toString()).split("\n");
      rest = lines.pop()!;
      for (const line of lines) acknowledged = Math.max(acknowledged, Number(line));
      if (acknowledged > 300) resolve();
    });
  });
  await enough;
  process.kill(child.pid!, "SIGKILL");
  await new Promise((resolve) => child.on("close", resolve));
  const { log } = await start(at);
  const records = await log.read(spec.name, 0, 0, 1_000_000);
  const published = records.filter((record) => record.key === "published").map(indexOf);
  expect(acknowledged).toBeGreaterThan(300);
  expect(published.slice(0, acknowledged + 1)).toEqual(Array.from({ length: acknowledged + 1 }, (_, i) => i));
  expect(records.filter((record) => record.key === "appended").length).toBeGreaterThan(0);
});

test("a second process is refused while the first lives, and let in when it is gone", async () => {
  const at = await directory();
  const first = await start(at);
  await expect(start(at)).rejects.toMatchObject({ category: "conflict", code: "data_directory_in_use" });
  await first.log.stop(100);
  await start(at);
});

test("retention by time deletes old segments; a group that fell behind goes on at the first and counts what it lost", async () => {
  const at = await directory();
  const clock = new ManualClock();
  const { log, metrics, logged } = await start(at, { clock, settings: { segmentBytes: 64 * 1024, tailBytes: 256 * 1024 } });
  const seen: number[] = [];
  const options = {
    topics: [spec.name],
    group: "behind",
    from: "earliest",
    handle: (batch: readonly { value: Uint8Array }[]) => void seen.push(...batch.map(indexOf)),
  } as const;
  await (await log.subscribe(options)).stop();
  for (let i = 0; i < 100; i++) await log.publish(spec.name, "k", value(i, 10_000));
  clock.advance(61_000);
  for (let i = 100; i < 110; i++) await log.publish(spec.name, "k", value(i, 10_000));
  clock.advance(15_000);
  await expect.poll(async () => (await log.bounds(spec.name))[0]!.first).toBeGreaterThan(80);
  await log.stop(1000);
  const again = await start(at, { clock, settings: { segmentBytes: 64 * 1024 } });
  const first = (await again.log.bounds(spec.name))[0]!.first;
  const subscription = await again.log.subscribe(options);
  await subscription.drained();
  expect(seen).toEqual(Array.from({ length: 110 - first }, (_, i) => first + i));
  expect(await again.metrics.expose()).toContain(`earshot_event_log_lost_total{topic="t.v1",group="behind",reason="retention"} ${first}`);
  expect(again.logged()).toContain("lost records it had not read");
  expect(logged()).toBe("");
  expect(await metrics.expose()).not.toContain('reason="retention"');
});

test("retention by size keeps the newest; a reader in mid-segment reads on", async () => {
  const at = await directory();
  const clock = new ManualClock();
  const small: TopicSpec = { ...spec, retentionMs: 1e12, retentionBytes: 400_000 };
  const { log } = await start(at, { clock, spec: small, settings: { tailBytes: 256 * 1024 } });
  for (let i = 0; i < 100; i++) await log.publish(spec.name, "k", value(i, 10_000));
  let release: (() => void) | undefined;
  const seen: number[] = [];
  const subscription = await log.subscribe({
    topics: [spec.name],
    group: "g",
    from: "earliest",
    maxBatch: 3,
    async handle(batch) {
      if (seen.length === 0)
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      for (const record of batch) {
        expect(record.value.every((byte, at) => at < 4 || byte === indexOf(record))).toBe(true);
        seen.push(indexOf(record));
      }
    },
  });
  await expect.poll(() => release).toBeDefined();
  clock.advance(15_000);
  await expect.poll(async () => (await log.bounds(spec.name))[0]!.first).toBeGreaterThan(50);
  release!();
  await subscription.drained();
  expect(seen.slice(0, 3)).toEqual([0, 1, 2]);
  expect(seen.at(-1)).toBe(99);
  let onDisk = 0;
  for (const file of await segmentFiles(at)) onDisk += (await stat(file)).size;
  expect(onDisk).toBeLessThan(520_000);
});

test("a full disk: publish fails with a remedy, nothing is lost, and writing goes on when there is room", async () => {
  const at = await directory();
  const { log } = await start(at, { settings: { segmentBytes: 64 * 1024 } });
  for (let i = 0; i < 6; i++) await log.publish(spec.name, "k", value(i, 10_000));
  // The next segment cannot be made: a directory stands in its place.
  const { mkdir } = await import("node:fs/promises");
  const obstacle = join(at, "topics", spec.name, "0", `${"6".padStart(16, "0")}.log`);
  await mkdir(obstacle);
  await expect(log.publish(spec.name, "k", value(6, 10_000))).rejects.toMatchObject({
    category: "unavailable",
    code: "event_log_write_failed",
  });
  await rm(obstacle, { recursive: true });
  await log.publish(spec.name, "k", value(7, 10_000));
  expect((await log.read(spec.name, 0, 0, 100)).map(indexOf)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("a record larger than the whole write buffer goes alone", async () => {
  const { log } = await start(await directory(), { settings: { writeBufferBytes: 64 * 1024 } });
  await log.publish(spec.name, "k", value(0, 200_000));
  expect(log.append(spec.name, "k", value(1, 200_000))).toBe(true);
  expect(log.append(spec.name, "k", value(2, 200_000))).toBe(false);
  await Promise.all([3, 4, 5].map((i) => log.publish(spec.name, "k", value(i, 200_000))));
  expect((await log.read(spec.name, 0, 0, 100)).map(indexOf)).toEqual([0, 1, 3, 4, 5]);
});

test("a reader that starts in the files catches up with a fast writer, through the change to memory, without a gap", async () => {
  const { log, logged } = await start(await directory(), { settings: { segmentBytes: 256 * 1024, tailBytes: 256 * 1024 } });
  const total = 20_000;
  const seen: number[] = [];
  let written = 0;
  const write = (until: number): void => {
    while (written < until && log.append(spec.name, "k", value(written, 300))) written++;
  };
  write(total / 2);
  await log.flush();
  const subscription = await log.subscribe({
    topics: [spec.name],
    group: "g",
    from: "earliest",
    maxBatch: 37,
    handle(batch) {
      for (const record of batch) seen.push(record.value[100] === (indexOf(record) & 255) ? indexOf(record) : -1);
    },
  });
  while (written < total) {
    write(Math.min(total, written + 50));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await subscription.drained();
  expect(logged()).toBe("");
  expect(seen.length).toBe(total);
  expect(seen.every((one, i) => one === i)).toBe(true);
});
