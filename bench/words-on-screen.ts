/**
 * Words: from the last voiced packet of an utterance to its final segment, read from the event log, with an engine that takes no time of its
 * own, in real time. The endpointing pause is printed apart. `node bench/words-on-screen.ts [calls,calls,...] [seconds]`
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPipeline } from "@earshot/media-pipeline/pipeline.ts";
import { mediaPipelineSettings } from "@earshot/media-pipeline/settings.ts";
import { MemoryObjectStore } from "@earshot/media-pipeline/testing/memory-object-store.ts";
import { ScriptedRecogniser } from "@earshot/media-pipeline/testing/scripted-recogniser.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { runAhead } from "./rtp-packet/run-ahead.ts";
import { chunkMs, patternMs, startOf, TalkingLeg } from "./words-on-screen/talking-leg.ts";

runAhead();

const callCounts = (process.argv[2] ?? "1,50,200").split(",").map(Number);
const seconds = Number(process.argv[3] ?? 15);

function percentile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}

/** Milliseconds that this process's threads were ready and had no processor: what other programs on the machine take away. Linux only. */
function waitedForProcessorMs(): number {
  try {
    const tasks = readdirSync("/proc/self/task");
    return tasks.reduce((sum, task) => sum + Number(readFileSync(`/proc/self/task/${task}/schedstat`, "utf8").split(" ")[1]) / 1e6, 0);
  } catch {
    return Number.NaN;
  }
}

async function run(calls: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "earshot-words-"));
  const metrics = createMetrics();
  const log = createLog({ level: "error" });
  const { values } = readSettings({ pipeline: mediaPipelineSettings, platform: platformSettings }, {});
  const settings = { ...values.pipeline, spoolDir: join(folder, "spool") };
  const eventLog = createEmbeddedEventLog({ directory: join(folder, "log"), clock: systemClock, log, metrics, settings: values.platform });
  await eventLog.start();
  await eventLog.declare(allTopics);
  const recogniser = new ScriptedRecogniser({ partialEveryMs: 300 }, false);
  const pipeline = createPipeline({
    settings,
    log,
    metrics,
    clock: systemClock,
    eventLog,
    objectStore: new MemoryObjectStore(),
    recogniser,
  });
  await pipeline.start();

  const legs = new Map<string, TalkingLeg>();
  const origins = new Map<string, number>();
  const latencies: number[] = [];
  const gaps: number[] = [];
  const lastShown = new Map<string, number>();
  let unmatched = 0;
  let cut = 0;
  const reader = await eventLog.subscribe({
    topics: ["transcripts.v1"],
    group: "bench",
    from: "latest",
    handle: (batch) => {
      const now = Date.now();
      for (const record of batch) {
        const { payload, callId } = decodeEvent(record.value);
        if (payload.case !== "transcriptSegment") continue;
        const segment = payload.value;
        const shown = lastShown.get(segment.segmentId);
        if (shown !== undefined && !segment.final) gaps.push(now - shown);
        if (segment.final) lastShown.delete(segment.segmentId);
        else lastShown.set(segment.segmentId, now);
        if (!segment.final) continue;
        const leg = legs.get(`${callId}/${segment.leg}`)!;
        const end = leg.trueEnd(segment.endMs);
        // The run's end cuts people short; a stream that stops is another case than a pause.
        if (segment.endMs + settings.endpointPauseMs + 3 * chunkMs > seconds * 1000) cut++;
        else if (end === undefined) unmatched++;
        else latencies.push(now - (origins.get(callId)! + end) - settings.endpointPauseMs);
      }
    },
  });

  const ticks = Math.round((seconds * 1000) / chunkMs);
  const perSlot = Array.from({ length: 10 }, (): TalkingLeg[] => []);
  for (let i = 0; i < calls; i++) {
    for (const side of [0, 1]) {
      const leg = new TalkingLeg(`call-${i}`, side, (i * 13 + side * 47) % (patternMs / chunkMs));
      legs.set(`call-${i}/${side}`, leg);
      perSlot[i % 10]!.push(leg);
    }
  }
  const memoryBefore = process.memoryUsage().rss;
  const waitedBefore = waitedForProcessorMs();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  for (let tick = 0; tick < ticks; tick++) {
    for (let slot = 0; slot < 10; slot++) {
      const due = began + tick * chunkMs + slot * 10;
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      for (const leg of perSlot[slot]!) {
        if (tick === 0 && leg.leg === 0) {
          // The first chunk holds the 100 ms before now.
          const startedAtMs = Date.now() - chunkMs;
          origins.set(leg.callId, startedAtMs);
          eventLog.append("calls.v1", leg.callId, startOf(leg.callId, startedAtMs));
        }
        eventLog.append("media.v1", leg.callId, leg.next());
      }
    }
  }
  const cpu = process.cpuUsage(cpuBefore);
  const waited = waitedForProcessorMs() - waitedBefore;
  const wall = performance.now() - began;
  await sleep(settings.endpointPauseMs + 500);
  const memoryAfter = process.memoryUsage().rss;
  await reader.stop();
  await pipeline.stop(5000);
  await eventLog.stop(5000);
  rmSync(folder, { recursive: true });

  latencies.sort((a, b) => a - b);
  gaps.sort((a, b) => a - b);
  const text = await metrics.expose();
  const overflow = /how="overflow"} (\d+)/.exec(text)?.[1] ?? "0";
  const p95 = percentile(latencies, 0.95);
  console.log(
    `${calls} calls: ${latencies.length} utterances; pause ${settings.endpointPauseMs} ms + engine 0 ms + ` +
      `p50 ${percentile(latencies, 0.5)} ms, p95 ${p95} ms (${(p95 / 300).toFixed(2)} of the 300 ms allowed), p99 ${percentile(latencies, 0.99)} ms`,
  );
  console.log(
    `  partials: gap p50 ${percentile(gaps, 0.5)} ms, p95 ${percentile(gaps, 0.95)} ms (goal 500); utterances that end elsewhere than the speech ${unmatched}, cut by the run's end ${cut}; ` +
      `windows judged by energy for want of time ${overflow}`,
  );
  console.log(
    `  cores ${((cpu.user + cpu.system) / 1000 / wall).toFixed(2)} (load generator and event log included), waited for a processor ${(waited / wall).toFixed(2)} of the time; ` +
      `memory ${((memoryAfter - memoryBefore) / calls / 1e6).toFixed(2)} MB per call over the base (goal 1.00)`,
  );
}

for (const calls of callCounts) await run(calls);
process.exit(0);
