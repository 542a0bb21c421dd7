/** Workers as processes on a real Kafka, killed, stopped and held still while calls are up. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { openEventLog } from "@earshot/platform/event-log/open.ts";
import type { EventLog, LogRecord } from "@earshot/platform/event-log/port.ts";
import { Cable } from "@earshot/platform/event-log/testing/cable.ts";
import { KafkaBroker, kafkaMissing } from "@earshot/platform/event-log/testing/kafka-broker.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { decodeEvent, encodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeChunks, syntheticSpeech } from "./testing/call-audio.ts";
import { bothSides, PipelineHarness } from "./testing/harness.ts";
import { ScriptedRecogniser } from "./testing/scripted-recogniser.ts";
import { Worker } from "./testing/worker.ts";

const callCount = 8;
const chunkCount = 140;
const totalMs = chunkCount * 100;
const agentSpeech = syntheticSpeech(totalMs, [
  [500, 2500],
  [4000, 7500],
  [9000, 12_500],
]);
const callerSpeech = syntheticSpeech(
  totalMs,
  [
    [2700, 3900],
    [7700, 8800],
  ],
  7,
);
const sessionMs = 3000;

type Segment = PayloadOf<"transcriptSegment">;
const said = ({ segmentId, leg, startMs, endMs, text, error }: Segment, call: string) =>
  ({ id: segmentId.replace(call, "call"), leg, startMs, endMs, text, error }) as const;

let broker: KafkaBroker;
let cable: Cable;
let folder: string;
let calm: { finals: unknown[]; recording: Uint8Array };
let run = 0;
const workers: Worker[] = [];

/** What one worker makes of the call, undisturbed, on a log in memory. */
async function undisturbed(): Promise<typeof calm> {
  const words = ["uno", "due", "tre", "quattro"];
  const harness = await PipelineHarness.start({}, new ScriptedRecogniser({ words: () => words }));
  harness.started("call");
  harness.media("call", harness.chunks("call", 0, agentSpeech), harness.chunks("call", 1, callerSpeech));
  harness.ended("call", totalMs);
  await harness.finished("call");
  const finals = harness.finals().map((segment) => said(segment, "call"));
  const recording = harness.objectStore.objects.get("tenants/tenant-1/recordings/call.wav")!;
  await harness.close();
  return { finals, recording };
}

class Cluster {
  readonly eventLog: EventLog;
  readonly #env: Record<string, string>;
  #count = 0;

