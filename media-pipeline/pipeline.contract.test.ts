import { existsSync, readdirSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { muLawTable } from "./leg/codec/g711.ts";
import { syntheticSpeech, toMuLaw } from "./testing/call-audio.ts";
import { bothSides, PipelineHarness } from "./testing/harness.ts";
import { MemoryEventLog } from "./testing/memory-event-log.ts";
import { engineDown, ScriptedRecogniser } from "./testing/scripted-recogniser.ts";
import { parseWav, type WavAudio } from "./testing/wav-file.ts";

let harness: PipelineHarness;
afterEach(() => harness.close());

const agentSpeech = (): Int16Array =>
  syntheticSpeech(10_000, [
    [500, 2500],
    [6000, 8000],
  ]);
const callerSpeech = (): Int16Array => syntheticSpeech(10_000, [[3000, 5500]], 7);

function near(actual: number, expected: number, tolerance: number): void {
  expect(Math.abs(actual - expected), `${actual} is not within ${tolerance} of ${expected}`).toBeLessThanOrEqual(tolerance);
}

/** Samples of a channel that are not the decoded audio that was sent. */
function wrongSamples({ pcm, channels }: WavAudio, channel: number, sent: Int16Array): number {
  let wrong = Math.abs(pcm.length / channels - sent.length);
  for (let i = 0; i < sent.length; i++) if (pcm[channels * i + channel] !== muLawTable[toMuLaw(sent[i]!)]) wrong++;
  return wrong;
}

describe("a call from encoded chunks to words, metrics and recording", () => {
  it("transcribes each utterance of both legs, with places, sides and words on the call's clock", async () => {
    harness = await PipelineHarness.start({ vad: "silero", vadQueueWindows: 60, vadBatchIntervalMs: 1 });
    expect(harness.pipeline.detector?.kind).toBe("silero");
    harness.started("call-1");
    const agent = harness.chunks("call-1", 0, agentSpeech());
    const caller = harness.chunks("call-1", 1, callerSpeech());
    for (let i = 0; i < agent.length; i += 5) {
      harness.media("call-1", agent.slice(i, i + 5), caller.slice(i, i + 5));
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    harness.ended("call-1", 10_000);
    await harness.finished("call-1", 15_000);

    const finals = harness.finals();
    expect(finals.map((segment) => [segment.leg, segment.speaker, segment.text])).toEqual([
      [0, Speaker.AGENT, "one two three"],
      [1, Speaker.CALLER, "one two three"],
      [0, Speaker.AGENT, "one two three"],
    ]);
    for (const [i, startMs] of [500, 3000, 6000].entries()) near(finals[i]!.startMs, startMs, 130);
    for (const [i, endMs] of [2500, 5500, 8000].entries()) near(finals[i]!.endMs, endMs, 250);
    for (const segment of finals) {
      expect(segment.segmentId).toBe(`call-1-${segment.leg}-${segment.startMs}`);
      expect(segment.words).toHaveLength(3);
      expect(segment.words[0]!.startMs).toBeGreaterThanOrEqual(segment.startMs - harness.settings.preRollMs - 1);
      near(segment.lastVoicedAtMs - harness.originMs, segment.endMs, 260);
    }
    const metrics = harness.payloads("conversation.v1", "conversationMetrics").at(-1)!;
    expect(metrics.final).toBe(true);
    near(metrics.agentSpeechMs, 4000, 400);
    near(metrics.callerSpeechMs, 2500, 300);
    near(metrics.talkRatio * 1000, (4000 / 6500) * 1000, 40);
    expect(metrics).toMatchObject({ durationMs: 10_000, agentTurns: 2, callerTurns: 1, silenceThresholdMs: 3000 });
    expect(harness.stage("transcript")).toMatchObject({ outcome: "done" });
    expect(harness.stage("record")).toMatchObject({ outcome: "done" });
  });

  it("stores a stereo recording that is the decoded audio of both sides, sample for sample", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-2");
    const agent = agentSpeech();
    const caller = callerSpeech();
    // The caller joins one second late.
    harness.media("call-2", harness.chunks("call-2", 0, agent), harness.chunks("call-2", 1, caller.subarray(8000), { startSample: 8000 }));
    harness.ended("call-2", 10_000);
    await harness.finished("call-2");
    const [recording] = harness.payloads("recordings.v1", "recordingStored");
    expect(recording).toMatchObject({
      objectKey: "recordings/call-2.wav",
      sampleRate: 8000,
      channels: 2,
      durationMs: 10_000,
      channelLegs: [0, 1],
      peakMs: 50,
    });
    expect(recording!.peaks.map((row) => row.length)).toEqual([200, 200]);
    const wav = parseWav(harness.objectStore.objects.get("tenants/tenant-1/recordings/call-2.wav")!);
    expect(wav).toMatchObject({ sampleRate: 8000, channels: 2 });
    expect(wav.pcm.length).toBe(160_000);
    let wrong = 0;
    for (let i = 0; i < 80_000; i++) {
      if (wav.pcm[2 * i] !== muLawTable[toMuLaw(agent[i]!)]) wrong++;
      if (wav.pcm[2 * i + 1] !== (i < 8000 ? 0 : muLawTable[toMuLaw(caller[i]!)])) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it("takes redelivered chunks and a redelivered start once", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-3");
    const agent = harness.chunks("call-3", 0, agentSpeech());
    harness.media("call-3", agent.slice(0, 40));
    harness.started("call-3");
    harness.media("call-3", agent.slice(20, 40));
    harness.media("call-3", agent.slice(30));
    harness.ended("call-3", 10_000);
    await harness.finished("call-3");
    expect(harness.finals()).toHaveLength(2);
    const [recording] = harness.payloads("recordings.v1", "recordingStored");
    expect(recording!.durationMs).toBe(10_000);
    harness.ended("call-3", 10_000);
    harness.media("call-3", agent.slice(0, 10));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(harness.payloads("recordings.v1", "recordingStored")).toHaveLength(1);
    expect(harness.finals()).toHaveLength(2);
  });

  it("holds audio that comes before the call's start", async () => {
    harness = await PipelineHarness.start();
    const agent = harness.chunks("call-4", 0, agentSpeech());
    harness.media("call-4", agent.slice(0, 30));
    await new Promise((resolve) => setTimeout(resolve, 20));
    harness.started("call-4");
    harness.media("call-4", agent.slice(30));
    harness.ended("call-4", 10_000);
    await harness.finished("call-4");
    expect(harness.finals()).toHaveLength(2);
    near(harness.finals()[0]!.startMs, 500, 130);
  });

  it("keeps digits out of words and recording", async () => {
    const recogniser = new ScriptedRecogniser();
    harness = await PipelineHarness.start({}, recogniser);
    harness.started("call-5");
    harness.media("call-5", harness.chunks("call-5", 0, syntheticSpeech(4000, [[1000, 3000]]), { flags: () => 2 }));
    harness.ended("call-5", 4000);
    await harness.finished("call-5");
    expect(recogniser.utterances).toHaveLength(0);
    const wav = parseWav(harness.objectStore.objects.get("tenants/tenant-1/recordings/call-5.wav")!);
    expect(wav.pcm.every((sample) => sample === 0)).toBe(true);
  });

  it("leaves true silence where the recording was paused, and ends the utterance there", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-6");
    const before = harness.chunks("call-6", 0, syntheticSpeech(2000, [[500, 2000]]));
    const after = harness.chunks("call-6", 0, syntheticSpeech(3000, [[200, 2000]]), {
      startSample: 8 * 7000,
      firstSequence: 20,
      afterPause: true,
    });
    harness.media("call-6", before);
    harness.media("call-6", after);
    harness.ended("call-6", 10_000);
    await harness.finished("call-6");
    const finals = harness.finals();
    expect(finals).toHaveLength(2);
    expect(finals[0]!.endMs).toBeLessThanOrEqual(2000);
    expect(finals[1]!.startMs).toBeGreaterThanOrEqual(7000);
    expect(finals.map((segment) => segment.lostMs)).toEqual([0, 0]);
    const wav = parseWav(harness.objectStore.objects.get("tenants/tenant-1/recordings/call-6.wav")!);
    expect(wav.pcm.length / wav.channels).toBe(80_000);
    for (let i = 8 * 2000; i < 8 * 7000; i++) if (wav.pcm[i * wav.channels] !== 0) throw new Error(`sample ${i} is not silent`);
  });

  it("counts lost audio in the segment it is missing from", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-7");
    harness.media(
      "call-7",
      harness.chunks("call-7", 0, syntheticSpeech(5000, [[500, 3500]]), { lost: (frame) => frame >= 60 && frame < 65 }),
    );
    harness.ended("call-7", 5000);
    await harness.finished("call-7");
    expect(harness.finals().reduce((sum, segment) => sum + segment.lostMs, 0)).toBe(100);
  });

  it("never stores a recording without audio: the ledger says skipped, and why", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-8");
    harness.ended("call-8", 3000);
    await harness.finished("call-8");
    expect(harness.stage("record")).toMatchObject({ outcome: "skipped", detail: "No audio arrived." });
    expect(harness.stage("record")!.remedy).not.toBe("");
    expect(harness.objectStore.objects.size).toBe(0);
    expect(harness.payloads("recordings.v1", "recordingStored")).toHaveLength(0);
  });

  it("measures no sides on one mixed stream, and records it as mono", async () => {
    harness = await PipelineHarness.start();
    const mixed = [{ index: 0, speaker: Speaker.MIXED }];
    harness.started("call-9", mixed);
    harness.media("call-9", harness.chunks("call-9", 0, agentSpeech()));
    harness.ended("call-9", 10_000, mixed);
    await harness.finished("call-9");
    expect(harness.payloads("conversation.v1", "conversationMetrics").at(-1)).toMatchObject({
      talkRatio: -1,
      responseLatencyMs: -1,
      overtalkMs: 0,
    });
    expect(harness.payloads("recordings.v1", "recordingStored")[0]).toMatchObject({ channels: 1, channelLegs: [0] });
    expect(harness.finals()[0]!.speaker).toBe(Speaker.MIXED);
  });

  it("swaps the channels when the sides turn out to be the other way round", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-10");
    harness.media("call-10", harness.chunks("call-10", 0, agentSpeech()), harness.chunks("call-10", 1, callerSpeech()));
    const swapped = bothSides.map(({ index, speaker }) => ({ index, speaker: speaker === Speaker.AGENT ? Speaker.CALLER : Speaker.AGENT }));
    harness.ended("call-10", 10_000, swapped);
    await harness.finished("call-10");
    expect(harness.payloads("recordings.v1", "recordingStored")[0]!.channelLegs).toEqual([1, 0]);
    const metrics = harness.payloads("conversation.v1", "conversationMetrics").at(-1)!;
    expect(metrics.callerSpeechMs).toBeGreaterThan(metrics.agentSpeechMs);
  });
});

