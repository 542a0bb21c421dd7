/**
 * An event log that goes on taking records while the one behind it is away: they go to a spool on this machine's disk, in order, and out of it
 * again before anything newer. The spool is an embedded log with one topic, so it survives `kill -9` with what was written and synced.
 *
 * While the log is up and the spool is empty nothing is touched: the record goes straight through. Once a record is refused (the buffer is full)
 * or the log says it is down, all records take the spool's way until it is empty again, so that no key is overtaken. What does not fit the
 * limit is shed: dropped, counted, and said once per episode.
 */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { EventLog, LogHealth, LogRecord, Position, SubscribeOptions, Subscription } from "./port.ts";

export type SpoolingOptions = {
  /** The log whose records are spooled. */
  readonly log: EventLog;
  /** Stores what waits; started and stopped by the decorator. */
  readonly spool: EventLog;
  readonly clock: Clock;
  readonly logger: Log;
  readonly metrics: Metrics;
  readonly maxBytes: number;
  readonly maxRecordBytes: number;
  readonly retryMs: number;
};

const spoolTopic = "spool.v1";
const group = "drain";
const drainAtOnce = 200;
const overheadBytes = 64;
/** What a record in the spool is longer by, at most: its topic's name. */
export const spoolHeaderBytes = 256;
/** Of what was published into the spool: where it will stand in the log is known when it gets there. */
const unknownPosition: Position = { partition: -1, offset: -1 };

export function createSpoolingEventLog(options: SpoolingOptions): EventLog {
  return new SpoolingEventLog(options);
}

class SpoolingEventLog implements EventLog {
  readonly name: string;
  readonly #options: SpoolingOptions;
  readonly #counts: ReturnType<typeof spoolMetrics>;
  readonly #known = new Set<string>();
  #bytes = 0;
  #waiting = 0;
  #isShedding = false;
  #drain: Subscription | undefined;
  #cancel: () => void = () => {};
  #isDraining = false;

  constructor(options: SpoolingOptions) {
    this.#options = options;
    this.name = options.log.name;
    this.#counts = spoolMetrics(options.metrics);
  }

