/** A consumer group on one topic: its members share the partitions, each partition is read by one loop, in order. */

import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { Cursor, type Loss } from "./cursor.ts";
import { encodeDeadLetter } from "./dead-letter.ts";
import { type Delivery, deliver } from "./deliver.ts";
import type { Partition } from "./partition.ts";
import type { LogRecord, SubscribeOptions, Subscription } from "./port.ts";

export type GroupContext = {
  readonly clock: Clock;
  readonly log: Log;
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  storedOffset(topic: string, partition: number, group: string): number | undefined;
  keepOffset(topic: string, partition: number, group: string, offset: number): void;
  storeOffsets(): Promise<void>;
  publishDeadLetter(key: string, value: Uint8Array): Promise<unknown>;
  countLoss(topic: string, group: string, loss: Loss): void;
  countDeadLetter(topic: string, group: string): void;
  countDropped(topic: string, group: string, code: string): void;
  countHandled(topic: string, group: string, records: number): void;
  /** Makes what is in the write buffer readable at once. */
  writeNow(): void;
};

type Member = { readonly options: SubscribeOptions; stopping: boolean; busy: number; cancelPauses: Set<() => void>; idle: Set<() => void> };

class Reader {
  readonly partition: Partition;
  readonly cursor: Cursor;
  /** Records below it are handled. */
  handled: number;
  wake: (() => void) | undefined;
  constructor(partition: Partition, offset: number, lost: (loss: Loss) => void) {
    this.partition = partition;
    this.cursor = new Cursor(partition, offset, lost);
    this.handled = offset;
  }
}

