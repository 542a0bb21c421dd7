/** From the event log into the column store: everything about calls that is to be remembered. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { EventLog, LogRecord, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { decodeEvent, type Event } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { CallStore } from "../store/port.ts";
import type { storeSettings } from "../store/settings.ts";
import { EventBatcher } from "./event-batcher.ts";

export const ingestGroup = "analytics-ingest";
export const ingestTopics = [
  topics.calls,
  topics.transcripts,
  topics.lineQuality,
  topics.conversation,
  topics.recordings,
  topics.insights,
  topics.ledger,
] as const;

export type IngestOptions = {
  readonly eventLog: EventLog;
  readonly store: Pick<CallStore, "write" | "release">;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly settings: Pick<SettingsOf<typeof storeSettings>, "ingestBatchRows" | "ingestBatchMs">;
  /**
   * Of all processes that store, the one with the first partition of calls does what one alone may do: told when this one takes it, and with
   * undefined when it has given it up. `isOurs` of the event log is false before that where this process stood still.
   */
  readonly ownsFirstPartition?: (isOurs: (() => boolean) | undefined) => Promise<void>;
};

export type Ingest = Component & {
  /** Records on the log that are not stored yet. */
  lag(): number;
  /** Resolves when everything appended before the call is stored. */
  drained(): Promise<void>;
};

/**
 * Stores events in batches. A handler resolves only when its records are stored, so the offset never passes what is not; after a crash
 * the same records come again and change nothing.
 */
export function createIngest(options: IngestOptions): Ingest {
  const { eventLog, store, log, metrics, clock, settings } = options;
  const batcher = new EventBatcher({
    write: (events) => store.write(events),
    maxRows: settings.ingestBatchRows,
    maxWaitMs: settings.ingestBatchMs,
    clock,
    metrics,
  });
  const stored = metrics.counter("earshot_ingest_events_total", "Events stored, by topic.", ["topic"]);
  const failures = metrics.counter("earshot_ingest_failures_total", "Batches that could not be stored at once, by topic.", ["topic"]);
  const lagGauge = metrics.gauge("earshot_ingest_lag_records", "Records on the log that are not stored yet, of the partitions owned here.");
  let subscription: Subscription | undefined;
  let cancelLag = () => {};

  /** By topic and partition: records up to this offset come one by one after a failure, and must not each wait for a batch. */
  const hurryTo = new Map<string, number>();
  /** Of the event log, by partition. What another process may store is not written here: its rows would be older than theirs, and count as newer. */
  const ours = new Map<number, () => boolean>();
  const handle = async (batch: readonly LogRecord[]): Promise<void> => {
    const last = batch.at(-1);
    if (last === undefined) return;
    const { topic, partition, offset } = last;
    const place = `${topic}/${partition}`;
    const hurry = offset <= (hurryTo.get(place) ?? -1);
    try {
      await batcher.add(eventsToStore(batch), hurry, () => ours.get(partition)?.() === true);
      stored.inc({ topic }, batch.length);
    } catch (error) {
      failures.inc({ topic });
      hurryTo.set(place, Math.max(offset, hurryTo.get(place) ?? -1));
      log.warn({ err: error, topic, partition, records: batch.length }, "events could not be stored");
      throw error;
    }
  };

  return {
    name: "ingest",
    async start() {
      // One subscription: whoever has a call's events has all of them, because each changes what is stored of the call.
      subscription = await eventLog.subscribe({
        topics: ingestTopics.map(({ name }) => name),
        group: ingestGroup,
        from: "earliest",
        maxBatch: recordsPerHandover,
        maxAttempts: attemptsWhileUnavailable,
        handle,
        async assigned(partitions, isOurs) {
          for (const partition of partitions) ours.set(partition, isOurs);
          if (partitions.includes(0)) await options.ownsFirstPartition?.(isOurs);
        },
        async revoked(partitions) {
          for (const partition of partitions) ours.delete(partition);
          if (partitions.includes(0)) await options.ownsFirstPartition?.(undefined);
          store.release();
        },
      });
      cancelLag = clock.every(lagEveryMs, () => lagGauge.set(subscription?.lag() ?? 0));
    },
    async stop() {
      cancelLag();
      const stopping = subscription?.stop();
      subscription = undefined;
      batcher.flush();
      await stopping;
    },
    lag: () => subscription?.lag() ?? 0,
    drained: async () => subscription?.drained(),
  };
}

/** Several partitions together fill a batch of ten thousand. */
const recordsPerHandover = 2500;
const lagEveryMs = 5000;
/** Tries are 5 s apart at most: a store that is away for an hour costs lag, not calls. Only failures that may pass are tried again. */
const attemptsWhileUnavailable = 720;

/** Partial words are for the live page alone; they are most of the records and none of the memory. */
function eventsToStore(batch: readonly LogRecord[]): Event[] {
  const events: Event[] = [];
  for (const record of batch) {
    const event = decodeEvent(record.value);
    if (event.payload.case !== "transcriptSegment" || event.payload.value.final) events.push(event);
  }
  return events;
}
