/** Two workers on one log: what the second makes of a call that it takes over is what one worker alone would have made of it. */
import type { SubscribeOptions, Subscription } from "@earshot/platform/event-log/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { afterEach, describe, expect, it } from "vitest";
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

/** 100 ms each. */
const chunkCount = 120;
const inMidSentence = 58;
/** What was said, by who and when: an utterance's words name its own start, so words of another utterance would show. */
const words = ["uno", "due", "tre", "quattro"];

async function start(more: Parameters<typeof PipelineHarness.start>[0] = {}): Promise<PipelineHarness> {
  const settings = { callCheckpoints: "on" as const, checkpointIntervalMs: 1000, checkpointPartBytes: 16_000, ...more };
  const harness = await PipelineHarness.start(settings, new ScriptedRecogniser({ words: () => words, partialEveryMs: 400 }));
  open.push(harness);
  return harness;
}

function other(harness: PipelineHarness): Pipeline {
  const worker = harness.create(`spool-${workers.length}`, new ScriptedRecogniser({ words: () => words, partialEveryMs: 400 }));
  workers.push(worker);
  return worker;
}

/** Sends both sides, as fast as the log takes them; `at` runs between two chunks. */
async function send(harness: PipelineHarness, call: string, at: Record<number, () => Promise<void>> = {}): Promise<void> {
  harness.started(call);
  const agent = harness.chunks(call, 0, agentSpeech());
  const caller = harness.chunks(call, 1, callerSpeech());
  for (let i = 0; i < chunkCount; i++) {
    await at[i]?.();
    harness.media(call, agent.slice(i, i + 1), caller.slice(i, i + 1));
    if (i % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  harness.ended(call, 12_000);
}

async function undisturbed(at: Parameters<typeof send>[2] = {}): Promise<Result> {
  const harness = await start();
  await send(harness, "calm", at);
  await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
  return resultOf(harness, "calm");
}

describe("a call that is handed over in mid-sentence", () => {
  it("has the words, the ids, the measures and the recording of an undisturbed one", async () => {
    const calm = await undisturbed();
    expect(calm.finals).toHaveLength(5);
    const harness = await start();
    const next = other(harness);
    await send(harness, "moved", {
      [inMidSentence]: async () => {
        await harness.until(() => harness.pipeline.liveCalls === 1 && harness.finals().length >= 2);
        await next.start();
        await harness.pipeline.stop(2000);
      },
    });
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "moved", calm);
  });

  it("goes on again and again", async () => {
    const calm = await undisturbed();
    const harness = await start();
    let last = harness.pipeline;
    const move = async (): Promise<void> => {
      await harness.until(() => last.liveCalls === 1);
      const next = other(harness);
      await next.start();
      await last.stop(2000);
      last = next;
    };
    await send(harness, "moved", { 10: move, 23: move, 41: move, 57: move, 80: move, 97: move, 111: move });
    await harness.until(() => harness.stage("record")?.outcome === "done", 15_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "moved", calm);
  });
});

describe("a call whose worker is killed", () => {
  it.each([
    ["the state of its beginning alone", 300_000],
    ["a state saved in its middle", 1000],
  ])("goes on from %s, and says nothing twice that was said since", async (_, checkpointIntervalMs) => {
    // Time for a state to be saved. An interruption of the stream ends utterances, so it must be the same for both calls.
    const pause = { 40: () => new Promise<void>((resolve) => setTimeout(resolve, 2200)) };
    const calm = await undisturbed(pause);
    const harness = await start({ checkpointIntervalMs });
    const dead = harness.pipeline;
    await send(harness, "killed", {
      ...pause,
      [inMidSentence]: async () => {
        await harness.until(() => harness.finals().length === 2);
        const partOf = [...harness.objectStore.objects.keys()].filter((key) => key.includes("checkpoints/"));
        expect(partOf.length > 0).toBe(checkpointIntervalMs === 1000);
        // Killed: nothing is flushed, nothing handed over, its spool is gone.
        harness.eventLog.crash();
        harness.pipeline = other(harness);
        await harness.pipeline.start();
      },
    });
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "killed", calm);
    await dead.stop(10).catch(() => {});
  });
});