describe("when something fails", () => {
  it("marks what the engine could not recognise, and says so on the ledger", async () => {
    harness = await PipelineHarness.start({}, new ScriptedRecogniser({ failWith: engineDown }));
    harness.started("call-20");
    harness.media("call-20", harness.chunks("call-20", 0, agentSpeech()));
    harness.ended("call-20", 10_000);
    await harness.finished("call-20");
    expect(harness.finals().map((segment) => [segment.text, segment.error.startsWith("engine_down")])).toEqual([
      ["", true],
      ["", true],
    ]);
    expect(harness.stage("transcript")).toMatchObject({ outcome: "failed", remedy: "Start it." });
    expect(harness.stage("record")).toMatchObject({ outcome: "done" });
  });

  it("gives up an engine that hangs, and the call still ends", async () => {
    harness = await PipelineHarness.start({ recognitionDeadlineMs: 100, callEndDeadlineMs: 1000 }, new ScriptedRecogniser({ hang: true }));
    harness.started("call-21");
    harness.media("call-21", harness.chunks("call-21", 0, agentSpeech()));
    harness.ended("call-21", 10_000);
    await harness.finished("call-21");
    expect(harness.finals().every((segment) => segment.error.startsWith("recognition_deadline"))).toBe(true);
    expect(harness.finals()).toHaveLength(2);
  });

  it("bounds the end of a call whose engine never answers", async () => {
    harness = await PipelineHarness.start({ callEndDeadlineMs: 200 }, new ScriptedRecogniser({ hang: true }));
    harness.started("call-22");
    harness.media("call-22", harness.chunks("call-22", 0, agentSpeech()));
    harness.ended("call-22", 10_000);
    await harness.finished("call-22", 3000);
    expect(harness.stage("transcript")).toMatchObject({ outcome: "failed" });
    expect(harness.payloads("recordings.v1", "recordingStored")).toHaveLength(1);
  });

  it("stores a recording by itself once the object store is back, and says until then that it is kept", async () => {
    harness = await PipelineHarness.start();
    harness.objectStore.failing = true;
    harness.started("call-26");
    harness.media("call-26", harness.chunks("call-26", 0, agentSpeech()));
    harness.ended("call-26", 10_000);
    await harness.finished("call-26");
    expect(harness.stage("record")).toMatchObject({ outcome: "failed" });
    expect(harness.stage("record")!.detail).toContain("kept");
    harness.objectStore.failing = false;
    await harness.until(() => harness.stage("record")?.outcome === "done");
    expect(harness.payloads("recordings.v1", "recordingStored")).toHaveLength(1);
    await harness.until(() => readdirSync(harness.settings.spoolDir).length === 0);
  });

  it("records a call whole although the disk took nothing for a while in the middle", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-27");
    const agent = harness.chunks("call-27", 0, agentSpeech());
    const folder = join(harness.settings.spoolDir, "tenant-1~call-27");
    await harness.until(() => existsSync(join(folder, "call.state")));
    // Nothing has been written yet, so the file cannot be made: as on a full disk.
    await rename(folder, `${folder}-away`);
    harness.media("call-27", agent.slice(0, 60));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await rename(`${folder}-away`, folder);
    harness.media("call-27", agent.slice(60));
    harness.ended("call-27", 10_000);
    await harness.until(() => harness.stage("record")?.outcome === "done");
    const wav = parseWav(harness.objectStore.objects.get("tenants/tenant-1/recordings/call-27.wav")!);
    expect(wrongSamples(wav, 0, agentSpeech())).toBe(0);
  });

  it("keeps the audio when the object store is down, and stores it at the next start", async () => {
    harness = await PipelineHarness.start();
    harness.objectStore.failing = true;
    harness.started("call-23");
    harness.media("call-23", harness.chunks("call-23", 0, agentSpeech()));
    harness.ended("call-23", 10_000);
    await harness.finished("call-23");
    expect(harness.stage("record")).toMatchObject({ outcome: "failed" });
    await harness.pipeline.stop(1000);
    harness.objectStore.failing = false;
    harness.pipeline = harness.create();
    await harness.pipeline.start();
    await harness.until(() => harness.stage("record")?.outcome === "done");
    expect(harness.payloads("conversation.v1", "conversationMetrics").at(-1)).toMatchObject({ final: true, durationMs: 10_000 });
    const wav = parseWav(harness.objectStore.objects.get("tenants/tenant-1/recordings/call-23.wav")!);
    expect(wav.pcm.length / wav.channels).toBe(80_000);
  });

  it("opens a call whose spool failed once the spool works again, and has the event log try for minutes", async () => {
    const subscribe = vi.spyOn(MemoryEventLog.prototype, "subscribe");
    harness = await PipelineHarness.start();
    const calls = subscribe.mock.calls.map(([options]) => options).find(({ topics }) => topics.includes("calls.v1"))!;
    subscribe.mockRestore();
    expect(calls.maxAttempts! * 5000).toBeGreaterThan(180_000);
    const { spoolDir } = harness.settings;
    await harness.until(() => existsSync(spoolDir));
    await rm(spoolDir, { recursive: true });
    await writeFile(spoolDir, "in the way");
    // On a topic that nobody reads: the handler is called here as the event log would call it.
    harness.event("ledger.v1", "call-1", { case: "callStarted", value: { startedAtMs: harness.originMs, legs: bothSides } });
    const batch = harness.eventLog.topics
      .get("ledger.v1")!
      .slice(-1)
      .map((record) => ({ ...record, topic: "calls.v1" }));
    await expect(calls.handle(batch)).rejects.toMatchObject({ category: "unavailable", code: "spool_failed" });
    expect(harness.pipeline.liveCalls).toBe(0);
    await rm(spoolDir);
    await calls.handle(batch);
    expect(harness.pipeline.liveCalls).toBe(1);
  });

  it("dead-letters nothing and survives chunks that make no sense", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-24");
    harness.media("call-24", harness.chunks("call-24", 0, agentSpeech(), { startSample: 4_000_000_000 }));
    harness.media("call-24", harness.chunks("call-24", 99, agentSpeech().subarray(0, 1600)));
    harness.ended("call-24", 10_000);
    await harness.finished("call-24");
    // Far beyond the longest recording: nothing is written there, and the ledger tells.
    expect(harness.stage("record")).toMatchObject({ outcome: "failed" });
  });
});

