/** The media pipeline: calls and their audio come from the event log, words, metrics and recordings go back to it. */
import { join } from "node:path";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { AssignedFrom, EventLog, LogRecord, RevokedWhy, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { CallPartition, type PartitionDeps } from "./call/call-partition.ts";
import type { CallSession } from "./call/call-session.ts";
import { createPipelineMetrics, type PipelineMetrics } from "./call/pipeline-metrics.ts";
import { RecentCalls } from "./call/recent-calls.ts";
import { notePublishedSince } from "./call/replay.ts";
import { TenantHints } from "./call/tenant-hints.ts";
import { within } from "./call/within.ts";
import { LogStates, SpoolStates } from "./checkpoint/call-states.ts";
import { Checkpointer } from "./checkpoint/checkpointer.ts";
import { OpusDecoders } from "./leg/codec/opus.ts";
import { createLegScratch } from "./leg/leg-scratch.ts";
import { createFeedScratch } from "./leg/utterance-run.ts";
import type { Recogniser } from "./recogniser/port.ts";
import { sweepSpool } from "./recording/spool.ts";
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
  /** Other processes may be on the same event log. Default false. */
  readonly sharedLog?: boolean;
};

export interface Pipeline extends Component {
  /** How speech is told from noise, and why that way; undefined before the start. */
  readonly detector: { readonly kind: string; readonly reason: string } | undefined;
  readonly liveCalls: number;
}

const group = "media-pipeline";
const tickMs = 100;
const ticksPerSecond = 10;
/**
 * About three minutes at the event log's longest pause: disks are given room in the meantime. No longer, because the ends of other calls, which
 * give room too, wait in the same partition.
 */
const attemptsWhileUnavailable = 40;
/** What is left in the spool of calls that others have finished. */
const spoolKeptMs = 86_400_000;

export function createPipeline(deps: PipelineDeps): Pipeline {
  return new MediaPipeline(deps);
}

