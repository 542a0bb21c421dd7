/**
 * The event log on Apache Kafka, for any number of processes.
 *
 * What holds: `append` copies into memory and is sent within `writeDelayMs`; `publish` and `flush` wait for the acknowledgement of all in-sync
 * replicas. While the brokers are away what was taken stays in the buffer, in order, and goes out when they are back; `append` says false
 * when the buffer is full. A killed process loses what it had in the buffer.
 */
import { hostname } from "node:os";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type TopicSpec, topics } from "@earshot/proto/topics.ts";
import { Admin } from "@platformatic/kafka";
import type { Clock } from "../../clock/clock.ts";
import type { Log } from "../../log/log.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { EventLogSettings } from "../../settings.ts";
import { mustBeCoPartitioned } from "../co-partitioned.ts";
import { partitionOf } from "../key-partition.ts";
import { eventLogMetrics } from "../metrics.ts";
import type { EventLog, LogHealth, LogRecord, Position, SubscribeOptions, Subscription } from "../port.ts";
import { maxKeyBytes } from "../record-format.ts";
import { checkSize } from "../record-limits.ts";
import { useFastZstd } from "./compression.ts";
import { asEarshotError, clientOptions, type KafkaAddress, parseKafkaUrl } from "./connection.ts";
import { Fetcher, type FetcherOptions } from "./fetcher.ts";
import { Fetchers } from "./fetchers.ts";
import { Sender } from "./sender.ts";
import { KafkaSubscription, type SubscriptionContext } from "./subscription.ts";
import { declareTopics } from "./topics.ts";

export type KafkaEventLogOptions = {
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly settings: EventLogSettings;
};

/** A dead letter is the record and what happened to it. */
const deadLetterOverhead = 4096;
/** A request that waits this long means that the broker is slow, or away. */
const slowMs = 2000;
const prefetchBytes = 1024 * 1024;
/** How long a poll stays open: as long may wait what begins to be read meanwhile. */
const fetchWaitMs = 250;

/** @throws EarshotError invalid_request where the URL is not one of Kafka's */
export function createKafkaEventLog(options: KafkaEventLogOptions): EventLog {
  return new KafkaEventLog(options);
}

type Topic = { readonly spec: TopicSpec; readonly partitions: number; readonly sender: Sender };

class KafkaEventLog implements EventLog {
  readonly name = "event-log";
  readonly #options: KafkaEventLogOptions;
  readonly #address: KafkaAddress;
  readonly #clientId = `earshot-${hostname()}-${process.pid}`;
  readonly #metrics: ReturnType<typeof eventLogMetrics>;
  readonly #topics = new Map<string, Topic>();
  readonly #subscriptions = new Map<KafkaSubscription, { readonly topics: readonly string[]; readonly group: string }>();
  #state: "new" | "running" | "stopped" = "new";
  #readFailure: EarshotError | undefined;
  #admin: Admin | undefined;
  #reader: Fetcher | undefined;
  #fetchers: Fetchers | undefined;
  /** Audio and events apart, so that neither waits behind the other's requests. */
  #senders: { readonly media: Sender; readonly events: Sender } | undefined;
  #cancelMetrics: () => void = () => {};

  constructor(options: KafkaEventLogOptions) {
    this.#options = options;
    this.#address = parseKafkaUrl(options.url);
    this.#metrics = eventLogMetrics(options.metrics);
  }

  async start(): Promise<void> {
    if (this.#state === "running") return;
    const { clock, settings } = this.#options;
    this.#admin = new Admin({ ...clientOptions(this.#address, this.#clientId), retries: 3, retryDelay: 300 });
    this.#admin.on("error", () => {});
    try {
      await this.#admin.metadata({});
    } catch (error) {
      await this.#admin.close().catch(() => {});
      throw asEarshotError(error);
    }
    this.#reader = new Fetcher(this.#fetching(0, 0));
    this.#fetchers = new Fetchers(this.#fetching(fetchWaitMs, settings.kafkaIntervalMs));
    useFastZstd();
    // Events are few, and most are a batch of their own: nothing to gain there.
    this.#senders = { media: this.#sender("zstd", settings.kafkaMediaIntervalMs), events: this.#sender("none", settings.kafkaIntervalMs) };
    this.#state = "running";
    try {
      await this.declare([topics.deadLetter]);
    } catch (error) {
      await this.stop(0);
      throw error;
    }
    this.#cancelMetrics = clock.every(settings.offsetIntervalMs, () => {
      for (const [subscription, { topics: names, group }] of this.#subscriptions)
        for (const topic of names) this.#metrics.lag.set({ topic, group }, subscription.lag(topic));
      this.#metrics.buffered.set(this.#senders!.media.bufferedBytes + this.#senders!.events.bufferedBytes);
    });
  }

