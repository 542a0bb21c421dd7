/** The event log: append-only topics, partitioned by key, read by consumer groups at their own pace. */
import type { TopicSpec } from "@earshot/proto/topics.ts";
import type { Component } from "../lifecycle/component.ts";

export type LogRecord = {
  readonly topic: string;
  readonly partition: number;
  /** Position in the partition; grows with each record, by one except where compaction or the engine itself left a gap. */
  readonly offset: number;
  readonly key: string;
  /** Valid only until the handler's promise settles: copy what you keep. */
  readonly value: Uint8Array;
  /** Unix milliseconds at which it was appended. */
  readonly appendedAtMs: number;
};

export type Position = { readonly partition: number; readonly offset: number };

/** Why partitions are given up. `lost`: another member may own them already. */
export type RevokedWhy = "handover" | "lost";

export type AssignedFrom = (topic: string, partition: number) => number;

export type SubscribeOptions = {
  /**
   * One topic or several. Several have the same number of partitions and are shared out together: partition p of every one of them goes to
   * the same member of the group, so that topics with the same key agree on a key's owner. A batch is of one topic and one partition.
   */
  readonly topics: readonly string[];
  /** Members of one group, on the same topics, share its partitions and offsets. */
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
  /**
   * Called before the first batch of these partitions; their batches wait for it, so state is restored here. Thrown: called again after a
   * pause for as long as the partitions are owned; until it resolves none of them counts as taken over, and nobody is told `revoked`.
   * Not called where `durable` is false: nothing is shared then.
   * @param isOurs false from the moment on at which another member may own them, also where that is before this resolves: nothing may be said in
   *   their name then. `revoked` says `lost` as soon as no batch of them is in hand any more
   * @param from offset of the first record of a topic's partition that will be handed over: those before it were handled by the group, or were there
   *   before it began. Only of these partitions, and only until this resolves
   */
  assigned?(partitions: readonly number[], isOurs: () => boolean, from: AssignedFrom): Promise<void> | void;
  /**
   * Called when no batch of these partitions is in hand any more. `handover`: when it resolves their offsets are stored and they are given
   * up; also called on stop(). `lost`: publish nothing, drop the state. Not called where `durable` is false.
   */
  revoked?(partitions: readonly number[], why: RevokedWhy): Promise<void> | void;
};

export interface Subscription {
  /** Records appended and not yet handled, over the partitions this member owns, as far as the adapter has heard of them. */
  lag(): number;
  /** Resolves when everything appended before the call to the partitions this member owns has been handled, or they have moved away. */
  drained(): Promise<void>;
  /** Waits for the batch in hand, gives the partitions up (`revoked`), stores offsets. */
  stop(): Promise<void>;
}

/** `down`: nothing is taken or handed over. `degraded`: it works, and not as it should. `detail` says what is wrong, in words for an operator. */
export type LogHealth = { readonly state: "up" | "degraded" | "down"; readonly detail: string };

export interface EventLog extends Component {
  /** What it can do now, truthfully. Cheap: nothing is asked of a server. */
  health(): LogHealth;
  /** Creates what is missing; a changed retention takes effect. Of a compacted topic the newest record of each key is kept, whatever its age. */
  declare(topics: readonly TopicSpec[]): Promise<void>;
  /**
   * The hot path: copies the record into the write buffer and returns at once.
   * @param isDue asked again just before the record is sent, where it waits in memory for that: false = it is withdrawn
   * @returns false when the buffer is full (backpressure): nothing was taken, and the caller counts or retries
   * @throws EarshotError invalid_request (unknown topic, record over the size limit)
   */
  append(topic: string, key: string, value: Uint8Array, isDue?: () => boolean): boolean;
  /**
   * Appends and resolves with the position when the record is on disk (or acknowledged by the broker). Waits while the buffer is full.
   * @param isDue as of `append`; where it is withdrawn this rejects with an EarshotError of category cancelled
   */
  publish(topic: string, key: string, value: Uint8Array, isDue?: () => boolean): Promise<Position>;
  /** Resolves when everything appended before the call is on disk. */
  flush(): Promise<void>;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /** Reads without a group, oldest first: for replay and for cursors. Values are the caller's to keep. */
  read(topic: string, partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]>;
  /** First and next offset of each partition. */
  bounds(topic: string): Promise<readonly { partition: number; first: number; next: number }[]>;
}
