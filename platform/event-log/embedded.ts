/**
 * The event log on this machine's disk, for one process: no server, replayable, crash-safe.
 *
 * What holds: `append` copies into memory; the record is in the file (and read by subscribers) within `writeDelayMs`, on disk within
 * `syncIntervalMs` more. `publish` resolves after the fdatasync that covers its record; concurrent publishes share one. A killed process
 * loses what was appended in the last `writeDelayMs`, a power cut what was appended in the last `syncIntervalMs`; neither loses what was
 * published. Subscribers at the head are woken by the write and read from memory.
 *
 * Writing and syncing are paced by real timers: a clock that stands still must not hold data back. Retention, backoff and the storing of
 * offsets go by the injected clock.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type TopicSpec, topics } from "@earshot/proto/topics.ts";
import type { Clock } from "../clock/clock.ts";
import { lockDirectory } from "../lifecycle/directory-lock.ts";
import type { Log } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { EventLogSettings } from "../settings.ts";
import { ChunkPool } from "./chunk.ts";
import { mustBeCoPartitioned } from "./co-partitioned.ts";
import { ConsumerGroup, type GroupContext, type GroupTopic } from "./consumer-group.ts";
import { Cursor } from "./cursor.ts";
import { createGate } from "./gate.ts";
import { partitionOf } from "./key-partition.ts";
import { eventLogMetrics } from "./metrics.ts";
import { OffsetStore } from "./offset-store.ts";
import { Partition, type WriteContext } from "./partition.ts";
import type { EventLog, LogHealth, LogRecord, Position, SubscribeOptions, Subscription } from "./port.ts";
import { batchHeaderBytes, maxKeyBytes, recordHeaderBytes } from "./record-format.ts";
import { checkSize } from "./record-limits.ts";
import { enforceRetention } from "./retention.ts";
import { Tail } from "./tail.ts";

export type EmbeddedEventLogOptions = {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly settings: EventLogSettings;
};

export type Topic = { spec: TopicSpec; readonly partitions: readonly Partition[] };
type Queued = { topic: string; key: string; value: Uint8Array; resolve: (position: Position) => void; reject: (error: unknown) => void };

const chunkBytes = 128 * 1024;
/** What one round of writes gives back is taken again by the next; more would be memory that nobody needs. */
const sparePoolChunks = 32;
/** A dead letter is the record and what happened to it. */
const deadLetterOverhead = 4096;
const maxWaitingPublishes = 100_000;

export function createEmbeddedEventLog(options: EmbeddedEventLogOptions): EventLog {
  return new EmbeddedEventLog(options);
}

class EmbeddedEventLog implements EventLog {
  readonly name = "event-log";
  readonly #options: EmbeddedEventLogOptions;
  readonly #topics = new Map<string, Topic>();
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #privateGroups = new Set<ConsumerGroup>();
  readonly #offsets: OffsetStore;
  readonly #context: WriteContext;
  readonly #metrics: ReturnType<typeof eventLogMetrics>;
  readonly #maxBatchBytes: number;
  #state: "new" | "running" | "stopping" | "stopped" = "new";
  #unlock: (() => void) | undefined;
  #cancels: (() => void)[] = [];
  #writeTimer: NodeJS.Timeout | undefined;
  #writeSoon = false;
  #syncTimer: NodeJS.Timeout | undefined;
  #queue: Queued[] = [];
  #retaining: Promise<void> = Promise.resolve();