  #fetching(waitMs: number, intervalMs: number): FetcherOptions {
    return {
      address: this.#address,
      clientId: this.#clientId,
      maxBytesPerPartition: prefetchBytes / 2,
      waitMs,
      intervalMs,
      retryMs: this.#options.settings.retryFirstMs,
      failed: (error) => this.#reading(error),
      succeeded: () => this.#reading(undefined),
    };
  }

  #sender(compression: "none" | "zstd", intervalMs: number): Sender {
    const { clock, log, settings } = this.#options;
    const { prefix } = this.#address;
    return new Sender({
      address: this.#address,
      clientId: this.#clientId,
      clock,
      log,
      compression,
      lingerMs: settings.writeDelayMs,
      intervalMs,
      bufferBytes: settings.writeBufferBytes,
      retryFirstMs: settings.retryFirstMs,
      retryMaxMs: settings.retryMaxMs,
      sent: (kafkaTopic, records, bytes) => {
        const topic = kafkaTopic.slice(prefix.length);
        this.#metrics.records.inc({ topic }, records);
        this.#metrics.bytes.inc({ topic }, bytes);
      },
      failed: (kafkaTopic) => this.#metrics.writeFailures.inc({ topic: kafkaTopic.slice(prefix.length) }),
    });
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#state !== "running") return;
    this.#cancelMetrics();
    const { media, events } = this.#senders!;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), deadlineMs);
    });
    const inOrder = async (): Promise<void> => {
      await Promise.all([...this.#subscriptions.keys()].map((subscription) => subscription.stop()));
      await Promise.all([media.flush(), events.flush()]);
    };
    const ended = deadlineMs <= 0 ? "late" : await Promise.race([inOrder(), deadline]);
    clearTimeout(timer);
    this.#state = "stopped";
    if (ended === "late") for (const subscription of this.#subscriptions.keys()) subscription.abandon();
    const lost = media.bufferedBytes + events.bufferedBytes;
    if (lost > 0) this.#options.log.error({ bytes: lost }, "event log: stopped before Kafka took everything; what was buffered is lost");
    const closing = Promise.all([
      media.close(stopped()),
      events.close(stopped()),
      this.#reader?.close(),
      this.#admin?.close().catch(() => {}),
    ]);
    await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
  }

  health(): LogHealth {
    if (this.#state !== "running") return { state: "down", detail: "The event log is not running." };
    const { media, events } = this.#senders!;
    const failure = media.failure ?? events.failure;
    if (failure !== undefined)
      return { state: "down", detail: `${failure.message} ${failure.remedy} What is written is kept in memory until then.` };
    if (Math.max(media.waitingMs, events.waitingMs) > slowMs)
      return { state: "degraded", detail: "Kafka has not acknowledged a record for more than 2 s." };
    if (this.#readFailure !== undefined) return { state: "down", detail: `${this.#readFailure.message} ${this.#readFailure.remedy}` };
    return { state: "up", detail: "" };
  }

  async declare(specs: readonly TopicSpec[]): Promise<void> {
    this.#mustRun();
    const { settings } = this.#options;
    const counts = await declareTopics(this.#admin!, this.#address.prefix, specs, {
      minPartitions: settings.kafkaPartitions,
      replicas: settings.kafkaReplicas,
      maxMessageBytes: Math.max(1024 * 1024, settings.maxRecordBytes + deadLetterOverhead + maxKeyBytes),
    });
    for (const spec of specs) {
      const sender = spec.message === "MediaChunk" ? this.#senders!.media : this.#senders!.events;
      this.#topics.set(spec.name, { spec, partitions: counts.get(spec.name)!, sender });
      this.#reader!.consumer.topics.track(this.#address.prefix + spec.name);
    }
  }

  append(topic: string, key: string, value: Uint8Array, isDue?: () => boolean): boolean {
    const found = this.#admit(topic, key, value, this.#options.settings.maxRecordBytes);
    if (!found.sender.hasRoom(key, value)) {
      this.#metrics.refused.inc({ topic });
      return false;
    }
    found.sender.add(this.#address.prefix + topic, partitionOf(key, found.partitions), key, value, isDue, undefined);
    return true;
  }

  publish(topic: string, key: string, value: Uint8Array, isDue?: () => boolean): Promise<Position> {
    return this.#publish(topic, key, value, this.#options.settings.maxRecordBytes, isDue);
  }

  async #publish(topic: string, key: string, value: Uint8Array, maxBytes: number, isDue?: () => boolean): Promise<Position> {
    const { sender, partitions } = this.#admit(topic, key, value, maxBytes);
    if (!sender.hasRoom(key, value)) {
      const copy = value.slice();
      const turn = this.#waiting.then(async () => {
        while (!sender.hasRoom(key, copy) && this.#state === "running") await sender.room();
        if (this.#state !== "running") throw stopped();
      });
      this.#waiting = turn.catch(() => {});
      await turn;
      return this.#add(sender, topic, partitions, key, copy, isDue);
    }
    return this.#add(sender, topic, partitions, key, value, isDue);
  }

  /** Publishes that wait for room get it in their order. */
  #waiting: Promise<void> = Promise.resolve();

  #add(
    sender: Sender,
    topic: string,
    partitions: number,
    key: string,
    value: Uint8Array,
    isDue: (() => boolean) | undefined,
  ): Promise<Position> {
    return new Promise((resolve, reject) =>
      sender.add(this.#address.prefix + topic, partitionOf(key, partitions), key, value, isDue, { resolve, reject }),
    );
  }

  async flush(): Promise<void> {
    if (this.#state !== "running") throw stopped();
    await Promise.all([this.#senders!.media.flush(), this.#senders!.events.flush()]);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#mustRun();
    const { prefix } = this.#address;
    const found = options.topics.map((name) => ({ name, ...(this.#topics.get(name) ?? unknownTopic(name)) }));
    mustBeCoPartitioned(found);
    const topicsOf = found.map(({ name, spec }) => ({ name, kafkaName: prefix + name, isCompacted: spec.cleanup === "compact" }));
    // Groups of one name on other topics share nothing.
    const kafkaGroup = `${prefix}${options.group}@${options.topics.join("+")}`;
    const subscription = new KafkaSubscription(options, topicsOf, found[0]!.partitions, kafkaGroup, this.#context());
    this.#subscriptions.set(subscription, { topics: options.topics, group: options.group });
    await subscription.start();
    return {
      lag: () => subscription.lag(),
      drained: () => subscription.drained(),
      stop: async () => {
        await subscription.stop();
        this.#subscriptions.delete(subscription);
      },
    };
  }

  #context(): SubscriptionContext {
    const { clock, log, settings } = this.#options;
    return {
      address: this.#address,
      clientId: this.#clientId,
      clock,
      log,
      firstBackoffMs: settings.retryFirstMs,
      maxBackoffMs: settings.retryMaxMs,
      fetchers: this.#fetchers!,
      prefetchBytes,
      sessionTimeoutMs: settings.kafkaSessionMs,
      offsetIntervalMs: settings.offsetIntervalMs,
      bounds: (kafkaTopic, partitions) => this.#reader!.bounds(kafkaTopic, partitions),
      flush: () => this.flush(),
      publishDeadLetter: (key, value) => this.#publish(topics.deadLetter.name, key, value, settings.maxRecordBytes + deadLetterOverhead),
      countLoss: (topic, group, records) => this.#metrics.lost.inc({ topic, group, reason: "retention" }, records),
      countDeadLetter: (topic, group) => this.#metrics.deadLetters.inc({ topic, group }),
      countDropped: (topic, group, code) => this.#metrics.dropped.inc({ topic, group, code }),
      countHandled: (topic, group, records) => this.#metrics.handled.inc({ topic, group }, records),
      reading: (error) => this.#reading(error),
    };
  }

  #reading(cause: unknown): void {
    const error = cause === undefined ? undefined : asEarshotError(cause);
    if (error !== undefined && this.#readFailure === undefined)
      this.#options.log.warn(
        { code: error.code, reasons: error.details.reasons, remedy: error.remedy },
        "event log: Kafka could not be read; tried again",
      );
    this.#readFailure = error;
  }

  async read(topic: string, partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]> {
    const { partitions } = this.#topics.get(topic) ?? unknownTopic(topic);
    this.#mustHave(topic, partition, partitions);
    try {
      return await this.#reader!.read(topic, this.#address.prefix + topic, partition, fromOffset, maxRecords);
    } catch (error) {
      throw asEarshotError(error);
    }
  }

  async bounds(topic: string): Promise<readonly { partition: number; first: number; next: number }[]> {
    const { partitions } = this.#topics.get(topic) ?? unknownTopic(topic);
    try {
      return await this.#reader!.bounds(
        this.#address.prefix + topic,
        Array.from({ length: partitions }, (_, index) => index),
      );
    } catch (error) {
      throw asEarshotError(error);
    }
  }

  #mustHave(topic: string, partition: number, partitions: number): void {
    if (partition >= 0 && partition < partitions) return;
    throw new EarshotError("invalid_request", "event_log_partition_unknown", "There is no such partition.", {
      details: { topic, partition },
    });
  }

  #admit(topic: string, key: string, value: Uint8Array, maxBytes: number): Topic {
    if (this.#state !== "running") throw stopped();
    const found = this.#topics.get(topic);
    if (found === undefined) return unknownTopic(topic);
    checkSize(topic, key, value, maxBytes);
    return found;
  }

  #mustRun(): void {
    if (this.#state !== "running") throw stopped();
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