  constructor() {
    const name = `run-${++run}`;
    const url = `${broker.url}/${name}`;
    this.eventLog = openEventLog({
      clock: systemClock,
      log: silentLog,
      metrics: createMetrics(),
      settings: { ...defaultPlatformSettings(), eventLog: url, kafkaPartitions: 4 },
    });
    this.#env = {
      EARSHOT_EVENT_LOG: url,
      EARSHOT_OBJECT_STORE: `file:${join(folder, name, "objects")}`,
      EARSHOT_KAFKA_PARTITIONS: "4",
      EARSHOT_KAFKA_SESSION_MS: String(sessionMs),
      EARSHOT_STANDSTILL_MS: "2000",
      EARSHOT_CHECKPOINT_INTERVAL_MS: "1000",
      EARSHOT_CHECKPOINT_PART_BYTES: "64000",
      EARSHOT_VAD: "energy",
    };
  }

  /** @param through the cable, that is: it can be cut off */
  async worker(through = false): Promise<Worker> {
    const url = this.#env.EARSHOT_EVENT_LOG!;
    const worker = await Worker.start({
      ...this.#env,
      EARSHOT_EVENT_LOG: through ? url.replace(broker.address, `127.0.0.1:${cable.port}`) : url,
      EARSHOT_SPOOL_DIR: join(folder, `run-${run}`, `spool-${this.#count++}`),
    });
    workers.push(worker);
    return worker;
  }

  /** Calls in real time; `at` runs between two chunks. */
  async call(at: Record<number, () => void>): Promise<void> {
    const originMs = Date.now();
    const event = { tenantId: "tenant-1", occurredAtMs: originMs, traceparent: "" };
    const ids = Array.from({ length: callCount }, (_, i) => `call-${run}-${i}`);
    for (const callId of ids) {
      const payload = { case: "callStarted" as const, value: { startedAtMs: originMs, legs: bothSides } };
      this.eventLog.append("calls.v1", callId, encodeEvent({ ...event, id: `${callId}-start`, callId, payload }));
    }
    const chunks = ids.map((callId) =>
      [agentSpeech, callerSpeech].map((pcm, leg) => encodeChunks({ tenantId: "tenant-1", callId, leg, pcm, originMs })),
    );
    const began = performance.now();
    for (let i = 0; i < chunkCount; i++) {
      at[i]?.();
      for (const [call, legs] of chunks.entries()) for (const leg of legs) this.eventLog.append("media.v1", ids[call]!, leg[i]!);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + (i + 1) * 100 - performance.now())));
    }
    for (const callId of ids) {
      const value = { startedAtMs: originMs, endedAtMs: originMs + totalMs, termination: "bye", legs: [] };
      this.eventLog.append(
        "calls.v1",
        callId,
        encodeEvent({ ...event, id: `${callId}-end`, callId, payload: { case: "callEnded", value } }),
      );
    }
  }

  async records(topic: string): Promise<LogRecord[]> {
    const all: LogRecord[] = [];
    for (const { partition, first, next } of await this.eventLog.bounds(topic)) {
      for (let at = first; at < next; ) {
        const records = await this.eventLog.read(topic, partition, at, 500);
        if (records.length === 0) break;
        all.push(...records);
        at = records.at(-1)!.offset + 1;
      }
    }
    return all;
  }

  async finished(ms: number): Promise<void> {
    const end = performance.now() + ms;
    for (;;) {
      const stages = (await this.records("ledger.v1")).map(({ value }) => decodeEvent(value));
      const done = new Set(
        stages.flatMap(({ callId, payload }) =>
          payload.case === "stageReached" && payload.value.stage === "record" && payload.value.outcome === "done" ? [callId] : [],
        ),
      );
      if (done.size === callCount) return;
      if (performance.now() > end)
        throw new Error(`${callCount - done.size} calls are not finished; workers say: ${workers.map(({ output }) => output).join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Every call is what an undisturbed worker makes of it. @returns when calls were taken over, Unix milliseconds */
  async verify(): Promise<number[]> {
    const finals = new Map<string, Segment[]>();
    const begun = new Set<string>();
    for (const { value } of await this.records("transcripts.v1")) {
      const { callId, payload } = decodeEvent(value);
      if (payload.case !== "transcriptSegment") continue;
      begun.add(payload.value.segmentId);
      if (payload.value.final) finals.set(callId, [...(finals.get(callId) ?? []), payload.value]);
    }
    expect(finals.size).toBe(callCount);
    for (const [callId, segments] of finals) {
      const ordered = segments.sort((a, b) => a.startMs - b.startMs).map((segment) => said(segment, callId));
      expect(ordered, callId).toEqual(calm.finals);
      for (const { segmentId } of segments) begun.delete(segmentId);
      const path = join(folder, `run-${run}`, "objects", "objects", "tenants", "tenant-1", "recordings", `${callId}.wav`);
      expect(Buffer.compare(await readFile(path), calm.recording), `the recording of ${callId} differs`).toBe(0);
    }
    expect([...begun], "segments without an end").toEqual([]);
    const taken = new Map<string, number>();
    for (const { key, value, appendedAtMs } of await this.records("call-state.v1")) {
      if (value.length === 0 || taken.has(key)) continue;
      const { payload } = decodeEvent(value);
      if (payload.case === "callCheckpoint" && payload.value.takeovers > 0) taken.set(key, appendedAtMs);
    }
    return [...taken.values()];
  }
}

describe.skipIf(kafkaMissing() !== "")("pipeline workers on Kafka", { timeout: 90_000 }, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "earshot-workers-"));
    calm = await undisturbed();
    expect(calm.finals).toHaveLength(5);
    cable = await Cable.start();
    broker = await KafkaBroker.start({ through: [cable] });
  }, 120_000);
  afterEach(async () => {
    cable.mend();
    for (const worker of workers.splice(0)) await worker.end("SIGKILL");
  });
  afterAll(async () => {
    await broker?.dispose();
    await cable?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function withTwo(fault: (first: Worker, cluster: Cluster) => Record<number, () => void>): Promise<{ taken: number[] }> {
    const cluster = new Cluster();
    await cluster.eventLog.start();
    await cluster.eventLog.declare(allTopics);
    try {
      const first = await cluster.worker(true);
      await cluster.worker();
      await cluster.call(fault(first, cluster));
      await cluster.finished(40_000);
      return { taken: await cluster.verify() };
    } finally {
      await cluster.eventLog.stop(2000);
    }
  }

  it("killed: its calls go on within 10 s, whole, and nothing is said twice", async () => {
    let killedAtMs = 0;
    const { taken } = await withTwo((first) => ({
      58: () => {
        killedAtMs = Date.now();
        first.signal("SIGKILL");
      },
    }));
    expect(taken.length).toBeGreaterThan(0);
    expect(Math.max(...taken) - killedAtMs).toBeLessThan(10_000);
  });

  it("stopped: it hands its calls over in mid-sentence, and a new one takes its share", async () => {
    const { taken } = await withTwo((first, cluster) => ({
      45: () => first.signal("SIGTERM"),
      75: () => void cluster.worker(),
    }));
    expect(taken.length).toBeGreaterThan(0);
  });

  it("cut off from the log beyond its session while words are said: what it said meanwhile is withdrawn, and nothing is said twice", async () => {
    const { taken } = await withTwo(() => ({
      50: () => cable.cut(),
      100: () => cable.mend(),
    }));
    expect(taken.length).toBeGreaterThan(0);
  });

  it("held still beyond its session and let go again: what it had is another's, and it says nothing of it", async () => {
    const { taken } = await withTwo((first) => ({
      50: () => first.signal("SIGSTOP"),
      100: () => first.signal("SIGCONT"),
    }));
    expect(taken.length).toBeGreaterThan(0);
  });
});
