/** One size: calls written to Kafka first, then heard by workers that start on them, then stored by one ingest process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ingestGroup, ingestTopics } from "@earshot/analytics/ingest/ingest.ts";
import { planCluster } from "@earshot/deploy/cluster/cluster.ts";
import type { RoleProcess } from "@earshot/deploy/cluster/role-process.ts";
import { startServers } from "@earshot/deploy/cluster/servers.ts";
import { scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import { mediaPipelineSettings as pipeline } from "@earshot/media-pipeline/settings.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { openEventLog } from "@earshot/platform/event-log/open.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings, platformSettings as platform } from "@earshot/platform/settings.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { CpuWatch } from "../calls-on-kafka/cpu-watch.ts";
import { residentMiB } from "../memory/outside-figures.ts";
import { type BacklogCall, backlogCalls, writeEnds, writeSpoken } from "./backlog.ts";
import { cutOtherwise, notHeard, readTranscripts } from "./heard.ts";
import type { GrowthRow } from "./results.ts";

export type PointOptions = {
  readonly workers: number;
  readonly calls: number;
  /** Each call's length. */
  readonly seconds: number;
  /** So many of the workers join when a part has been heard, so that calls move to them while there is a backlog. */
  readonly late: number;
  /** How fast the workers are expected to hear it all: 2 = each call's second in half a second. */
  readonly speed: number;
  /** It fails where any of its parts takes longer. */
  readonly limitMs: number;
};

/** Code is compiled and buffers have grown by then; what comes after is measured. */
const warmShare = 0.25;
const pollMs = 250;
/** The longest that a worker may stand still. */
const stillMs = 60_000;
const apiKey = "ear_growth_0123456789abcdef0123456789abcdef";
// Nothing of a bad line: its turns end elsewhere than the dialogue's do.
const scenarios = scenarioIds().filter((id) => id !== "bad-line");

/**
 * What the product does by the clock, at the pace of the calls: a state of each is saved, and so on, as often for a second of call as in real time.
 */
function atPace(speed: number): Record<string, string> {
  const paced = [
    pipeline.checkpointIntervalMs,
    pipeline.metricsIntervalMs,
    pipeline.vadBatchIntervalMs,
    platform.kafkaIntervalMs,
    platform.offsetIntervalMs,
  ];
  return Object.fromEntries(
    paced.map(({ env, schema, default: usual }) => {
      // The nearest that the setting takes.
      let ms = Math.max(1, Math.round(usual / speed));
      while (!schema.safeParse(ms).success) ms += ms < usual ? 1 : -1;
      return [env, String(ms)];
    }),
  );
}