describe("a restart in mid-call", () => {
  it("loses no audio and no words that were in the log", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-30");
    const agent = harness.chunks("call-30", 0, agentSpeech());
    const caller = harness.chunks("call-30", 1, callerSpeech());
    // Cut in the middle of the caller's utterance; the process dies: nothing is flushed, nothing is ended.
    harness.media("call-30", agent.slice(0, 42), caller.slice(0, 42));
    await harness.until(() => harness.finals().length === 1);
    const dead = harness.pipeline;
    harness.eventLog.crash();
    harness.pipeline = harness.create();
    await harness.pipeline.start();
    harness.media("call-30", agent.slice(42), caller.slice(42));
    harness.ended("call-30", 10_000);
    await harness.finished("call-30");
    // What was published twice has one id.
    const finals = [...new Map(harness.finals().map((segment) => [segment.segmentId, segment])).values()];
    expect(finals.map((segment) => segment.leg)).toEqual([0, 1, 0]);
    for (const [i, startMs] of [500, 3000, 6000].entries()) near(finals[i]!.startMs, startMs, 130);
    for (const [i, endMs] of [2500, 5500, 8000].entries()) near(finals[i]!.endMs, endMs, 250);
    const wav = parseWav(harness.objectStore.objects.get("tenants/tenant-1/recordings/call-30.wav")!);
    const truth = agentSpeech();
    let wrong = 0;
    for (let i = 0; i < 80_000; i++) if (wav.pcm[2 * i] !== muLawTable[toMuLaw(truth[i]!)]) wrong++;
    expect(wrong).toBe(0);
    const metrics = harness.payloads("conversation.v1", "conversationMetrics").at(-1)!;
    near(metrics.agentSpeechMs, 4000, 400);
    near(metrics.callerSpeechMs, 2500, 300);
    await dead.stop(10).catch(() => {});
  });
});