const yieldToIo = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class ConsumerGroup {
  readonly name: string;
  readonly topic: string;
  readonly #durable: boolean;
  readonly #context: GroupContext;
  readonly #readers: Reader[];
  #members: Member[] = [];
  #closed = false;
  #left: () => void = () => {};
  #finished: Promise<void> | undefined;
  #loops: Promise<void>[] = [];
  #drainers: { targets: number[]; resolve: () => void }[] = [];
  #wakeAll = (): void => {
    for (const reader of this.#readers) reader.wake?.();
  };

  constructor(topic: string, partitions: readonly Partition[], options: SubscribeOptions, context: GroupContext) {
    this.name = options.group;
    this.topic = topic;
    this.#durable = options.durable !== false;
    this.#context = context;
    this.#readers = partitions.map((partition) => {
      const stored = this.#durable ? context.storedOffset(topic, partition.index, options.group) : undefined;
      let offset = stored ?? (options.from === "earliest" ? partition.first : partition.next);
      if (offset > partition.next) {
        context.log.warn(
          { topic, group: options.group, partition: partition.index },
          "event log: a group stood beyond the log's end and was set back",
        );
        offset = partition.next;
      }
      if (this.#durable) context.keepOffset(topic, partition.index, options.group, offset);
      return new Reader(partition, offset, (loss) => {
        context.countLoss(topic, options.group, loss);
        context.log.warn(
          { topic, group: options.group, partition: partition.index, records: loss.records, reason: loss.reason },
          "event log: a group lost records it had not read",
        );
      });
    });
  }

  /** True once the last member has left: it takes no more members. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Stops every member; resolves when their batches in hand are done and the offsets stored. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#leave(member)));
    await this.#finished;
  }

  /** @param left called when the last member has left */
  join(options: SubscribeOptions, left: () => void): Subscription {
    this.#left = left;
    const member: Member = { options, stopping: false, busy: 0, cancelPauses: new Set(), idle: new Set() };
    this.#members.push(member);
    if (this.#loops.length === 0) this.#loops = this.#readers.map((reader) => this.#run(reader));
    this.#wakeAll();
    return { lag: () => this.lag(), drained: () => this.#drained(), stop: () => this.#leave(member) };
  }

  lag(): number {
    let sum = 0;
    for (const reader of this.#readers) sum += Math.max(0, reader.partition.next - reader.handled);
    return sum;
  }

  #drained(): Promise<void> {
    const targets = this.#readers.map((reader) => reader.partition.next);
    const isDone = this.#readers.every((reader, i) => reader.handled >= targets[i]!);
    if (isDone || this.#closed) return Promise.resolve();
    this.#context.writeNow();
    return new Promise((resolve) => this.#drainers.push({ targets, resolve }));
  }

  async #leave(member: Member): Promise<void> {
    if (!member.stopping) {
      member.stopping = true;
      for (const cancel of [...member.cancelPauses]) cancel();
      this.#members = this.#members.filter((other) => other !== member);
      if (this.#members.length === 0) {
        this.#closed = true;
        this.#finished = this.#finish();
      }
      this.#wakeAll();
    }
    if (member.busy > 0) await new Promise<void>((resolve) => member.idle.add(resolve));
    if (this.#finished !== undefined) await this.#finished;
    else if (this.#durable) await this.#context.storeOffsets();
  }

  async #finish(): Promise<void> {
    this.#wakeAll();
    await Promise.all(this.#loops);
    for (const drainer of this.#drainers.splice(0)) drainer.resolve();
    if (this.#durable) await this.#context.storeOffsets();
    this.#left();
  }

  async #run(reader: Reader): Promise<void> {
    const { partition, cursor } = reader;
    const wake = (): void => reader.wake?.();
    partition.onWritten.add(wake);
    try {
      while (!this.#closed) {
        const member = this.#members[partition.index % this.#members.length]!;
        if (cursor.behind === 0) {
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
          reader.wake = undefined;
          continue;
        }
        member.busy++;
        try {
          await this.#step(reader, member);
        } catch (err) {
          // Not the handler's: the log itself could not be read.
          this.#context.log.error(
            { err, topic: this.topic, group: this.name, partition: partition.index },
            "event log: reading failed, tried again",
          );
          await this.#pause(member, 1000);
        } finally {
          member.busy--;
          if (member.busy === 0) for (const resolve of [...member.idle]) resolve();
        }
        // Sockets and timers get their turn between two batches, however far behind the group is.
        if (cursor.behind > 0) await yieldToIo();
      }
    } finally {
      partition.onWritten.delete(wake);
    }
  }

  async #step(reader: Reader, member: Member): Promise<void> {
    const { cursor } = reader;
    const fetched = cursor.fetch(member.options.maxBatch ?? 500);
    const records = Array.isArray(fetched) ? (fetched as readonly LogRecord[]) : await fetched;
    if (records.length === 0) {
      // Skipped over what is lost.
      this.#settle(reader, cursor.offset);
      return;
    }
    let done = 0;
    try {
      done = member.stopping ? 0 : await deliver(records, this.#delivery(member));
    } finally {
      cursor.release();
    }
    if (done < records.length) cursor.seek(records[done]!.offset);
    if (done > 0) this.#context.countHandled(this.topic, this.name, done);
    this.#settle(reader, cursor.offset);
  }

  #settle(reader: Reader, offset: number): void {
    reader.handled = offset;
    if (this.#durable) this.#context.keepOffset(this.topic, reader.partition.index, this.name, offset);
    if (this.#drainers.length === 0) return;
    this.#drainers = this.#drainers.filter((drainer) => {
      const isDone = this.#readers.every((one, i) => one.handled >= drainer.targets[i]!);
      if (isDone) drainer.resolve();
      return !isDone;
    });
  }

  #delivery(member: Member): Delivery {
    const context = this.#context;
    return {
      group: this.name,
      maxAttempts: member.options.maxAttempts ?? 5,
      firstBackoffMs: context.firstBackoffMs,
      maxBackoffMs: context.maxBackoffMs,
      log: context.log,
      handle: member.options.handle,
      deadLetter: async (record, error, attempts) => {
        await context.publishDeadLetter(record.key, encodeDeadLetter(record, this.name, error, attempts, context.clock.now()));
        context.countDeadLetter(record.topic, this.name);
      },
      dropped: (record, code) => context.countDropped(record.topic, this.name, code),
      pause: (ms) => this.#pause(member, ms),
      stopping: () => member.stopping,
    };
  }

  #pause(member: Member, ms: number): Promise<void> {
    if (member.stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancelTimer();
        member.cancelPauses.delete(end);
        resolve();
      };
      const cancelTimer = this.#context.clock.after(ms, end);
      member.cancelPauses.add(end);
    });
  }
}
