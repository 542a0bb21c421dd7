/**
 * What it costs to keep live calls so that another worker can go on with them: the same calls with and without checkpoints, in turn, in one run.
 * Prints CPU and bytes per call, and how long a second worker takes to go on with all of them (in process; a killed one adds the event log's session
 * timeout). `npm run bench -- checkpoints [calls] [seconds] [rounds]`
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPipeline, type Pipeline } from "@earshot/media-pipeline/pipeline.ts";
import { mediaPipelineSettings } from "@earshot/media-pipeline/settings.ts";
import { MemoryObjectStore } from "@earshot/media-pipeline/testing/memory-object-store.ts";
import { ScriptedRecogniser } from "@earshot/media-pipeline/testing/scripted-recogniser.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics, type Metrics } from "@earshot/platform/metrics/metrics.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { chunkMs, startOf, TalkingLeg } from "./words-on-screen/talking-leg.ts";

const calls = Number(process.argv[2] ?? 100);
const seconds = Number(process.argv[3] ?? 20);
const rounds = Number(process.argv[4] ?? 3);

type Run = {
  readonly cpuMs: number;
  readonly bytes: number;
  readonly parts: number;
  readonly stateBytes: number;
  readonly takeOverMs: number;
};

async function run(callCheckpoints: "on" | "off"): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "earshot-checkpoints-"));
  const log = createLog({ level: "error" });
  const { values } = readSettings({ pipeline: mediaPipelineSettings, platform: platformSettings }, {});
  const eventLog = createEmbeddedEventLog({
    directory: join(folder, "log"),
    clock: systemClock,
    log,
    metrics: createMetrics(),
    settings: values.platform,
  });
  await eventLog.start();
  await eventLog.declare(allTopics);
  const objectStore = new MemoryObjectStore();
  let parts = 0;
  const put = objectStore.put.bind(objectStore);
  objectStore.put = (...args) => {
    parts++;
    return put(...args);
  };
  const worker = (name: string, metrics: Metrics): Pipeline =>
    createPipeline({
      settings: { ...values.pipeline, callCheckpoints, spoolDir: join(folder, callCheckpoints === "on" ? name : "spool") },
      log,
      metrics,
      clock: systemClock,
      eventLog,
      objectStore,
      recogniser: new ScriptedRecogniser({ partialEveryMs: 300 }, false),
    });
  const metrics = createMetrics();
  const first = worker("first", metrics);
  await first.start();

  const legs = Array.from({ length: calls * 2 }, (_, i) => new TalkingLeg(`call-${i >> 1}`, i & 1, (i * 13) % 120));
  const startedAtMs = Date.now();
  for (const { callId, leg } of legs) if (leg === 0) eventLog.append("calls.v1", callId, startOf(callId, startedAtMs));
  let due = performance.now();
  const tick = async (): Promise<void> => {
    for (const leg of legs) eventLog.append("media.v1", leg.callId, leg.next());
    due += chunkMs;
    await sleep(Math.max(0, due - performance.now()));
  };
  // Code is compiled and the detector warm before it counts.
  for (let i = 0; i < 30; i++) await tick();
  const before = process.cpuUsage();
  for (let i = 0; i < (seconds * 1000) / chunkMs; i++) await tick();
  const cpu = process.cpuUsage(before);
  const bytes = await counted(metrics, "earshot_pipeline_checkpoint_bytes_total");
  const partsStored = parts;
  const states = await Promise.all(
    (await eventLog.bounds("call-state.v1")).map(({ partition, first: from, next }) =>
      eventLog.read("call-state.v1", partition, from, next - from),
    ),
  );
  const stateBytes = states.flat().reduce((sum, { value }) => sum + value.length, 0);

  const secondMetrics = createMetrics();
  const second = worker("second", secondMetrics);
  const partitions = (await eventLog.bounds("media.v1")).length;
  if (callCheckpoints === "on") await second.start();
  const handedOverAt = performance.now();
  await first.stop(5000);
  if (callCheckpoints === "off") await second.start();
  const goesOn = async (): Promise<boolean> => (await counted(secondMetrics, "earshot_pipeline_take_over_seconds_count")) >= partitions;
  while (!(await goesOn())) await tick();
  const takeOverMs = performance.now() - handedOverAt;
  await second.stop(5000);
  await eventLog.stop(5000);
  rmSync(folder, { recursive: true });
  return { cpuMs: (cpu.user + cpu.system) / 1000, bytes, parts: partsStored, stateBytes, takeOverMs };
}

async function counted(metrics: Metrics, name: string): Promise<number> {
  const line = (await metrics.expose()).split("\n").find((one) => one.startsWith(name));
  return Number(line?.split(" ").at(-1) ?? 0);
}

const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const off: Run[] = [];
const on: Run[] = [];
for (let round = 0; round < rounds; round++) {
  off.push(await run("off"));
  on.push(await run("on"));
}
const without = middle(off.map(({ cpuMs }) => cpuMs));
const withThem = middle(on.map(({ cpuMs }) => cpuMs));
const perCallSecond = calls * seconds;
const { bytes, parts, stateBytes } = on[0]!;
const elapsed = perCallSecond + calls * 3;
console.log(
  `${calls} calls, ${seconds} s, middle of ${rounds}: CPU ${without.toFixed(0)} ms without, ${withThem.toFixed(0)} ms with checkpoints: ratio ${(withThem / without).toFixed(2)}, ` +
    `${(((withThem - without) * 1000) / perCallSecond).toFixed(0)} µs per call and second (log and load generator included in both)`,
);
console.log(
  `  object store ${(bytes / elapsed / 1000).toFixed(1)} kB per call and second in ${((parts / elapsed) * 60).toFixed(1)} parts a minute (raw audio of the recording 32.0 kB); state ${(stateBytes / elapsed).toFixed(0)} bytes per call and second`,
);
console.log(
  `  handed over: all calls go on after ${middle(on.map(({ takeOverMs }) => takeOverMs)).toFixed(0)} ms of 10,000 allowed (restart on the same machine without checkpoints ${middle(off.map(({ takeOverMs }) => takeOverMs)).toFixed(0)} ms)`,
);
process.exit(0);
