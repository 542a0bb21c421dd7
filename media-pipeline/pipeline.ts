/** The media pipeline: calls and their audio come from the event log, words, metrics and recordings go back to it. */
import { join } from "node:path";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog, LogRecord, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { decodeEvent, type Event, type PayloadOf } from "@earshot/proto/event.ts";
import { type CallId, callId, tenantId } from "@earshot/proto/ids.ts";
import { decodeMediaChunk } from "@earshot/proto/media-chunk-codec.ts";
import { CallSession, type SessionDeps } from "./call/call-session.ts";
import { PendingChunks } from "./call/pending-chunks.ts";
import { createPipelineMetrics, type PipelineMetrics } from "./call/pipeline-metrics.ts";
import { RecentCalls } from "./call/recent-calls.ts";
import { TenantHints } from "./call/tenant-hints.ts";
import { Publisher } from "./events/publisher.ts";
import { OpusDecoders } from "./leg/codec/opus.ts";
import { createLegScratch } from "./leg/leg-pipeline.ts";
import { createFeedScratch } from "./leg/utterance-run.ts";
import type { Recogniser } from "./recogniser/port.ts";
import { findCalls, folderName } from "./recording/spool.ts";
import { SpoolBudget } from "./recording/spool-budget.ts";
import type { MediaPipelineSettings } from "./settings.ts";
import { startDetector } from "./voice/create-detector.ts";
import type { VoiceDetector } from "./voice/detector.ts";

export type PipelineDeps = {
  /** `spoolDir` must be set by the caller where the setting is empty. */
  readonly settings: MediaPipelineSettings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly eventLog: EventLog;
  readonly objectStore: ObjectStore;
  readonly recogniser: Recogniser;
};

export interface Pipeline extends Component {
  /** How speech is told from noise, and why that way; undefined before the start. */
  readonly detector: { readonly kind: string; readonly reason: string } | undefined;
  readonly liveCalls: number;
}

const group = "media-pipeline";
const tickMs = 100;
const replayBatch = 500;
/**
 * About three minutes at the event log's longest pause: disks are given room in the meantime. No longer, because the ends of other calls, which
 * give room too, wait in the same partition.
 */
const attemptsWhileUnavailable = 40;

export function createPipeline(deps: PipelineDeps): Pipeline {
  return new MediaPipeline(deps);
}

