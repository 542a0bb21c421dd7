/** What the checks of the event log contract stand on: the topics, a subscriber that collects, waiting that ends. */
import assert from "node:assert/strict";
import { type Category, EarshotError } from "@earshot/proto/errors.ts";
import { type TopicSpec, topics } from "@earshot/proto/topics.ts";
import type { EventLog, LogRecord, SubscribeOptions, Subscription } from "../port.ts";

/** The limits an adapter under test is opened with, small enough to be reached. */
export const contractLimits = {
  maxRecordBytes: 16 * 1024,
  writeBufferBytes: 256 * 1024,
  retryFirstMs: 5,
  retryMaxMs: 20,
  retentionIntervalMs: 50,
} as const;

/** One storage, and a log started on it with `contractLimits`. */
export type EventLogHarness = {
  /** The first, started. */
  readonly log: EventLog;
  /** What it may take before it says that it is full. Default contractLimits.writeBufferBytes. */
  readonly holdsBytes?: number;
  /** Stops in good order and starts again on the same storage. */
  restart(): Promise<EventLog>;
  /** As a killed process: nothing more is written or stored from here on. Then starts again on what is left. */
  crash(): Promise<EventLog>;
  dispose(): Promise<void>;
};
export type MakeEventLog = () => Promise<EventLogHarness>;
export type EventLogCheck = { readonly name: string; run(make: MakeEventLog): Promise<void> };

export const topic: TopicSpec = {
  name: "contract.v1",
  partitions: 3,
  retentionMs: 3_600_000,
  retentionBytes: 256 * 1024 * 1024,
  cleanup: "delete",
  key: "callId",
  message: "Event",
  writtenBy: "contract",
};
export const beside: TopicSpec = { ...topic, name: "contract-beside.v1" };
export const single: TopicSpec = { ...topic, name: "contract-single.v1", partitions: 1 };
/** So small that retention would take it all at once. */
export const compacted: TopicSpec = {
  ...single,
  name: "contract-compacted.v1",
  retentionMs: 1,
  retentionBytes: 64 * 1024,
  cleanup: "compact",
};
export const all = [topic, beside, single, compacted, topics.deadLetter];
const waitMs = 8000;

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (record: LogRecord): string => new TextDecoder().decode(record.value);

export async function within<T>(work: Promise<T>, what: string, ms = waitMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what}: not within ${ms} ms` })), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + waitMs;
  while (!condition()) {
    assert.ok(performance.now() < end, `${what}: not within ${waitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const settle = (ms = 60): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Subscribes and collects what comes. */
export async function collect(
  log: EventLog,
  options: Partial<SubscribeOptions> = {},
): Promise<{ records: { key: string; text: string; partition: number; offset: number }[]; subscription: Subscription }> {
  const records: { key: string; text: string; partition: number; offset: number }[] = [];
  const subscription = await log.subscribe({
    topics: [topic.name],
    group: "g",
    from: "earliest",
    handle(batch) {
      for (const record of batch) records.push({ key: record.key, text: text(record), partition: record.partition, offset: record.offset });
    },
    ...options,
  });
  return { records, subscription };
}

export function rejectsWith(code: string, category: Category) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof EarshotError, `an EarshotError, not ${String(error)}`);
    assert.equal(error.category, category);
    assert.equal(error.code, code);
    return true;
  };
}

/** Opens an adapter, declares the topics, and always disposes of it. */
export function check(name: string, run: (log: EventLog, harness: EventLogHarness) => Promise<void>): EventLogCheck {
  return {
    name,
    async run(make) {
      const harness = await make();
      try {
        await harness.log.declare(all);
        await run(harness.log, harness);
      } finally {
        await harness.dispose();
      }
    },
  };
}

/** A member of a group that writes down what happens to it, in one journal with the others. */
export type Happening = { readonly member: string; readonly what: string; readonly partition: number };

export async function joinAs(
  member: string,
  log: EventLog,
  journal: Happening[],
  options: Partial<SubscribeOptions> = {},
): Promise<Subscription & { partitions: Set<number> }> {
  const partitions = new Set<number>();
  const subscription = await log.subscribe({
    topics: [topic.name],
    group: "g",
    from: "earliest",
    handle(batch) {
      for (const record of batch) journal.push({ member, what: text(record), partition: record.partition });
    },
    ...options,
    async assigned(taken, isOurs, from) {
      assert.ok(isOurs(), "what is taken over is this member's");
      await options.assigned?.(taken, isOurs, from);
      for (const partition of taken) journal.push({ member, what: "assigned", partition });
      for (const partition of taken) partitions.add(partition);
    },
    async revoked(given, why) {
      await options.revoked?.(given, why);
      for (const partition of given) journal.push({ member, what: why, partition });
      for (const partition of given) partitions.delete(partition);
    },
  });
  return { lag: () => subscription.lag(), drained: () => subscription.drained(), stop: () => subscription.stop(), partitions };
}

export const failing = (category: Category, code = "contract_failure"): EarshotError =>
  new EarshotError(category, code, "The contract's failure.");