describe("what else may happen around a hand-over", () => {
  it("finishes a call that ended while nobody had it, and starts no finished one again", async () => {
    const calm = await undisturbed();
    const harness = await start();
    await send(harness, "alone", { 100: () => harness.pipeline.stop(1000) });
    expect(harness.stage("record")?.outcome).toBe("running");
    harness.pipeline = other(harness);
    await harness.pipeline.start();
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "alone", calm);
    await harness.pipeline.stop(1000);
    // Its end comes again, to a worker that never saw the call: as when the offset was not stored before a kill.
    harness.pipeline = other(harness);
    await harness.pipeline.start();
    const stages = harness.events("ledger.v1").length;
    harness.ended("alone", 12_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(harness.pipeline.liveCalls).toBe(0);
    expect(harness.events("ledger.v1")).toHaveLength(stages);
  });

  it("goes on while the object store is away, and is whole afterwards", async () => {
    const calm = await undisturbed();
    const harness = await start();
    harness.objectStore.failing = true;
    const next = other(harness);
    await send(harness, "moved", {
      [inMidSentence]: async () => {
        await harness.until(() => harness.finals().length >= 2);
        await next.start();
        await harness.pipeline.stop(2000);
      },
    });
    await harness.until(() => harness.stage("record")?.outcome === "failed", 10_000);
    expect(harness.stage("record")!.detail).toContain("kept");
    harness.objectStore.failing = false;
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    expectSame(harness, "moved", calm);
  });

  it("says on the ledger what is lost for good when neither parts nor log have it any more", async () => {
    const harness = await start();
    harness.objectStore.failing = true;
    const next = other(harness);
    await send(harness, "gap", {
      [inMidSentence]: async () => {
        await harness.until(() => harness.finals().length >= 2);
        harness.eventLog.crash();
        // The log keeps the last second alone: 5.8 s of which one was kept are gone.
        harness.eventLog.retainFrom("media.v1", 96);
        harness.pipeline = next;
        await next.start();
      },
    });
    harness.objectStore.failing = false;
    await harness.until(() => harness.stage("record")?.outcome === "failed" && harness.objectStore.objects.size > 0, 10_000);
    expect(harness.stage("record")!.detail).toContain("lacks 5 s");
  });

  it("publishes nothing once it has lost its calls, and the words of the one who has them are the only ones", async () => {
    const calm = await undisturbed();
    const harness = await start();
    const next = other(harness);
    await send(harness, "lost", {
      [inMidSentence]: async () => {
        await harness.until(() => harness.finals().length >= 2);
        await harness.eventLog.lose();
        expect(harness.pipeline.liveCalls).toBe(0);
        await next.start();
      },
    });
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "lost", calm);
    expect(harness.finals()).toHaveLength(new Set(harness.finals().map(({ segmentId }) => segmentId)).size);
  });

  it("takes its calls up again from their saved state after its process stood still", async () => {
    const calm = await undisturbed();
    const harness = await start({ standstillMs: 300 });
    let published = -1;
    await send(harness, "still", {
      [inMidSentence]: async () => {
        await harness.until(() => harness.finals().length >= 2);
        const before = harness.events("transcripts.v1").length;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
        published = harness.events("transcripts.v1").length - before;
        await harness.until(() =>
          harness.events("call-state.v1").some(({ payload }) => payload.case === "callCheckpoint" && payload.value.takeovers === 1),
        );
      },
    });
    expect(published).toBe(0);
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "still", calm);
  });

  it("says nothing of calls that are another worker's before it has taken them up", async () => {
    const calm = await undisturbed();
    const harness = await start();
    const slow = other(harness);
    const log = harness.eventLog;
    const subscribe = log.subscribe.bind(log);
    const read = log.read.bind(log);
    let isOurs = true;
    const next = other(harness);
    await send(harness, "slow", {
      [inMidSentence]: async () => {
        await harness.until(() => harness.finals().length >= 2);
        await harness.pipeline.stop(2000);
        log.subscribe = (options) => subscribe({ ...options, assigned: (taken, _, from) => options.assigned?.(taken, () => isOurs, from) });
        // When it begins to hear the audio again the event log has given it up.
        log.read = (topic, partition, from, most) => {
          isOurs &&= topic !== "media.v1";
          return read(topic, partition, from, most);
        };
        const before = harness.events("transcripts.v1").length;
        await slow.start();
        await harness.until(() => !isOurs);
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(harness.events("transcripts.v1").length).toBe(before);
        log.subscribe = subscribe;
        log.read = read;
        await log.lose();
        await next.start();
      },
    });
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "slow", calm);
  });

  it("keeps none of several partitions when one of them cannot be taken up", async () => {
    const calm = await undisturbed();
    const harness = await start();
    const half = other(harness);
    const log = harness.eventLog;
    const subscribe = log.subscribe.bind(log);
    const read = log.read.bind(log);
    let refused = 0;
    // The first worker that comes gets a second partition, which cannot be read. Before it is asked again, its first one goes to the next worker.
    const withAnother = (options: SubscribeOptions): Promise<Subscription> =>
      subscribe({
        ...options,
        assigned: () =>
          expect(
            options.assigned?.(
              [0, 1],
              () => true,
              () => 0,
            ),
          ).rejects.toThrow("away"),
      });
    log.bounds = async (topic) => [0, 1].map((partition) => ({ partition, first: 0, next: log.topics.get(topic)?.length ?? 0 }));
    log.read = async (topic, partition, from, most) => {
      if (partition === 0) return read(topic, 0, from, most);
      await harness.until(() => half.liveCalls === 1);
      refused++;
      throw new EarshotError("unavailable", "broker_away", "away");
    };
    const next = other(harness);
    await send(harness, "half", {
      [inMidSentence]: async () => {
        await harness.until(() => harness.finals().length >= 2);
        log.subscribe = withAnother;
        await half.start();
        log.subscribe = subscribe;
        await harness.pipeline.stop(2000);
        await harness.until(() => refused === 1 && half.liveCalls === 0);
        await harness.eventLog.lose();
        await next.start();
      },
    });
    await harness.until(() => harness.stage("record")?.outcome === "done", 10_000);
    await harness.until(() => [...harness.objectStore.objects.keys()].length === 1);
    expectSame(harness, "half", calm);
  });
});