  async start(): Promise<void> {
    const { log, spool, maxBytes, clock } = this.#options;
    await spool.start();
    try {
      await spool.declare([
        {
          name: spoolTopic,
          partitions: 1,
          // The limit is kept here; retention takes what has gone out, never what waits.
          retentionMs: 30 * 24 * 3_600_000,
          retentionBytes: maxBytes * 3,
          cleanup: "delete",
          key: "callId",
          message: "Event",
          writtenBy: "platform",
        },
      ]);
      await log.start();
    } catch (error) {
      await spool.stop(1000);
      throw error;
    }
    this.#cancel = clock.every(1000, () => {
      this.#counts.records.set(this.#waiting);
      this.#counts.bytes.set(this.#bytes);
    });
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#cancel();
    const { log, spool } = this.#options;
    // A batch that is on its way out ends with the log: the spool keeps it.
    const drained = this.#drain?.stop();
    await log.stop(deadlineMs);
    await drained;
    await spool.stop(Math.max(1000, deadlineMs));
  }

  /** Only once the log knows its topics: what it does not know it would refuse for good. */
  async #startDrain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const { spool, logger, maxBytes } = this.#options;
    const owned = Promise.withResolvers<void>();
    const counted = Promise.withResolvers<void>();
    this.#drain = await spool.subscribe({
      topics: [spoolTopic],
      group,
      from: "earliest",
      maxBatch: drainAtOnce,
      maxAttempts: Number.MAX_SAFE_INTEGER,
      assigned: async () => {
        owned.resolve();
        await counted.promise;
      },
      handle: (batch) => this.#drainBatch(batch),
    });
    await owned.promise;
    this.#waiting = this.#drain.lag();
    // Of a former process's records only the number is known.
    this.#bytes = Math.min(maxBytes, this.#waiting * 1024);
    if (this.#waiting > 0) logger.info({ records: this.#waiting }, "event log: records spooled by a former process go out first");
    counted.resolve();
  }

  health(): LogHealth {
    const health = this.#options.log.health();
    if (health.state === "up" && this.#waiting === 0) return health;
    const spooled = `${this.#waiting} records wait in the spool (${Math.round((this.#bytes / this.#options.maxBytes) * 100)} % full).`;
    if (this.#isShedding)
      return { state: "down", detail: `${health.detail} The spool is full: records are being dropped. ${spooled}`.trim() };
    const spool = this.#options.spool.health();
    if (spool.state !== "up")
      return { state: "down", detail: `${health.detail} The spool cannot be written: ${spool.detail} ${spooled}`.trim() };
    // Whatever comes now, the spool takes.
    return { state: "degraded", detail: `${health.detail} ${this.#waiting === 0 ? "" : spooled}`.trim() };
  }

  append(topic: string, key: string, value: Uint8Array): boolean {
    const { log } = this.#options;
    if (this.#waiting === 0 && log.health().state === "up") {
      // A refused record, and all behind it, take the spool's way.
      if (log.append(topic, key, value)) return true;
    }
    return this.#spool(topic, key, value);
  }

  async publish(topic: string, key: string, value: Uint8Array): Promise<Position> {
    const { log, spool, clock, retryMs } = this.#options;
    if (this.#waiting === 0 && log.health().state !== "down") return log.publish(topic, key, value);
    const copy = value.slice();
    while (!this.#spool(topic, key, copy)) {
      await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      if (this.#waiting === 0 && log.health().state !== "down") return log.publish(topic, key, copy);
    }
    await spool.flush();
    return unknownPosition;
  }

  async flush(): Promise<void> {
    const { log, spool } = this.#options;
    await spool.flush();
    // The log's own buffer is in memory: it is safe only once the log has it.
    await this.#drain?.drained();
    await log.flush();
  }

  async declare(specs: readonly TopicSpec[]): Promise<void> {
    await this.#options.log.declare(specs);
    for (const { name } of specs) this.#known.add(name);
    await this.#startDrain();
  }

  subscribe(options: SubscribeOptions): Promise<Subscription> {
    return this.#options.log.subscribe(options);
  }

  read(topic: string, partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]> {
    return this.#options.log.read(topic, partition, fromOffset, maxRecords);
  }

  bounds(topic: string): Promise<readonly { partition: number; first: number; next: number }[]> {
    return this.#options.log.bounds(topic);
  }

  #spool(topic: string, key: string, value: Uint8Array): boolean {
    const { spool, maxBytes, logger } = this.#options;
    if (!this.#known.has(topic) || value.length > this.#options.maxRecordBytes) {
      // The log throws, and says what is wrong with it.
      return this.#options.log.append(topic, key, value);
    }
    const bytes = value.length + key.length + topic.length + overheadBytes;
    const isTaken = this.#bytes + bytes <= maxBytes && spool.append(spoolTopic, key, wrap(topic, value));
    if (isTaken) {
      if (this.#waiting === 0) logger.warn({}, "event log: it is away; records go to the spool on this machine's disk until it is back");
      this.#waiting++;
      this.#bytes += bytes;
      return true;
    }
    this.#counts.shed.inc({ topic });
    if (!this.#isShedding)
      logger.error(
        { limitBytes: maxBytes },
        "event log: the spool is full, records are dropped; bring the event log back, or raise EARSHOT_EVENT_LOG_SPOOL_BYTES",
      );
    this.#isShedding = true;
    return false;
  }

  async #drainBatch(batch: readonly LogRecord[]): Promise<void> {
    const { log } = this.#options;
    // Published and awaited before the spool's offset moves: a kill in between sends it again, and never loses it.
    const published: Promise<unknown>[] = [];
    for (const { key, value } of batch) {
      const { topic, value: inner } = unwrap(value);
      published.push(
        log.publish(topic, key, inner).catch((error: unknown) => {
          if (error instanceof EarshotError && error.category === "invalid_request") {
            this.#counts.shed.inc({ topic });
            return;
          }
          throw error;
        }),
      );
    }
    const results = await Promise.allSettled(published);
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined)
      throw new EarshotError("unavailable", "event_log_away", "The event log took no records out of the spool.", { cause: failed.reason });
    for (const { key, value } of batch) {
      this.#waiting = Math.max(0, this.#waiting - 1);
      this.#bytes = Math.max(0, this.#bytes - value.length - key.length - overheadBytes);
    }
    if (this.#waiting > 0) return;
    this.#bytes = 0;
    if (this.#isShedding) this.#options.logger.warn({}, "event log: the spool has room again");
    this.#isShedding = false;
    this.#options.logger.info({}, "event log: it is back, and the spool is empty");
  }
}

function spoolMetrics(metrics: Metrics) {
  return {
    records: metrics.gauge("earshot_event_log_spool_records", "Records that wait in the spool for the event log to come back"),
    bytes: metrics.gauge("earshot_event_log_spool_bytes", "Bytes of the records that wait in the spool"),
    shed: metrics.counter("earshot_event_log_shed_total", "Records dropped because the spool was full, or the log refuses them for good", [
      "topic",
    ]),
  };
}

/** A length, the topic, the value. */
function wrap(topic: string, value: Uint8Array): Uint8Array {
  const name = Buffer.from(topic);
  const out = Buffer.allocUnsafe(1 + name.length + value.length);
  out[0] = name.length;
  out.set(name, 1);
  out.set(value, 1 + name.length);
  return out;
}

function unwrap(bytes: Uint8Array): { topic: string; value: Uint8Array } {
  const end = 1 + bytes[0]!;
  return { topic: Buffer.from(bytes.subarray(1, end)).toString(), value: bytes.subarray(end) };
}