describe("a stop in mid-call", () => {
  it("leaves the sentence under way to the next start, which hears it whole", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-35");
    const agent = harness.chunks("call-35", 0, agentSpeech());
    harness.media("call-35", agent.slice(0, 15));
    await harness.until(() => harness.pipeline.liveCalls === 1);
    await harness.pipeline.stop(2000);
    expect(harness.finals()).toHaveLength(0);
    expect(harness.stage("record")).toMatchObject({ outcome: "running" });
    harness.media("call-35", agent.slice(15, 30));
    harness.pipeline = harness.create();
    await harness.pipeline.start();
    harness.media("call-35", agent.slice(30));
    harness.ended("call-35", 10_000);
    await harness.finished("call-35");
    const finals = harness.finals();
    expect(finals).toHaveLength(2);
    near(finals[0]!.startMs, 500, 130);
    near(finals[0]!.endMs, 2500, 250);
    const wav = parseWav(harness.objectStore.objects.get("tenants/tenant-1/recordings/call-35.wav")!);
    const truth = agentSpeech();
    let wrong = 0;
    for (let i = 0; i < 80_000; i++) if (wav.pcm[i * wav.channels] !== muLawTable[toMuLaw(truth[i]!)]) wrong++;
    expect(wrong).toBe(0);
  });

  it("finishes a call of which nothing more is heard after the start", async () => {
    harness = await PipelineHarness.start({ orphanCallMs: 300 });
    harness.started("call-36");
    harness.media("call-36", harness.chunks("call-36", 0, agentSpeech()));
    await harness.until(() => harness.finals().length === 2);
    await harness.pipeline.stop(2000);
    harness.pipeline = harness.create();
    await harness.pipeline.start();
    await harness.finished("call-36");
    expect(harness.stage("record")).toMatchObject({ outcome: "done" });
    expect(harness.finals()).toHaveLength(2);
  });
});

