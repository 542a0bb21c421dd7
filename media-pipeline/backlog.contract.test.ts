/** Calls move while their audio waits in the log: the worker that takes them over hears of it what was not heard, and that once. */
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Pipeline } from "./pipeline.ts";
import { agentSpeech, callerSpeech, expectSame, type Result, resultOf } from "./testing/calm-call.ts";
import { PipelineHarness } from "./testing/harness.ts";
import { ScriptedRecogniser } from "./testing/scripted-recogniser.ts";

const open: PipelineHarness[] = [];
const workers: Pipeline[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop(500);
  for (const harness of open.splice(0)) await harness.close();
});

const calls = ["one", "two", "three"];
const chunksPerLeg = 120;
/** One chunk of each leg of each call in turn. */
const chunksAtOnce = calls.length * 2;
const allChunks = chunksAtOnce * chunksPerLeg;
/** 6 s, in mid-sentence. */
const movedAt = 60 * chunksAtOnce;

const recogniser = (): ScriptedRecogniser => new ScriptedRecogniser({ words: () => ["uno", "due", "tre", "quattro"], partialEveryMs: 400 });

/** A worker that comes to a log with the audio of all calls, of which it is handed nothing yet. */
async function behind(calls: readonly string[]): Promise<PipelineHarness> {
  const harness = await idle();
  await harness.pipeline.stop(0);
  write(harness, calls);
  harness.pipeline = harness.create();
  await harness.pipeline.start();
  return harness;
}

/** A worker with nothing to do, that will be handed no audio. */
async function idle(): Promise<PipelineHarness> {
  const settings = { callCheckpoints: "on" as const, checkpointIntervalMs: 1000, checkpointPartBytes: 16_000 };
  const harness = await PipelineHarness.start(settings, recogniser());
  open.push(harness);
  harness.eventLog.holdFrom("media.v1", 0);
  // Of no call that there is: once it is handled the partition has been taken over.
  const command = { case: "listen" as const, value: { untilMs: 0 } };
  harness.event("commands.v1", "nobody", { case: "callCommand", value: { command } });
  await harness.until(() => harness.eventLog.handled("commands.v1") === 1);
  return harness;
}

function write(harness: PipelineHarness, calls: readonly string[]): void {
  for (const call of calls) harness.started(call);
  const legs = calls.flatMap((call) =>
    [agentSpeech(), callerSpeech()].map((pcm, leg) => ({ call, chunks: harness.chunks(call, leg, pcm) })),
  );
  for (let i = 0; i < chunksPerLeg; i++) for (const { call, chunks } of legs) harness.media(call, chunks.slice(i, i + 1));
}

/** Another one, that counts for itself. */
function other(harness: PipelineHarness): { worker: Pipeline; chunks(): Promise<Record<string, number>> } {
  const metrics = createMetrics();
  const worker = harness.create(`spool-${workers.length}`, recogniser(), metrics);
  workers.push(worker);
  return { worker, chunks: () => chunksOf(metrics) };
}

/** By what became of them. */
async function chunksOf(metrics: ReturnType<typeof createMetrics>): Promise<Record<string, number>> {
  const lines = (await metrics.expose()).matchAll(/^earshot_pipeline_chunks_total\{outcome="(\w+)"\} (\d+)/gm);
  return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]));
}

async function ended(harness: PipelineHarness): Promise<void> {
  for (const call of calls) harness.ended(call, 12_000);
  for (const call of calls) await harness.finished(call, 10_000);
  await harness.until(() => harness.objectStore.objects.size === calls.length);
}

/** A worker that has heard a part of it, and another one beside it. */
async function halfway(): Promise<{ harness: PipelineHarness; next: ReturnType<typeof other> }> {
  const harness = await behind(calls);
  harness.eventLog.holdFrom("media.v1", movedAt);
  await harness.until(() => harness.eventLog.handled("media.v1") === movedAt);
  const next = other(harness);
  return { harness, next };
}

/** Hands over what is left. */
async function goOn(harness: PipelineHarness): Promise<void> {
  harness.eventLog.holdFrom("media.v1", allChunks);
  await harness.until(() => harness.eventLog.handled("media.v1") === allChunks);
}

const longerThanStreamsStandStill = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3500));