class MediaPipeline implements Pipeline {
  readonly name = "media-pipeline";
  readonly #deps: PipelineDeps;
  readonly #log: Log;
  readonly #metrics: PipelineMetrics;
  readonly #publisher: Publisher;
  readonly #pending: PendingChunks;
  readonly #hints = new TenantHints();
  readonly #recent = new RecentCalls();
  readonly #opus = new OpusDecoders();
  readonly #sessions = new Map<string, CallSession>();
  readonly #finishing = new Set<Promise<void>>();
  #detector: VoiceDetector | undefined;
  #sessionDeps: SessionDeps | undefined;
  #media: Subscription | undefined;
  #calls: Subscription | undefined;
  #subscriptions: Subscription[] = [];
  #cancelTick: (() => void) | undefined;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ service: "media-pipeline" });
    this.#metrics = createPipelineMetrics(deps.metrics);
    this.#publisher = new Publisher(deps.eventLog, this.#log);
    const { pendingCalls: calls, pendingChunksPerCall: chunksPerCall, pendingMs: heldMs } = deps.settings;
    this.#pending = new PendingChunks({ calls, chunksPerCall, heldMs });
  }

  get detector(): VoiceDetector | undefined {
    return this.#detector;
  }

  get liveCalls(): number {
    return this.#sessions.size;
  }

  async start(): Promise<void> {
    const { settings, clock, objectStore, recogniser } = this.#deps;
    await this.#opus.warm();
    this.#detector = await startDetector(settings, { clock, log: this.#log, metrics: this.#deps.metrics });
    this.#sessionDeps = {
      settings,
      clock,
      log: this.#log,
      metrics: this.#metrics,
      publisher: this.#publisher,
      objectStore,
      recogniser,
      detector: this.#detector,
      scratch: createLegScratch(createFeedScratch(), this.#opus),
      budget: new SpoolBudget(settings.maxSpoolBytes),
      hints: (tenant) => this.#hints.of(tenant),
    };
    try {
      const restored = await this.#restore();
      this.#cancelTick = clock.every(tickMs, () => this.#tick());
      await this.#subscribe();
      // Only now, so that what follows in the log of a call that had ended already is still taken.
      for (const session of restored) if (session.ended) this.#finish(session);
    } catch (error) {
      await this.stop(1000);
      throw error;
    }
  }

  async stop(deadlineMs: number): Promise<void> {
    const until = this.#deps.clock.monotonicMs() + deadlineMs;
    const left = (): number => Math.max(1, until - this.#deps.clock.monotonicMs());
    const subscriptions = this.#subscriptions;
    this.#subscriptions = [];
    await this.#within(left(), Promise.all(subscriptions.map((subscription) => subscription.drained())));
    await this.#within(left(), Promise.all(this.#finishing));
    await Promise.all(subscriptions.map((subscription) => subscription.stop()));
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    const live = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(live.map((session) => session.suspend(left())));
    await this.#within(left(), this.#publisher.flush());
    this.#opus.free();
    await this.#detector?.stop(left());
    this.#detector = undefined;
    this.#media = undefined;
    this.#calls = undefined;
  }

  async #subscribe(): Promise<void> {
    const { eventLog } = this.#deps;
    const add = async (options: Parameters<EventLog["subscribe"]>[0]): Promise<Subscription> => {
      const subscription = await eventLog.subscribe(options);
      this.#subscriptions.push(subscription);
      return subscription;
    };
    await add({ topics: ["settings.v1"], group, from: "earliest", durable: false, handle: (batch) => this.#onSettings(batch) });
    this.#calls = await add({
      topics: ["calls.v1"],
      group,
      from: "earliest",
      maxAttempts: attemptsWhileUnavailable,
      handle: (batch) => this.#onCalls(batch),
    });
    this.#media = await add({ topics: ["media.v1"], group, from: "earliest", handle: (batch) => this.#onMedia(batch) });
    await add({ topics: ["commands.v1"], group, from: "latest", handle: (batch) => this.#onCommands(batch) });
  }

  async #onMedia(batch: readonly LogRecord[]): Promise<void> {
    let unknown: LogRecord[] | undefined;
    for (const record of batch) {
      const session = this.#sessions.get(record.key);
      if (session !== undefined) session.accept(decodeMediaChunk(record.value), record.partition, record.offset);
      else if (this.#recent.has(record.key)) this.#metrics.chunks.inc({ outcome: "after_end" });
      else {
        unknown ??= [];
        unknown.push(record);
      }
    }
    if (unknown === undefined) return;
    // A call's start is in the log before its audio: where media is ahead (catching up after a restart), waiting for calls.v1 finds it.
    if (this.#calls !== undefined) await this.#within(this.#deps.settings.pendingMs, this.#calls.drained());
    for (const record of unknown) {
      const session = this.#sessions.get(record.key);
      if (session !== undefined) session.accept(decodeMediaChunk(record.value), record.partition, record.offset);
      else if (this.#recent.has(record.key)) this.#metrics.chunks.inc({ outcome: "after_end" });
      else if (!this.#pending.hold(record.key, record.value, record.partition, record.offset, this.#deps.clock.monotonicMs())) {
        this.#metrics.chunks.inc({ outcome: "unknown_call" });
      }
    }
  }

  async #onCalls(batch: readonly LogRecord[]): Promise<void> {
    for (const record of batch) {
      const event = decodeEvent(record.value);
      switch (event.payload.case) {
        case "callStarted":
          await this.#started(event, event.payload.value);
          break;
        case "callUpdated":
          this.#sessions.get(event.callId)?.setLegs(event.payload.value.legs);
          break;
        case "callEnded":
          await this.#callEnded(event, event.payload.value);
          break;
        default:
          break;
      }
    }
  }

  #onSettings(batch: readonly LogRecord[]): void {
    for (const record of batch) {
      const event = decodeEvent(record.value);
      if (event.payload.case === "tenantSettings") this.#hints.update(event.tenantId, event.payload.value);
    }
  }

  #onCommands(batch: readonly LogRecord[]): void {
    for (const record of batch) {
      const event = decodeEvent(record.value);
      if (event.payload.case !== "callCommand") continue;
      const { command } = event.payload.value;
      const session = this.#sessions.get(event.callId);
      // The tenant of the command must be the call's: ids are not secrets.
      if (session === undefined || session.call.tenantId !== event.tenantId) continue;
      if (command.case === "listen") session.listen(command.value.untilMs);
      else if (command.case === "setLegSpeakers") session.setLegs(command.value.legs.map(({ leg, speaker }) => ({ index: leg, speaker })));
    }
  }

  async #started(event: Event, started: PayloadOf<"callStarted">): Promise<void> {
    const known = this.#sessions.get(event.callId);
    if (known !== undefined) {
      known.setLegs(started.legs);
      return;
    }
    await this.#open(event, started.startedAtMs, started.legs);
  }

  async #open(event: Event, startedAtMs: number, legs: PayloadOf<"callStarted">["legs"]): Promise<CallSession | undefined> {
    if (this.#recent.has(event.callId)) return undefined;
    const call = { tenantId: tenantId(event.tenantId), callId: callId(event.callId), traceparent: event.traceparent };
    if (this.#sessions.size >= this.#deps.settings.maxCalls) {
      const why = { detail: "The pipeline is full.", remedy: "Add a pipeline, or raise EARSHOT_PIPELINE_MAX_CALLS." };
      this.#publisher.stage(call, "record", "failed", this.#deps.clock.now(), why);
      this.#publisher.stage(call, "transcript", "failed", this.#deps.clock.now(), why);
      this.#recent.add(event.callId);
      return undefined;
    }
    const session = new CallSession(this.#sessionDeps!, call, startedAtMs, this.#folder(event.tenantId, event.callId));
    session.setLegs(legs);
    await session.open();
    this.#sessions.set(event.callId, session);
    this.#metrics.sessions.inc();
    for (const { bytes, partition, offset } of this.#pending.take(event.callId)) session.accept(decodeMediaChunk(bytes), partition, offset);
    return session;
  }

  async #callEnded(event: Event, ended: PayloadOf<"callEnded">): Promise<void> {
    const session = this.#sessions.get(event.callId) ?? (await this.#open(event, ended.startedAtMs || ended.endedAtMs, ended.legs));
    if (session === undefined || session.ended) return;
    if (ended.legs.length > 0) session.setLegs(ended.legs);
    await session.markEnded(ended.endedAtMs);
    this.#finish(session);
  }

  /** In the background: the audio that is still in the log, then the last words, then the recording. */
  #finish(session: CallSession): void {
    const id: CallId = session.call.callId;
    const finishing = (async (): Promise<void> => {
      if (this.#media !== undefined) await this.#within(this.#deps.settings.callEndDeadlineMs, this.#media.drained());
      await session.finish();
      this.#recent.add(id);
      this.#sessions.delete(id);
    })()
      .catch((error: unknown) => this.#log.error({ err: error, callId: id }, "a call could not be finished"))
      .finally(() => this.#finishing.delete(finishing));
    this.#finishing.add(finishing);
  }

  #tick(): void {
    const now = this.#deps.clock.monotonicMs();
    const { callIdleMs, orphanCallMs } = this.#deps.settings;
    for (const session of this.#sessions.values()) {
      session.tick(now);
      const idle = now - session.lastHeardAtMs;
      if (!session.ended && (idle > callIdleMs || (session.restored && idle > orphanCallMs))) {
        this.#log.warn(
          { callId: session.call.callId, tenantId: session.call.tenantId },
          "a call without audio and without an end is finished",
        );
        session.ended = true;
        this.#finish(session);
      }
    }
    const dropped = this.#pending.expire(now);
    if (dropped > 0) this.#metrics.chunks.inc({ outcome: "unknown_call" }, dropped);
  }

  /** Calls that an earlier process left in the spool, with the audio that it had taken from the log but not settled. */
  async #restore(): Promise<CallSession[]> {
    const restored: CallSession[] = [];
    const from = new Map<number, number>();
    for (const { folder, call } of await findCalls(this.#spoolDir, this.#log)) {
      const context = { tenantId: tenantId(call.tenantId), callId: callId(call.callId), traceparent: call.traceparent };
      const session = new CallSession(this.#sessionDeps!, context, call.startedAtMs, folder);
      session.restore(call);
      await session.open();
      this.#sessions.set(call.callId, session);
      this.#metrics.sessions.inc();
      restored.push(session);
      for (const stream of call.streams) {
        if (stream.partition >= 0)
          from.set(stream.partition, Math.min(from.get(stream.partition) ?? Number.POSITIVE_INFINITY, stream.replayOffset));
      }
    }
    if (restored.length === 0) return restored;
    this.#log.info({ calls: restored.length }, "calls of an earlier run are taken up again");
    for (const { partition, first, next } of await this.#deps.eventLog.bounds("media.v1")) {
      const marked = from.get(partition);
      // A call whose state was saved before its first chunk has no mark: its audio may lie anywhere in what is kept.
      await this.#replay(partition, Math.max(first, marked ?? first), next);
    }
    return restored;
  }

  async #replay(partition: number, from: number, to: number): Promise<void> {
    for (let at = from; at < to; ) {
      const records = await this.#deps.eventLog.read("media.v1", partition, at, Math.min(replayBatch, to - at));
      if (records.length === 0) return;
      for (const record of records) {
        const session = this.#sessions.get(record.key);
        if (session === undefined) continue;
        try {
          session.accept(decodeMediaChunk(record.value), record.partition, record.offset);
        } catch (error) {
          this.#log.warn({ err: error, partition, offset: record.offset }, "a record of media.v1 cannot be read again");
        }
      }
      at = records[records.length - 1]!.offset + 1;
    }
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => (cancel = this.#deps.clock.after(ms, resolve)));
    await Promise.race([work.catch((error: unknown) => this.#log.warn({ err: error }, "work under way at the end failed")), late]);
    cancel();
  }

  get #spoolDir(): string {
    return this.#deps.settings.spoolDir === "" ? join("data", "spool") : this.#deps.settings.spoolDir;
  }

  #folder(tenant: string, call: string): string {
    return join(this.#spoolDir, folderName(tenant, call));
  }
}
