/**
 * Calls through the whole product on Kafka as separate processes on this machine (one gateway, ingest, API; as many pipeline workers as asked),
 * with an engine that takes no time: words on the screen after the endpointing pause (goal: p95 at most 600 ms at 200 calls), consumer lag
 * (goal: under 1 s), what a call costs each process, and, with --kill, how long calls of a killed worker stand still (goal: 10 s).
 *
 *   npm run bench -- calls-on-kafka [--calls=25,50,100] [--workers=1,2] [--seconds=12] [--kill] [--keep]
 *
 * The demo PBX that sends the calls runs on the same machine and is told apart. --keep puts the rows into bench/results and draws table and plot anew;
 * of several of one size the one stays that other programs disturbed least.
 */
import { availableParallelism, cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadCallAudio } from "@earshot/deploy/demo-pbx/call-audio.ts";
import { placeDemoCall } from "@earshot/deploy/demo-pbx/demo-call.ts";
import { scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import { clusterApiKey, clusterMissing, startTestCluster, type TestCluster } from "@earshot/deploy/testing/cluster.ts";
import { mediaPipelineSettings } from "@earshot/media-pipeline/settings.ts";
import { CpuWatch } from "./calls-on-kafka/cpu-watch.ts";
import { type CallsRow, keepCalls } from "./calls-on-kafka/results.ts";
import { type PlacedCall, percentile, ShownWords } from "./words-on-websocket/shown-words.ts";

const pauseMs = mediaPipelineSettings.endpointPauseMs.default;
const chunksPerSecond = 20;
const codec = "PCMA";
// Nothing of a bad line: its turns end elsewhere than the dialogue's do.
const scenarios = scenarioIds().filter((id) => id !== "bad-line");
const warmUpMs = 6000;
const wordsGoalMs = 600;
const killGoalMs = 10_000;

const option = { type: "string" } as const;
const { values } = parseArgs({
  options: { calls: option, workers: option, seconds: option, kill: { type: "boolean" }, keep: { type: "boolean" } },
});
const numbers = (text: string): number[] => text.split(",").map(Number);
const callCounts = numbers(values.calls ?? "25,50,100");
const workerCounts = numbers(values.workers ?? "2");
const seconds = Math.min(40, Number(values.seconds ?? 12));

/** Chunks that no worker has handled yet, as seconds of the calls' audio. */
async function lagSeconds(cluster: TestCluster, workers: readonly string[], calls: number): Promise<number> {
  let records = 0;
  for (const name of workers)
    for (const line of (await cluster.role(name).metrics()).split("\n"))
      if (line.startsWith("earshot_event_log_lag_records{") && line.includes('topic="media.v1"'))
        records += Number(line.slice(line.lastIndexOf(" ")));
  return records / (calls * chunksPerSecond);
}

async function place(cluster: TestCluster, calls: number, forSeconds: number): Promise<PlacedCall[]> {
  const recorder = { address: "127.0.0.1", port: cluster.role("gateway-1").ports.sip };
  const placed: PlacedCall[] = [];
  for (let i = 0; i < calls; i++) {
    const scenario = scenarios[i % scenarios.length]!;
    placed.push({ scenario, call: await placeDemoCall({ scenario, recorder, seconds: forSeconds, codec }) });
  }
  return placed;
}

async function measure(cluster: TestCluster, workers: readonly string[], calls: number): Promise<CallsRow> {
  const api = cluster.role("api-1").ports.http;
  const shown = new ShownWords(api, clusterApiKey);
  try {
    const began = performance.now();
    const placed = await place(cluster, calls, seconds + (warmUpMs + calls * 50) / 1000);
    const placingMs = performance.now() - began;
    await sleep(warmUpMs);
    const cpu = new CpuWatch(cluster.roles, cluster.servers.kafka?.pid);
    let lag = 0;
    for (const until = performance.now() + seconds * 1000; performance.now() < until; await sleep(500))
      lag = Math.max(lag, await lagSeconds(cluster, workers, calls));
    const used = cpu.msPerSecond();
    await Promise.all(placed.map(({ call }) => call.ended));
    await sleep(3000);
    const words = (await shown.delaysMs(placed, cluster.get)).map((delay) => delay - pauseMs);
    const row: CallsRow = {
      workers: workers.length,
      calls,
      turns: words.length,
      wordsP50Ms: Math.round(percentile(words, 0.5)),
      wordsP95Ms: Math.round(percentile(words, 0.95)),
      lagSeconds: Number(lag.toFixed(2)),
      ...used,
    };
    const perCall = (ms: number): string => (ms / calls).toFixed(2);
    console.log(
      `${calls} calls, ${workers.length} workers (placed within ${(placingMs / 1000).toFixed(1)} s): ${words.length} turns; pause ${pauseMs} ms + p50 ${row.wordsP50Ms}, p95 ${row.wordsP95Ms} ms ` +
        `(goal ${wordsGoalMs}, ratio ${(row.wordsP95Ms / wordsGoalMs).toFixed(2)}); lag at most ${row.lagSeconds} s (goal 1)\n` +
        `  ms of CPU per call and second: gateway ${perCall(used.gateway)}, workers ${perCall(used.pipeline)}, ingest ${perCall(used.ingest)}, API ${perCall(used.api)}, Kafka ${perCall(used.kafka)}, stores ${perCall(used.stores)}; ` +
        `the PBX ${perCall(used.pbx)}; of the machine ${used.machinePercent} %, other programs ${used.othersPercent} %`,
    );
    return row;
  } finally {
    shown.close();
  }
}

/** Kills the worker that has most calls while all are up, and waits until the others have taken them up and caught up. */
async function killOne(cluster: TestCluster, workers: readonly string[], calls: number): Promise<void> {
  const callsOf = (name: string) => cluster.gauge(name, "earshot_pipeline_calls");
  const placed = await place(cluster, calls, 40);
  await sleep(warmUpMs);
  const counts = await Promise.all(workers.map(callsOf));
  const victim = workers[counts.indexOf(Math.max(...counts))]!;
  const others = workers.filter((name) => name !== victim);
  const killedAt = performance.now();
  await cluster.role(victim).process.kill();
  const since = async (isDone: () => Promise<boolean>): Promise<number> => {
    while (!(await isDone()) && performance.now() - killedAt < 3 * killGoalMs) await sleep(100);
    return performance.now() - killedAt;
  };
  const up = async () => (await Promise.all(others.map(callsOf))).reduce((sum, each) => sum + each, 0);
  const takenMs = await since(async () => (await up()) >= calls);
  const caughtUpMs = await since(async () => (await lagSeconds(cluster, others, calls)) < 1);
  console.log(
    `a worker with ${Math.max(...counts)} of ${calls} calls killed: all at the others after ${(takenMs / 1000).toFixed(1)} s, ${await up()} there; lag under 1 s again after ${(caughtUpMs / 1000).toFixed(1)} s ` +
      `(goal ${killGoalMs / 1000} s, ratio ${(caughtUpMs / killGoalMs).toFixed(2)})`,
  );
  await Promise.all(placed.map(({ call }) => call.ended));
}

const missing = clusterMissing();
if (missing !== "") {
  console.log(missing);
  process.exit(0);
}
console.log(`${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), shared by everything that is named and the PBX`);
for (const scenario of scenarios) loadCallAudio(scenario, { codec });
for (const count of workerCounts) {
  const workers = Array.from({ length: count }, (_, i) => `pipeline-${i + 1}`);
  const script = fileURLToPath(new URL("./words-on-websocket/scripted-earshot.ts", import.meta.url));
  const cluster = await startTestCluster({ pipelines: count, script, rtpPortsEach: 4 * Math.max(...callCounts) * 2 + 200 });
  const rows: CallsRow[] = [];
  try {
    for (const calls of callCounts) rows.push(await measure(cluster, workers, calls));
    if (values.kill === true && count > 1) await killOne(cluster, workers, callCounts[0]!);
  } finally {
    await cluster.stop();
  }
  if (values.keep === true) console.log(`kept: ${keepCalls(rows)}`);
}
process.exit(0);