describe("a worker that takes calls over while their audio waits in the log", () => {
  let undisturbed: Result;
  beforeAll(async () => {
    const harness = await behind(["calm"]);
    harness.eventLog.holdFrom("media.v1", 2 * chunksPerLeg);
    await harness.until(() => harness.eventLog.handled("media.v1") === 2 * chunksPerLeg);
    harness.ended("calm", 12_000);
    await harness.finished("calm", 10_000);
    undisturbed = resultOf(harness, "calm");
    expect(undisturbed.finals).toHaveLength(5);
  });

  it("hears what the worker before had not heard, and is handed none of it twice", async () => {
    const { harness, next } = await halfway();
    await next.worker.start();
    await harness.eventLog.handOver();
    const { taken = 0 } = await next.chunks();
    // The utterance that begins at 4 s is not over, and a little before it.
    expect(taken).toBeLessThanOrEqual(movedAt - 25 * chunksAtOnce);
    await goOn(harness);
    expect(await next.chunks()).toEqual({ taken: taken + allChunks - movedAt });
    await ended(harness);
    for (const call of calls) expectSame(harness, call, undisturbed);
  });

  it("is not given what their states hold, where the group's offsets are older than these", async () => {
    const { harness, next } = await halfway();
    const stored = 20 * chunksAtOnce;
    const replayFrom = (call: string): number => harness.payloads("call-state.v1", "callCheckpoint", call).at(-1)?.replayFrom ?? 0;
    await harness.until(() => calls.every((call) => replayFrom(call) > stored));
    const known = calls.reduce((sum, call) => {
      const records = harness.eventLog.topics.get("media.v1")!.slice(stored, replayFrom(call));
      return sum + records.filter(({ key }) => key === call).length;
    }, 0);
    await harness.eventLog.lose(movedAt - stored);
    await next.worker.start();
    await goOn(harness);
    expect(await next.chunks()).toEqual({ in_state: known, taken: allChunks - stored - known });
    await ended(harness);
    for (const call of calls) expectSame(harness, call, undisturbed);
  });

  it("takes none of them for standing still, however long it waits for more, and leaves out nothing of one that has ended", async () => {
    const { harness, next } = await halfway();
    harness.ended(calls[0]!, 12_000);
    await harness.until(() => harness.eventLog.handled("calls.v1") === calls.length + 1);
    await next.worker.start();
    await harness.eventLog.handOver();
    await longerThanStreamsStandStill();
    await goOn(harness);
    await ended(harness);
    for (const call of calls) expectSame(harness, call, undisturbed);
  });

  it("hears a call from its beginning, of which the worker before passed audio by because it had not seen the start", async () => {
    const harness = await behind([]);
    const { eventLog } = harness;
    eventLog.holdFrom("calls.v1", 0);
    const legs = [agentSpeech(), callerSpeech()].map((pcm, leg) => harness.chunks("early", leg, pcm));
    harness.media("early", ...legs);
    harness.started("early");
    eventLog.holdFrom("media.v1", chunksPerLeg);
    await harness.until(() => eventLog.handled("media.v1") === chunksPerLeg);
    const next = other(harness);
    await next.worker.start();
    await eventLog.handOver();
    eventLog.holdFrom("calls.v1", 2);
    await harness.until(() => next.worker.liveCalls === 1);
    eventLog.holdFrom("media.v1", 2 * chunksPerLeg);
    harness.ended("early", 12_000);
    await harness.finished("early", 10_000);
    await harness.until(() => harness.objectStore.objects.size === 1);
    expectSame(harness, "early", undisturbed);
    expect(await next.chunks()).toEqual({ taken: 2 * chunksPerLeg });
  });

  it("takes none for standing still either where it had them from their start and does not come to their audio for long", async () => {
    const harness = await idle();
    harness.eventLog.ageMs = 60_000;
    write(harness, calls);
    harness.eventLog.holdFrom("media.v1", movedAt);
    await harness.until(() => harness.eventLog.handled("media.v1") === movedAt);
    await longerThanStreamsStandStill();
    harness.eventLog.ageMs = 0;
    await goOn(harness);
    await ended(harness);
    for (const call of calls) expectSame(harness, call, undisturbed);
  });
});
