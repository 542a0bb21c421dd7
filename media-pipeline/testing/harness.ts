/** A pipeline on in-memory stores, and short ways to put calls and audio into it and to read what came out. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { decodeEvent, type Event, type EventInit, encodeEvent, type PayloadCase, type PayloadOf } from "@earshot/proto/event.ts";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import type { TopicName } from "@earshot/proto/topics.ts";
import { createPipeline, type Pipeline } from "../pipeline.ts";
import type { Recogniser } from "../recogniser/port.ts";
import { type MediaPipelineSettings, mediaPipelineSettings } from "../settings.ts";
import { type ChunkOptions, encodeChunks } from "./call-audio.ts";
import { MemoryEventLog } from "./memory-event-log.ts";
import { MemoryObjectStore } from "./memory-object-store.ts";
import { ScriptedRecogniser } from "./scripted-recogniser.ts";

export function testSettings(changed: Partial<MediaPipelineSettings> = {}): MediaPipelineSettings {
  return { ...readSettings({ pipeline: mediaPipelineSettings }, {}).values.pipeline, ...changed };
}

export const bothSides = [
  { index: 0, speaker: Speaker.AGENT },
  { index: 1, speaker: Speaker.CALLER },
];

export class PipelineHarness {
  readonly eventLog = new MemoryEventLog();
  readonly objectStore = new MemoryObjectStore();
  readonly metrics = createMetrics();
  readonly originMs = Date.now();
  readonly recogniser: Recogniser;
  readonly settings: MediaPipelineSettings;
  readonly #folder: string;
  pipeline: Pipeline;

  private constructor(folder: string, changed: Partial<MediaPipelineSettings>, recogniser: Recogniser) {
    this.#folder = folder;
    this.settings = testSettings({ vad: "energy", spoolDir: join(folder, "spool"), ...changed });
    this.recogniser = recogniser;
    this.pipeline = this.create();
  }

  static async start(
    changed: Partial<MediaPipelineSettings> = {},
    recogniser: Recogniser = new ScriptedRecogniser(),
  ): Promise<PipelineHarness> {
    const harness = new PipelineHarness(await mkdtemp(join(tmpdir(), "earshot-pipeline-")), changed, recogniser);
    await harness.pipeline.start();
    return harness;
  }

  /** A second pipeline on the same log, store and spool, as after a restart; with a spool of its own, as on another machine. */
  create(spool = "spool", recogniser = this.recogniser, metrics = this.metrics): Pipeline {
    const { eventLog, objectStore } = this;
    const settings = { ...this.settings, spoolDir: join(this.#folder, spool) };
    return createPipeline({ settings, log: silentLog, metrics, clock: systemClock, eventLog, objectStore, recogniser });
  }

  async close(): Promise<void> {
    await this.pipeline.stop(2000);
    await rm(this.#folder, { recursive: true, force: true });
  }

  event(topic: TopicName, call: string, payload: EventInit["payload"], tenant = "tenant-1"): void {
    const bytes = encodeEvent({
      id: `${call}-${Math.random()}`,
      tenantId: tenant,
      callId: call,
      occurredAtMs: this.originMs,
      traceparent: "",
      payload: payload!,
    });
    this.eventLog.append(topic, call, bytes);
  }

  started(call: string, legs = bothSides): void {
    this.event("calls.v1", call, { case: "callStarted", value: { startedAtMs: this.originMs, legs } });
  }

  ended(call: string, afterMs: number, legs: typeof bothSides = []): void {
    const value = { endedAtMs: this.originMs + afterMs, startedAtMs: this.originMs, termination: "bye", legs };
    this.event("calls.v1", call, { case: "callEnded", value });
  }

  chunks(call: string, leg: number, pcm: Int16Array, more: Partial<ChunkOptions> = {}): Uint8Array[] {
    return encodeChunks({ tenantId: "tenant-1", callId: call, leg, pcm, originMs: this.originMs, ...more });
  }

  /** Appends chunks of several legs in turn, as they would arrive. */
  media(call: string, ...legs: readonly (readonly Uint8Array[])[]): void {
    const most = Math.max(...legs.map((chunks) => chunks.length));
    for (let i = 0; i < most; i++)
      for (const chunks of legs) if (chunks[i] !== undefined) this.eventLog.append("media.v1", call, chunks[i]!);
  }

  /** Empty records end a key and are no events. */
  events(topic: TopicName): Event[] {
    return (this.eventLog.topics.get(topic) ?? []).flatMap(({ value }) => (value.length === 0 ? [] : [decodeEvent(value)]));
  }

  payloads<C extends PayloadCase>(topic: TopicName, kind: C, call?: string): PayloadOf<C>[] {
    const events = this.events(topic).filter(({ callId }) => call === undefined || callId === call);
    return events.flatMap(({ payload }) => (payload.case === kind ? [payload.value as PayloadOf<C>] : []));
  }

  /** Final segments in order of time. */
  finals(call?: string): PayloadOf<"transcriptSegment">[] {
    return this.payloads("transcripts.v1", "transcriptSegment", call)
      .filter((segment) => segment.final)
      .sort((a, b) => a.startMs - b.startMs);
  }

  /** Newest outcome of a stage of the ledger. */
  stage(name: string, call?: string): PayloadOf<"stageReached"> | undefined {
    const stages = this.events("ledger.v1").filter((event) => call === undefined || event.callId === call);
    return stages.flatMap(({ payload }) => (payload.case === "stageReached" && payload.value.stage === name ? [payload.value] : [])).at(-1);
  }

  async until(condition: () => boolean, ms = 20_000): Promise<void> {
    const end = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > end) throw new Error("the condition did not come true in time");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Resolves when the call's record stage is closed. */
  finished(call: string, ms = 20_000): Promise<void> {
    return this.until(() => !["running", undefined].includes(this.stage("record", call)?.outcome), ms);
  }
}
