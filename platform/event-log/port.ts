/** The event log: append-only topics, partitioned by key, read by consumer groups at their own pace. */
import type { TopicSpec } from "@earshot/proto/topics.ts";
import type { Component } from "../lifecycle/component.ts";

export type LogRecord = {
  readonly topic: string;
  readonly partition: number;
  /** Position in the partition; grows by one with each record. */
  readonly offset: number;
  readonly key: string;
  /** Valid only until the handler's promise settles: copy what you keep. */
  readonly value: Uint8Array;
  /** Unix milliseconds at which it was appended. */
  readonly appendedAtMs: number;
};

export type Position = { readonly partition: number; readonly offset: number };

export type SubscribeOptions = {
  readonly topic: string;
  /** Members of one group share its offsets. */
  readonly group: string;
  /** Where a group without stored offsets begins. */
  readonly from: "earliest" | "latest";
  /** Records handed over at once, at most. Default 500. */
  readonly maxBatch?: number;
  /** Tries of one record whose failure's category says retry, before it is dead-lettered. Default 5, backing off from 100 ms to 5 s. */
  readonly maxAttempts?: number;
  /**
   * false: offsets are not stored; every start begins at `from` (live views, settings snapshots), and every such subscription reads all
   * partitions by itself, whatever its group's name. Default true.
   */
  readonly durable?: boolean;
  /**
   * Takes a batch of one partition, in order. Resolved = done, the offset moves on. Thrown: the records are handed over one by one;
   * the one that fails is retried, dropped or dead-lettered as its error's category says (proto/errors.ts), and never blocks its
   * partition for ever: a bug (`crash`) is logged with its stack and dead-lettered at once. At-least-once: after a crash the same records come again.
   */
  handle(batch: readonly LogRecord[]): Promise<void> | void;
};

export interface Subscription {
  /** Records appended and not yet handled, over all partitions. */
  lag(): number;
  /** Resolves when everything appended before the call has been handled. */
  drained(): Promise<void>;
  /** Waits for the batch in hand, stores offsets. */
  stop(): Promise<void>;
}

export interface EventLog extends Component {
  /** Creates what is missing; a changed retention takes effect. */
  declare(topics: readonly TopicSpec[]): Promise<void>;
  /**
   * The hot path: copies the record into the write buffer and returns at once.
   * @returns false when the buffer is full (backpressure): nothing was taken, and the caller counts or retries
   * @throws EarshotError invalid_request (unknown topic, record over the size limit)
   */
  append(topic: string, key: string, value: Uint8Array): boolean;
  /** Appends and resolves with the position when the record is on disk (or acknowledged by the broker). Waits while the buffer is full. */
  publish(topic: string, key: string, value: Uint8Array): Promise<Position>;
  /** Resolves when everything appended before the call is on disk. */
  flush(): Promise<void>;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /** Reads without a group, oldest first: for replay and for cursors. Values are the caller's to keep. */
  read(topic: string, partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]>;
  /** First and next offset of each partition. */
  bounds(topic: string): Promise<readonly { partition: number; first: number; next: number }[]>;
}
