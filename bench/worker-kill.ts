/**
 * How long calls stand still when their pipeline worker is killed: two workers as processes on a real Kafka, one gets kill -9 in the middle. Measured
 * from the kill to the first state that another worker writes of each call, by the broker's clock. `npm run bench -- worker-kill [calls] [session ms]`
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "@earshot/media-pipeline/testing/worker.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { openEventLog } from "@earshot/platform/event-log/open.ts";
import { KafkaBroker } from "@earshot/platform/event-log/testing/kafka-broker.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { chunkMs, startOf, TalkingLeg } from "./words-on-screen/talking-leg.ts";

const calls = Number(process.argv[2] ?? 100);
const sessionMs = Number(process.argv[3] ?? 6000);
const allowedMs = 10_000;

const folder = await mkdtemp(join(tmpdir(), "earshot-worker-kill-"));
const broker = await KafkaBroker.start();
const eventLog = openEventLog({
  clock: systemClock,
  log: createLog({ level: "error" }),
  metrics: createMetrics(),
  settings: { ...defaultPlatformSettings(), eventLog: broker.url },
});
await eventLog.start();
await eventLog.declare(allTopics);
const workers: Worker[] = [];
for (const name of ["first", "second"]) {
  const env = {
    EARSHOT_EVENT_LOG: broker.url,
    EARSHOT_OBJECT_STORE: `file:${join(folder, "objects")}`,
    EARSHOT_SPOOL_DIR: join(folder, name),
  };
  workers.push(await Worker.start({ ...env, EARSHOT_KAFKA_SESSION_MS: String(sessionMs) }));
}

const legs = Array.from({ length: calls * 2 }, (_, i) => new TalkingLeg(`call-${i >> 1}`, i & 1, (i * 13) % 120));
const startedAtMs = Date.now();
for (const { callId, leg } of legs) if (leg === 0) eventLog.append("calls.v1", callId, startOf(callId, startedAtMs));
let due = performance.now();
const talk = async (ms: number): Promise<void> => {
  for (let i = 0; i < ms / chunkMs; i++) {
    for (const leg of legs) eventLog.append("media.v1", leg.callId, leg.next());
    due += chunkMs;
    await sleep(Math.max(0, due - performance.now()));
  }
};
await talk(15_000);
const killedAtMs = Date.now();
await workers[0]!.end("SIGKILL");
await talk(sessionMs + allowedMs);

const waits = new Map<string, number>();
for (const { partition, first, next } of await eventLog.bounds("call-state.v1")) {
  for (const { key, value, appendedAtMs } of await eventLog.read("call-state.v1", partition, first, next - first)) {
    if (value.length === 0 || appendedAtMs < killedAtMs || waits.has(key)) continue;
    const { payload } = decodeEvent(value);
    if (payload.case === "callCheckpoint" && payload.value.takeovers > 0) waits.set(key, appendedAtMs - killedAtMs);
  }
}
const sorted = [...waits.values()].sort((a, b) => a - b);
const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
console.log(
  `${calls} calls, 2 workers, session timeout ${sessionMs} ms: ${sorted.length} calls moved; they went on p50 ${at(0.5)} ms, last ${at(1)} ms after the kill: ` +
    `${(at(1) / allowedMs).toFixed(2)} of the ${allowedMs} ms allowed`,
);
await workers[1]!.end("SIGKILL");
await eventLog.stop(1000);
await broker.dispose();
await rm(folder, { recursive: true, force: true });
process.exit(0);