/** @throws Error where it takes too long, or the workers did not do all of the work */
export async function measurePoint({
  workers,
  calls: count,
  seconds,
  late: lateWorkers,
  speed,
  limitMs,
}: PointOptions): Promise<GrowthRow> {
  const directory = mkdtempSync(join(tmpdir(), "earshot-growth-"));
  /** Waits until `what` has come so far. */
  const until = async (what: string, goal: () => number | Promise<number>, done: () => Promise<number>): Promise<void> => {
    for (const end = performance.now() + limitMs; ; await sleep(pollMs)) {
      const [has, wants] = [await done(), await goal()];
      if (has >= wants) return;
      if (performance.now() > end)
        throw new Error(
          `${count} calls, ${workers} workers: ${what}: only ${has} of ${Math.ceil(wants)} were done within ${limitMs / 1000} s.`,
        );
    }
  };
  const servers = await startServers(join(directory, "servers"), {});
  const roles: RoleProcess[] = [];
  let eventLog: EventLog | undefined;
  try {
    const script = fileURLToPath(new URL("../words-on-websocket/scripted-earshot.ts", import.meta.url));
    // Workers are held still while the audio is written, and must not be taken for dead.
    const still = { [platform.kafkaSessionMs.env]: String(stillMs), [pipeline.standstillMs.env]: String(stillMs) };
    const env = {
      ...still,
      EARSHOT_ADMIN_API_KEY: apiKey,
      EARSHOT_ADMIN_PASSWORD: "correct horse battery staple",
      ...atPace(speed),
      ...servers.env,
    };
    roles.push(...(await planCluster({ size: { gateways: 0, pipelines: workers, ingests: 1, apis: 1 }, directory, env, script })));
    const of = (role: RoleProcess["role"]): RoleProcess[] => roles.filter((each) => each.role === role);
    const [api] = of("analytics-api");
    const [ingest] = of("analytics-ingest");
    const pipelines = of("media-pipeline");
    const late = pipelines.splice(workers - lateWorkers);
    const kafkaPid = servers.kafka?.pid;
    // It prepares the stores, and shows nothing meanwhile.
    await api!.process.start();
    await api!.process.stop();
    const log = createLog({ level: "error" });
    eventLog = openEventLog({
      clock: systemClock,
      log,
      metrics: createMetrics(),
      settings: { ...defaultPlatformSettings(), eventLog: servers.env.EARSHOT_EVENT_LOG! },
    });
    await eventLog.start();
    await eventLog.declare(allTopics);

    // They share the partitions out before there is audio: a hand-over is work that is not a call's.
    await Promise.all(pipelines.map((role) => role.process.start()));
    const share = Math.floor((await eventLog.bounds("media.v1")).length / pipelines.length);
    await until(
      "workers with their share of the partitions",
      () => pipelines.length,
      () => shared(pipelines, share),
    );
    for (const role of pipelines) role.process.pause();

    const calls: BacklogCall[] = backlogCalls(scenarios, count, seconds, Date.now());
    const writing = new CpuWatch([], kafkaPid);
    const chunks = await writeSpoken(eventLog, calls);
    const written = writing.used();
    if (written.seconds * 1000 > stillMs)
      throw new Error(
        `${count} calls: gateways wrote for ${Math.round(written.seconds)} s; workers are held still for ${stillMs / 1000} s at most: fewer --call-seconds.`,
      );

    for (const role of pipelines) role.process.resume();
    const heard = (): Promise<number> => handled(pipelines, "media.v1", "media-pipeline");
    await until("a first part of the chunks to hear", () => chunks * warmShare, heard);
    const before = await heard();
    const joining = Promise.all(late.map((role) => role.process.start()));
    pipelines.push(...late);
    const hearing = new CpuWatch(pipelines, kafkaPid);
    await joining;
    await until("chunks to hear", () => chunks, heard);
    const used = hearing.used();
    const secondsHeard = ((chunks - before) / chunks) * count * seconds;
    const residentMiBs = pipelines.map((role) => residentMiB(role.process.pid!));

    const ending = new CpuWatch(pipelines, kafkaPid);
    await writeEnds(eventLog, calls);
    await until(
      "recordings to store",
      () => count,
      () => recordsOn(eventLog!, ["recordings.v1"]),
    );
    const ended = ending.used();
    const states = await sumOf(pipelines, /^earshot_pipeline_checkpoints_total\{outcome="saved"\}/);
    const restored = await sumOf(pipelines, /^earshot_pipeline_restored_calls_total/);
    const outcomeOf = (outcome: string): Promise<number> =>
      sumOf(pipelines, new RegExp(`^earshot_pipeline_chunks_total\\{outcome="${outcome}"`));
    const [taken, duplicates] = [await outcomeOf("taken"), await outcomeOf("duplicate")];
    const overflows = await sumOf(pipelines, /^earshot_vad_windows_total\{how="overflow"\}/);
    await Promise.all(pipelines.map((role) => role.process.stop()));

    const { partials, finals } = await readTranscripts(eventLog);
    const wrong = notHeard(calls, finals);
    if (overflows > 0) wrong.push(`${overflows} windows were judged without the speech detector`);
    if (restored > 0 && late.length === 0) wrong.push(`${restored} calls moved between workers, and were heard twice in part`);
    if (wrong.length > 0)
      throw new Error(`${count} calls, ${workers} workers: not all was heard, ${wrong.length} faults:\n${wrong.slice(0, 5).join("\n")}`);

    const topics = ingestTopics.map(({ name }) => name);
    await ingest!.process.start();
    const storing = new CpuWatch([ingest!], kafkaPid);
    await until(
      "events to store",
      () => recordsOn(eventLog!, topics),
      () => handled([ingest!], undefined, ingestGroup),
    );
    const stored = storing.used();

    const perSecond = (ms: number): number => Number((ms / (count * seconds)).toFixed(3));
    const perHeard = (ms: number): number => Number((ms / secondsHeard).toFixed(3));
    return {
      workers,
      calls: count,
      seconds,
      pipeline: perHeard(used.ms.pipeline),
      kafkaRead: perHeard(used.ms.kafka),
      kafkaWrite: perSecond(written.ms.kafka),
      ingest: perSecond(stored.ms.ingest),
      ingestKafka: perSecond(stored.ms.kafka),
      ingestStores: perSecond(stored.ms.stores),
      endMs: Number((ended.ms.pipeline / count).toFixed(1)),
      callsInRealTime: Math.round(secondsHeard / used.seconds),
      residentMiB: Math.round(Math.max(...residentMiBs)),
      states: perSecond(states),
      partials: perSecond(partials),
      finals: [...finals.values()].reduce((sum, each) => sum + each.length, 0),
      cutOtherwise: cutOtherwise(calls, finals),
      moved: late.length === 0 ? undefined : { calls: restored, heardAgain: taken - chunks, duplicates, of: chunks },
      wallSeconds: Number(used.seconds.toFixed(1)),
      machinePercent: used.machinePercent,
      othersPercent: used.othersPercent,
    };
  } finally {
    await eventLog?.stop(1000);
    for (const role of roles) await role.process.kill();
    await servers.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** How many workers have so many partitions. */
async function shared(pipelines: readonly RoleProcess[], partitions: number): Promise<number> {
  let count = 0;
  for (const role of pipelines) {
    const taken = await sumOf([role], /^earshot_pipeline_partition_moves_total\{why="assigned"\}/);
    const given = await sumOf([role], /^earshot_pipeline_partition_moves_total\{why="(handover|lost)"\}/);
    if (taken - given >= partitions) count++;
  }
  return count;
}

async function recordsOn(eventLog: EventLog, topics: readonly string[]): Promise<number> {
  let records = 0;
  for (const topic of topics) for (const { first, next } of await eventLog.bounds(topic)) records += next - first;
  return records;
}

/** Records of a topic, or of all, that a group's processes have handled. */
function handled(roles: readonly RoleProcess[], topic: string | undefined, group: string): Promise<number> {
  const labels = topic === undefined ? "" : `topic="${topic}",`;
  return sumOf(roles, new RegExp(`^earshot_event_log_handled_total\\{.*${labels}.*group="${group}"`));
}

async function sumOf(roles: readonly RoleProcess[], line: RegExp): Promise<number> {
  let sum = 0;
  for (const role of roles)
    for (const each of (await role.metrics()).split("\n")) if (line.test(each)) sum += Number(each.slice(each.lastIndexOf(" ")));
  return sum;
}