describe("a tenant's settings", () => {
  it("reach the recogniser: language and vocabulary", async () => {
    const recogniser = new ScriptedRecogniser();
    harness = await PipelineHarness.start({}, recogniser);
    const value = { tenantName: "T", language: "de", vocabulary: ["Earshot"], version: 1 };
    harness.event("settings.v1", "tenant-1", { case: "tenantSettings", value });
    harness.started("call-37");
    harness.media("call-37", harness.chunks("call-37", 0, agentSpeech()));
    harness.ended("call-37", 10_000);
    await harness.finished("call-37");
    expect(recogniser.utterances[0]!.options).toMatchObject({ language: "de", vocabulary: ["Earshot"], tenantId: "tenant-1" });
    expect(harness.finals()[0]!.language).toBe("de");
    expect(recogniser.legsEnded).toEqual(["call-37/0"]);
  });
});

describe("listening in", () => {
  it("publishes both sides while a lease runs, 100 ms at a time, and only to the call's own tenant", async () => {
    harness = await PipelineHarness.start();
    harness.started("call-40");
    const agent = harness.chunks("call-40", 0, agentSpeech());
    const caller = harness.chunks("call-40", 1, callerSpeech());
    harness.media("call-40", agent.slice(0, 10), caller.slice(0, 10));
    await harness.until(() => harness.pipeline.liveCalls === 1);
    const listen = {
      case: "callCommand" as const,
      value: { command: { case: "listen" as const, value: { untilMs: Date.now() + 30_000 } } },
    };
    harness.event("commands.v1", "call-40", listen, "tenant-2");
    await new Promise((resolve) => setTimeout(resolve, 20));
    harness.media("call-40", agent.slice(10, 20), caller.slice(10, 20));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(harness.events("listen.v1")).toHaveLength(0);
    harness.event("commands.v1", "call-40", listen);
    await new Promise((resolve) => setTimeout(resolve, 20));
    harness.media("call-40", agent.slice(20, 30), caller.slice(20, 30));
    await harness.until(() => harness.events("listen.v1").length >= 10);
    const chunks = harness.payloads("listen.v1", "listenChunk");
    expect(chunks[0]).toMatchObject({ positionMs: 2000, sampleRate: 8000 });
    expect(chunks.map((chunk) => chunk.pcm.length)).toEqual(Array.from({ length: 10 }, () => 3200));
    const pcm = new Int16Array(chunks[3]!.pcm.slice().buffer);
    const truth = agentSpeech();
    for (let i = 0; i < 800; i++) expect(pcm[2 * i]).toBe(muLawTable[toMuLaw(truth[8 * 2300 + i]!)]);
  });
});

describe("partials", () => {
  it("grow in revision under the final's id, and the final comes last", async () => {
    harness = await PipelineHarness.start({}, new ScriptedRecogniser({ partialEveryMs: 300 }));
    harness.started("call-50");
    const agent = harness.chunks("call-50", 0, syntheticSpeech(4000, [[500, 3000]]));
    for (const chunk of agent) {
      harness.media("call-50", [chunk]);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    harness.ended("call-50", 4000);
    await harness.finished("call-50");
    const segments = harness.payloads("transcripts.v1", "transcriptSegment");
    expect(segments.length).toBeGreaterThan(2);
    expect(new Set(segments.map((segment) => segment.segmentId)).size).toBe(1);
    expect(segments.map((segment) => segment.revision)).toEqual(segments.map((_, i) => i + 1));
    expect(segments.map((segment) => segment.final)).toEqual([...segments.slice(1).map(() => false), true]);
  });
});