  constructor(options: EmbeddedEventLogOptions) {
    this.#options = options;
    const { settings, clock, log, metrics } = options;
    this.#metrics = eventLogMetrics(metrics);
    this.#offsets = new OffsetStore(join(options.directory, "groups"), log);
    this.#maxBatchBytes = Math.max(
      chunkBytes,
      settings.maxRecordBytes + deadLetterOverhead + maxKeyBytes * 3 + batchHeaderBytes + recordHeaderBytes,
    );
    this.#context = {
      log,
      pool: new ChunkPool(chunkBytes, sparePoolChunks),
      tail: new Tail(settings.tailBytes),
      bufferedBytes: 0,
      now: () => clock.now(),
      inSyncGate: createGate(2),
      wrote: (topic, records, bytes) => {
        this.#metrics.records.inc({ topic }, records);
        this.#metrics.bytes.inc({ topic }, bytes);
      },
      writeFailed: (topic) => this.#metrics.writeFailures.inc({ topic }),
    };
  }

  async start(): Promise<void> {
    if (this.#state === "running") return;
    const { directory, clock, settings } = this.#options;
    await mkdir(directory, { recursive: true });
    this.#unlock = lockDirectory(directory);
    try {
      await this.#offsets.load();
      this.#state = "running";
      await this.declare([topics.deadLetter]);
    } catch (error) {
      this.#state = "stopped";
      this.#unlock();
      throw error;
    }
    this.#cancels = [
      clock.every(settings.offsetIntervalMs, () => {
        for (const group of [...this.#groups.values(), ...this.#privateGroups])
          for (const topic of group.topics) this.#metrics.lag.set({ topic, group: group.name }, group.lag(topic));
        this.#metrics.buffered.set(this.#context.bufferedBytes);
        this.#metrics.tail.set(this.#context.tail.bytes);
        this.#storeOffsets();
      }),
      clock.every(settings.retentionIntervalMs, () => {
        this.#retaining = this.#retaining.then(() => enforceRetention([...this.#topics.values()], clock.now(), this.#options.log));
      }),
    ];
  }

  #storeOffsets(): void {
    this.#offsets.store().catch((err) => this.#options.log.error({ err }, "event log: consumer offsets could not be stored"));
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "stopping";
    for (const cancel of this.#cancels) cancel();
    const groups = [...this.#groups.values(), ...this.#privateGroups];
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([Promise.all(groups.map((group) => group.close())), deadline]);
    clearTimeout(timer);
    clearTimeout(this.#writeTimer);
    clearTimeout(this.#syncTimer);
    await this.#retaining;
    for (const waiting of this.#queue.splice(0)) waiting.reject(stopped());
    for (const topic of this.#topics.values()) for (const partition of topic.partitions) await partition.close();
    await this.#offsets.store().catch((err) => this.#options.log.error({ err }, "event log: consumer offsets could not be stored"));
    this.#state = "stopped";
    this.#unlock?.();
  }

  health(): LogHealth {
    if (this.#state !== "running") return { state: "down", detail: "The event log is not running." };
    const failing = this.#failure();
    // What is appended meanwhile stands in memory alone.
    return failing === undefined ? { state: "up", detail: "" } : { state: "down", detail: `${failing.message} ${failing.remedy}` };
  }

  async declare(specs: readonly TopicSpec[]): Promise<void> {
    this.#mustRun();
    const { directory, settings } = this.#options;
    for (const spec of specs) {
      const known = this.#topics.get(spec.name);
      if (known !== undefined) {
        known.spec = { ...spec, partitions: known.partitions.length };
        continue;
      }
      const topicDirectory = join(directory, "topics", spec.name);
      await mkdir(topicDirectory, { recursive: true });
      const countFile = join(topicDirectory, "partitions");
      const stored = Number(await readFile(countFile, "utf8").catch(() => "0"));
      if (stored !== 0 && stored !== spec.partitions)
        throw new EarshotError(
          "conflict",
          "event_log_partitions_changed",
          "A topic's number of partitions cannot change: keys would lose their order.",
          {
            remedy: "Keep the number, or use a new topic name.",
            details: { topic: spec.name, stored, declared: spec.partitions },
          },
        );
      if (stored === 0) await writeFile(countFile, String(spec.partitions));
      const segmentBytes = Math.max(64 * 1024, Math.min(settings.segmentBytes, Math.floor(spec.retentionBytes / spec.partitions / 4)));
      const limits = { segmentBytes, maxBatchBytes: this.#maxBatchBytes };
      const partitions = Array.from(
        { length: spec.partitions },
        (_, index) => new Partition(spec.name, index, join(topicDirectory, String(index)), limits, this.#context),
      );
      await Promise.all(partitions.map((partition) => partition.open()));
      if (!this.#topics.has(spec.name)) this.#topics.set(spec.name, { spec, partitions });
    }
  }

  append(topic: string, key: string, value: Uint8Array): boolean {
    const found = this.#admit(topic, key, value, this.#options.settings.maxRecordBytes);
    if (this.#queue.length > 0 || this.#isFull(key, value)) {
      this.#metrics.refused.inc({ topic });
      return false;
    }
    found.partitions[partitionOf(key, found.partitions.length)]!.append(key, value, this.#options.clock.now());
    if (this.#writeTimer === undefined && !this.#writeSoon) this.#scheduleWrite();
    return true;
  }

  #isFull(key: string, value: Uint8Array): boolean {
    // A record larger than the whole buffer goes alone, when it is empty.
    const { bufferedBytes } = this.#context;
    return bufferedBytes > 0 && bufferedBytes + key.length + value.length > this.#options.settings.writeBufferBytes;
  }

  publish(topic: string, key: string, value: Uint8Array): Promise<Position> {
    return this.#publish(topic, key, value, this.#options.settings.maxRecordBytes);
  }

  async #publish(topic: string, key: string, value: Uint8Array, maxBytes: number): Promise<Position> {
    const found = this.#admit(topic, key, value, maxBytes);
    if (this.#queue.length > 0 || this.#isFull(key, value)) {
      const failing = this.#failure();
      if (failing !== undefined) throw failing;
      if (this.#queue.length >= maxWaitingPublishes)
        throw new EarshotError("unavailable", "event_log_overloaded", "Too many records wait to be written.", {
          remedy: "The disk is too slow for the load: use a faster one, or spread the load.",
        });
      // The caller may use its buffer again as soon as it likes.
      const copy = value.slice();
      return new Promise((resolve, reject) => {
        this.#queue.push({ topic, key, value: copy, resolve, reject });
        this.#writeNow();
      });
    }
    const index = partitionOf(key, found.partitions.length);
    const partition = found.partitions[index]!;
    const offset = partition.append(key, value, this.#options.clock.now());
    await this.#durably(partition, offset);
    return { partition: index, offset };
  }

  /** Publishes made in one turn of the event loop share one write and one sync. */
  async #durably(partition: Partition, offset: number): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await partition.durably(offset);
    this.#takeQueued();
  }

  /** Lets waiting publishes in, in their order, as far as there is room. */
  #takeQueued(): void {
    while (this.#queue.length > 0) {
      const next = this.#queue[0]!;
      const failing = this.#failure();
      const found = this.#topics.get(next.topic)!;
      if (failing !== undefined && this.#isFull(next.key, next.value)) {
        this.#queue.shift();
        next.reject(failing);
        continue;
      }
      if (this.#isFull(next.key, next.value)) return;
      this.#queue.shift();
      const index = partitionOf(next.key, found.partitions.length);
      const partition = found.partitions[index]!;
      const offset = partition.append(next.key, next.value, this.#options.clock.now());
      this.#durably(partition, offset).then(() => next.resolve({ partition: index, offset }), next.reject);
    }
  }

  #failure(): EarshotError | undefined {
    for (const topic of this.#topics.values())
      for (const partition of topic.partitions) if (partition.failing !== undefined) return partition.failing;
    return undefined;
  }

  async flush(): Promise<void> {
    const work: Promise<void>[] = [];
    for (const topic of this.#topics.values())
      for (const partition of topic.partitions) {
        if (partition.durable < partition.next) work.push(partition.durably(partition.next - 1));
      }
    await Promise.all(work);
    this.#takeQueued();
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#mustRun();
    const found = this.#coPartitioned(options.topics);
    if (options.durable === false) {
      // Nothing is shared that is not stored: each such subscription reads every partition.
      const group = new ConsumerGroup(found, options, this.#groupContext());
      this.#privateGroups.add(group);
      return group.join(options, () => this.#privateGroups.delete(group));
    }
    const id = `${options.topics.join()} ${options.group}`;
    let group = this.#groups.get(id);
    while (group?.closed === true) {
      await group.close();
      group = this.#groups.get(id);
    }
    if (group === undefined) {
      group = new ConsumerGroup(found, options, this.#groupContext());
      this.#groups.set(id, group);
    }
    const joined = group;
    return group.join(options, () => {
      if (this.#groups.get(id) === joined) this.#groups.delete(id);
    });
  }

  #coPartitioned(names: readonly string[]): readonly GroupTopic[] {
    const found = names.map((name) => {
      const { partitions, spec } = this.#topics.get(name) ?? unknownTopic(name);
      return { name, partitions, isCompacted: spec.cleanup === "compact" };
    });
    mustBeCoPartitioned(found.map(({ name, partitions }) => ({ name, partitions: partitions.length })));
    return found;
  }

  #groupContext(): GroupContext {
    const { clock, log, settings } = this.#options;
    return {
      clock,
      log,
      firstBackoffMs: settings.retryFirstMs,
      maxBackoffMs: settings.retryMaxMs,
      storedOffset: (topic, partition, group) => this.#offsets.get(topic, partition, group),
      keepOffset: (topic, partition, group, offset) => this.#offsets.set(topic, partition, group, offset),
      storeOffsets: () => this.#offsets.store(),
      publishDeadLetter: (key, value) => this.#publish(topics.deadLetter.name, key, value, settings.maxRecordBytes + deadLetterOverhead),
      countLoss: (topic, group, loss) => this.#metrics.lost.inc({ topic, group, reason: loss.reason }, loss.records),
      countDeadLetter: (topic, group) => this.#metrics.deadLetters.inc({ topic, group }),
      countDropped: (topic, group, code) => this.#metrics.dropped.inc({ topic, group, code }),
      countHandled: (topic, group, records) => this.#metrics.handled.inc({ topic, group }, records),
      writeNow: () => this.#writeNow(),
    };
  }

  async read(topic: string, partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]> {
    const found = this.#partition(topic, partition);
    const cursor = new Cursor(found, Math.max(fromOffset, found.first), () => {});
    const out: LogRecord[] = [];
    while (out.length < maxRecords && cursor.behind > 0) {
      const batch = await cursor.fetch(maxRecords - out.length);
      for (const record of batch) out.push({ ...record, value: record.value.slice() });
      cursor.release();
    }
    return out;
  }

  async bounds(topic: string): Promise<readonly { partition: number; first: number; next: number }[]> {
    const found = this.#topics.get(topic) ?? unknownTopic(topic);
    return found.partitions.map((partition) => ({ partition: partition.index, first: partition.first, next: partition.written }));
  }

  #partition(topic: string, index: number): Partition {
    const found = (this.#topics.get(topic) ?? unknownTopic(topic)).partitions[index];
    if (found === undefined)
      throw new EarshotError("invalid_request", "event_log_partition_unknown", "There is no such partition.", {
        details: { topic, partition: index },
      });
    return found;
  }

  #admit(topic: string, key: string, value: Uint8Array, maxBytes: number): Topic {
    // While stopping, the handlers' last batches may still publish.
    if (this.#state !== "running" && this.#state !== "stopping") throw stopped();
    const found = this.#topics.get(topic);
    if (found === undefined) return unknownTopic(topic);
    checkSize(topic, key, value, maxBytes);
    return found;
  }

  #mustRun(): void {
    if (this.#state !== "running") throw stopped();
  }

  #scheduleWrite(): void {
    this.#writeTimer = setTimeout(() => {
      this.#writeTimer = undefined;
      this.#writeAll();
    }, this.#options.settings.writeDelayMs);
  }

  #writeNow(): void {
    if (this.#writeSoon) return;
    this.#writeSoon = true;
    setImmediate(() => {
      this.#writeSoon = false;
      this.#writeAll();
    });
  }

  #writeAll(): void {
    if (this.#state === "stopped") return;
    for (const topic of this.#topics.values())
      for (const partition of topic.partitions) {
        if (!partition.dirty) continue;
        void partition.write().then(() => {
          if (partition.failing !== undefined) this.#retryWrite();
          this.#takeQueued();
        });
      }
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      for (const topic of this.#topics.values())
        for (const partition of topic.partitions) if (partition.durable < partition.written) void partition.sync();
    }, this.#options.settings.syncIntervalMs);
  }

  #retryWrite(): void {
    if (this.#state !== "running") return;
    this.#writeTimer ??= setTimeout(() => {
      this.#writeTimer = undefined;
      this.#writeAll();
    }, 500);
  }
}

function stopped(): EarshotError {
  return new EarshotError("unavailable", "event_log_stopped", "The event log is not running.");
}

function unknownTopic(topic: string): never {
  throw new EarshotError("invalid_request", "event_log_topic_unknown", "There is no such topic: it was not declared.", {
    details: { topic },
  });
}