class MediaPipeline implements Pipeline {
  readonly name = "media-pipeline";
  readonly #deps: PipelineDeps;
  readonly #log: Log;
  readonly #metrics: PipelineMetrics;
  readonly #hints = new TenantHints();
  readonly #recent = new RecentCalls();
  readonly #opus = new OpusDecoders();
  /** Of this worker, by number; settled when the calls of the partition are taken up. */
  readonly #partitions = new Map<number, Promise<CallPartition>>();
  readonly #owned = new Map<number, CallPartition>();
  /** Of the event log, by number of the partition: false once another worker may have it. */
  readonly #isOurs = new Map<number, () => boolean>();
  /** The next record of media.v1 that the event log hands over, by number of the partition. */
  readonly #mediaFrom = new Map<number, () => number>();
  readonly #shared: boolean;
  #detector: VoiceDetector | undefined;
  #partitionDeps: PartitionDeps | undefined;
  #calls: Subscription | undefined;
  #settings: Subscription | undefined;
  #cancelTick: (() => void) | undefined;
  #ticks = 0;
  #tickedAtMs = 0;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ service: "media-pipeline" });
    this.#metrics = createPipelineMetrics(deps.metrics);
    const { callCheckpoints } = deps.settings;
    this.#shared = callCheckpoints === "on" || (callCheckpoints === "auto" && deps.sharedLog === true);
  }

  get detector(): VoiceDetector | undefined {
    return this.#detector;
  }

  get liveCalls(): number {
    let calls = 0;
    for (const partition of this.#owned.values()) calls += partition.sessions.size;
    return calls;
  }

  async start(): Promise<void> {
    const { settings, clock, objectStore, recogniser, eventLog } = this.#deps;
    const log = this.#log;
    const metrics = this.#metrics;
    const shared = this.#shared;
    await this.#opus.warm();
    this.#detector = await startDetector(settings, { clock, log, metrics: this.#deps.metrics });
    const spoolDir = settings.spoolDir === "" ? join("data", "spool") : settings.spoolDir;
    if (shared) await sweepSpool(spoolDir, (modifiedAtMs) => clock.now() - modifiedAtMs > spoolKeptMs);
    const states = shared ? new LogStates(eventLog, clock, log) : new SpoolStates(spoolDir, log);
    this.#partitionDeps = {
      settings,
      clock,
      log,
      metrics,
      objectStore,
      recogniser,
      detector: this.#detector,
      scratch: createLegScratch(createFeedScratch(), this.#opus),
      budget: new SpoolBudget(settings.maxSpoolBytes),
      shared,
      hints: (tenant) => this.#hints.of(tenant),
      eventLog,
      states,
      checkpointer: new Checkpointer({ settings, clock, log, metrics, eventLog, states, shared }),
      recent: this.#recent,
      spoolDir,
      liveCalls: () => this.liveCalls,
      drained: () => this.#calls?.drained() ?? Promise.resolve(),
      isAwake: () => !shared || clock.monotonicMs() - this.#tickedAtMs < settings.standstillMs,
    };
    try {
      this.#tickedAtMs = clock.monotonicMs();
      this.#cancelTick = clock.every(tickMs, () => this.#tick());
      this.#settings = await eventLog.subscribe({
        topics: ["settings.v1"],
        group,
        from: "earliest",
        durable: false,
        handle: (batch) => this.#onSettings(batch),
      });
      this.#calls = await eventLog.subscribe({
        topics: ["calls.v1", "media.v1", "commands.v1"],
        group,
        from: "earliest",
        maxAttempts: attemptsWhileUnavailable,
        handle: (batch) => this.#handle(batch),
        assigned: (partitions, isOurs, from) => this.#takenOver(partitions, isOurs, from),
        revoked: (partitions, why) => this.#revoked(partitions, why),
      });
    } catch (error) {
      await this.stop(1000);
      throw error;
    }
  }

  async stop(deadlineMs: number): Promise<void> {
    const { clock } = this.#deps;
    const until = clock.monotonicMs() + deadlineMs;
    const left = (): number => Math.max(1, until - clock.monotonicMs());
    const calls = this.#calls;
    if (calls !== undefined) {
      // What has ended is finished here; where workers share the log another one would do it as well.
      await within(clock, this.#shared ? Math.min(left(), this.#deps.settings.handOverMs) : left(), this.#finished(calls));
      await calls.stop();
    }
    this.#calls = undefined;
    await this.#settings?.stop();
    this.#settings = undefined;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    await this.#revoked([...this.#partitions.keys()], "handover");
    this.#opus.free();
    await this.#detector?.stop(left());
    this.#detector = undefined;
  }

  async #finished(calls: Subscription): Promise<void> {
    await calls.drained();
    await Promise.all([...this.#owned.values()].map((partition) => partition.finished()));
  }

  async #handle(batch: readonly LogRecord[]): Promise<void> {
    const partition = await this.#partitions.get(batch[0]!.partition);
    if (partition === undefined)
      throw new EarshotError("unavailable", "partition_not_taken_up", "The calls of a partition are not taken up yet.");
    await partition.handle(batch);
  }

  /**
   * All of them or none: where one cannot be taken up, the event log asks again only for as long as they are ours, and tells nobody when they
   * go in between. What was taken up by then would live on beside its next owner.
   */
  async #takenOver(partitions: readonly number[], isOurs: () => boolean, from: AssignedFrom): Promise<void> {
    for (const index of partitions) {
      const first = from("media.v1", index);
      this.#isOurs.set(index, isOurs);
      this.#mediaFrom.set(index, () => first);
    }
    try {
      await this.#assigned(partitions);
    } catch (error) {
      await this.#revoked(partitions, "lost");
      throw error;
    }
  }

  /** @throws EarshotError where log or spool cannot be used now: then it is tried again */
  async #assigned(partitions: readonly number[]): Promise<void> {
    await Promise.all(
      partitions.map(async (index) => {
        const before = this.#partitions.get(index);
        const takingUp = this.#takeUp(index, before);
        takingUp.catch(() => {});
        this.#partitions.set(index, takingUp);
        const partition = await takingUp;
        this.#metrics.handOvers.inc({ why: "assigned" });
        partition.finishEnded();
      }),
    );
  }

  async #takeUp(index: number, before: Promise<CallPartition> | undefined): Promise<CallPartition> {
    await (await before?.catch(() => undefined))?.giveUp(false);
    const deps = this.#partitionDeps!;
    const partition = new CallPartition(index, deps, this.#isOurs.get(index)!, this.#mediaFrom.get(index)!());
    try {
      // What this worker has said itself, and the log did not have yet.
      await deps.eventLog.flush();
      const { calls, finished } = await deps.states.load(index);
      for (const call of finished) this.#recent.add(call);
      await notePublishedSince(deps, index, calls);
      this.#owned.set(index, partition);
      await partition.takeUp(calls);
      return partition;
    } catch (error) {
      this.#owned.delete(index);
      await partition.giveUp(false);
      throw error;
    }
  }

  async #revoked(partitions: readonly number[], why: RevokedWhy): Promise<void> {
    await Promise.all(
      partitions.map(async (index) => {
        const taking = this.#partitions.get(index);
        this.#partitions.delete(index);
        const partition = await taking?.catch(() => undefined);
        if (partition === undefined) return;
        await partition.giveUp(why === "handover");
        if (this.#owned.get(index) === partition) this.#owned.delete(index);
        this.#metrics.handOvers.inc({ why });
      }),
    );
  }

  #onSettings(batch: readonly LogRecord[]): void {
    for (const record of batch) {
      if (record.value.length === 0) continue;
      const event = decodeEvent(record.value);
      if (event.payload.case === "tenantSettings") this.#hints.update(event.tenantId, event.payload.value);
    }
  }

  #tick(): void {
    const { clock, settings } = this.#deps;
    const now = clock.monotonicMs();
    if (this.#shared && now - this.#tickedAtMs >= settings.standstillMs) this.#stoodStill(now - this.#tickedAtMs);
    this.#tickedAtMs = now;
    for (const partition of this.#owned.values()) partition.tick(now);
    if (++this.#ticks % ticksPerSecond !== 0) return;
    this.#metrics.sessions.set(this.liveCalls);
    this.#partitionDeps?.checkpointer.tick(this.#sessions(), ({ partition }) => this.#owned.get(partition)?.mediaNext ?? -1);
  }

  /** Other workers may have had the calls in the meantime: what is remembered of them is worth nothing now. */
  #stoodStill(ms: number): void {
    this.#log.warn({ ms: Math.round(ms) }, "the process stood still; its calls are taken up again from their saved state");
    const owned = [...this.#owned.keys()];
    for (const [index, partition] of this.#owned) {
      void partition.giveUp(false);
      // The event log goes on behind the batch that is in hand here.
      this.#mediaFrom.set(index, () => partition.mediaNext);
    }
    void this.#assigned(owned).catch((error: unknown) => {
      this.#log.error({ err: error }, "calls could not be taken up again");
      for (const index of owned) if (!this.#owned.has(index)) this.#retryTakeUp(index);
    });
  }

  #retryTakeUp(index: number): void {
    this.#deps.clock.after(1000, () => {
      if (!this.#partitions.has(index) || this.#owned.has(index)) return;
      this.#assigned([index]).catch(() => this.#retryTakeUp(index));
    });
  }

  *#sessions(): Generator<CallSession> {
    for (const partition of this.#owned.values()) yield* partition.sessions.values();
  }
}
