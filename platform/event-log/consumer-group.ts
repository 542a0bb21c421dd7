/**
 * A consumer group of the embedded log: its members share the partitions, each partition of each topic is read by one loop, in order. A
 * partition that moves is first given up by its owner (its batch in hand done, `revoked` called, offsets stored), then taken over by the next.
 */

import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { Cursor, type Loss } from "./cursor.ts";
import { encodeDeadLetter } from "./dead-letter.ts";
import { type Delivery, deliver } from "./deliver.ts";
import { callAssigned, callRevoked } from "./hand-over.ts";
import { Lease } from "./lease.ts";
import type { Partition } from "./partition.ts";
import type { LogRecord, SubscribeOptions, Subscription } from "./port.ts";
import { shareOut } from "./share-out.ts";

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

export type GroupTopic = { readonly name: string; readonly partitions: readonly Partition[]; readonly isCompacted: boolean };

type Member = { readonly options: SubscribeOptions; isLeaving: boolean };

class Reader {
  readonly topic: string;
  readonly partition: Partition;
  readonly cursor: Cursor;
  /** Records below it are handled. */
  handled: number;
  wake: (() => void) | undefined;
  constructor(topic: string, partition: Partition, offset: number, lost: (loss: Loss) => void) {
    this.topic = topic;
    this.partition = partition;
    this.cursor = new Cursor(partition, offset, lost);
    this.handled = offset;
  }
}

/** Partition p of every topic, and who has it. */
type Share = { readonly index: number; readonly readers: readonly Reader[]; owner: Member | undefined; lease: Lease | undefined };
type Drainer = { readonly goals: readonly { reader: Reader; lease: Lease; target: number }[]; readonly resolve: () => void };

const yieldToIo = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class ConsumerGroup {
  readonly name: string;
  readonly topics: readonly string[];
  readonly #durable: boolean;
  readonly #context: GroupContext;
  readonly #shares: readonly Share[];
  #members: Member[] = [];
  #closed = false;
  #left: () => void = () => {};
  #finished: Promise<void> | undefined;
  #loops: Promise<void>[] = [];
  #drainers: Drainer[] = [];
  /** Balances run one after another. */
  #moving: Promise<void> = Promise.resolve();

  constructor(topics: readonly GroupTopic[], options: SubscribeOptions, context: GroupContext) {
    this.name = options.group;
    this.topics = topics.map(({ name }) => name);
    this.#durable = options.durable !== false;
    this.#context = context;
    this.#shares = topics[0]!.partitions.map((_, index) => ({
      index,
      readers: topics.map((topic) => this.#reader(topic, topic.partitions[index]!, options)),
      owner: undefined,
      lease: undefined,
    }));
  }

  #reader({ name: topic, isCompacted }: GroupTopic, partition: Partition, options: SubscribeOptions): Reader {
    const context = this.#context;
    const where = { topic, group: options.group, partition: partition.index };
    const stored = this.#durable ? context.storedOffset(topic, partition.index, options.group) : undefined;
    let offset = stored ?? (options.from === "earliest" ? partition.first : partition.next);
    if (offset > partition.next) {
      context.log.warn(where, "event log: a group stood beyond the log's end and was set back");
      offset = partition.next;
    }
    if (this.#durable) context.keepOffset(topic, partition.index, options.group, offset);
    return new Reader(topic, partition, offset, (loss) => {
      // What compaction deletes comes again later, or has been overtaken.
      if (isCompacted && loss.reason === "retention") return;
      context.countLoss(topic, options.group, loss);
      context.log.warn({ ...where, records: loss.records, reason: loss.reason }, "event log: a group lost records it had not read");
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
    const member: Member = { options, isLeaving: false };
    this.#members.push(member);
    if (this.#loops.length === 0) this.#loops = this.#shares.flatMap((share) => share.readers.map((reader) => this.#run(share, reader)));
    this.#balance();
    return {
      lag: () => this.#lagOf((share) => share.owner === member),
      drained: () => this.#drained(member),
      stop: () => this.#leave(member),
    };
  }

  /** Records not handled yet, of one topic, over all partitions. */
  lag(topic: string): number {
    return this.#lagOf(() => true, topic);
  }

  #lagOf(counts: (share: Share) => boolean, topic?: string): number {
    let sum = 0;
    for (const share of this.#shares)
      if (counts(share))
        for (const reader of share.readers)
          if (topic === undefined || reader.topic === topic) sum += Math.max(0, reader.partition.next - reader.handled);
    return sum;
  }

  async #drained(member: Member): Promise<void> {
    // What is appended up to now counts, of the partitions that are the member's once the move under way is over.
    const targets = this.#shares.map((share) => share.readers.map((reader) => reader.partition.next));
    this.#context.writeNow();
    if (this.#shares.every((share) => share.lease === undefined || share.owner !== member)) await this.#moving;
    const goals = this.#shares.flatMap((share, s) =>
      share.owner !== member || share.lease === undefined
        ? []
        : share.readers.map((reader, r) => ({ reader, lease: share.lease!, target: targets[s]![r]! })),
    );
    if (goals.every(isReached)) return;
    await new Promise<void>((resolve) => this.#drainers.push({ goals, resolve }));
  }

  async #leave(member: Member): Promise<void> {
    if (!member.isLeaving) {
      member.isLeaving = true;
      for (const share of this.#shares) if (share.owner === member) share.lease?.end();
      this.#members = this.#members.filter((other) => other !== member);
      const given = this.#balance();
      if (this.#members.length === 0) {
        this.#closed = true;
        this.#finished = given.then(() => this.#finish());
      }
    }
    // What it had is given up; the next owner's `assigned` is not waited for.
    while (this.#shares.some((share) => share.owner === member)) await this.#givenUp();
    if (this.#finished !== undefined) await this.#finished;
  }

  #givingUp = Promise.withResolvers<void>();
  #givenUp(): Promise<void> {
    return this.#givingUp.promise;
  }

  async #finish(): Promise<void> {
    this.#wakeAll();
    await Promise.all(this.#loops);
    this.#left();
  }

  /** Moves what has to move so that the members' shares are even. Resolves when it has. */
  #balance(): Promise<void> {
    const balanced = this.#moving.then(() => this.#move());
    this.#moving = balanced;
    return balanced;
  }

  async #move(): Promise<void> {
    const members = this.#members;
    const goals = new Map<Share, Member>();
    shareOut(
      this.#shares.length,
      members.map((member) => this.#shares.filter((share) => share.owner === member).map((share) => share.index)),
    ).forEach((indexes, i) => {
      for (const index of indexes) goals.set(this.#shares[index]!, members[i]!);
    });
    const moving = this.#shares.filter((share) => share.owner !== goals.get(share));
    const olds = new Set(moving.flatMap((share) => share.owner ?? []));
    await Promise.all(
      [...olds].map((old) =>
        this.#giveUp(
          old,
          moving.filter((share) => share.owner === old),
        ),
      ),
    );
    const news = new Set(moving.flatMap((share) => goals.get(share) ?? []));
    await Promise.all(
      [...news].map((member) =>
        this.#takeOver(
          member,
          moving.filter((share) => goals.get(share) === member),
        ),
      ),
    );
  }

  async #giveUp(member: Member, shares: readonly Share[]): Promise<void> {
    for (const share of shares) share.lease?.end();
    await Promise.all(shares.map((share) => share.lease?.idle()));
    if (this.#durable) {
      await callRevoked(member.options, shares, "handover", this.#context.log);
      await this.#context
        .storeOffsets()
        .catch((err) => this.#context.log.error({ err, group: this.name }, "event log: consumer offsets could not be stored"));
    }
    for (const share of shares) {
      share.owner = undefined;
      share.lease = undefined;
    }
    this.#checkDrainers();
    this.#givingUp.resolve();
    this.#givingUp = Promise.withResolvers();
  }

  async #takeOver(member: Member, shares: readonly Share[]): Promise<void> {
    if (member.isLeaving) return;
    for (const share of shares) {
      share.owner = member;
      share.lease = new Lease(this.#context.clock);
    }
    // A member in this process is asked before anything of it goes to another.
    await callAssigned(member.options, shares, () => true, this.#context);
    for (const share of shares) for (const reader of share.readers) reader.wake?.();
  }

  #wakeAll(): void {
    for (const share of this.#shares) for (const reader of share.readers) reader.wake?.();
  }

  async #run(share: Share, reader: Reader): Promise<void> {
    const { partition, cursor } = reader;
    const wake = (): void => reader.wake?.();
    partition.onWritten.add(wake);
    try {
      while (!this.#closed) {
        const { owner, lease } = share;
        if (owner === undefined || lease === undefined || !lease.isOpen || lease.isEnded || cursor.behind === 0) {
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
          reader.wake = undefined;
          continue;
        }
        await lease.hold(async () => {
          try {
            await this.#step(reader, owner, lease);
          } catch (err) {
            // Not the handler's: the log itself could not be read.
            this.#context.log.error(
              { err, topic: reader.topic, group: this.name, partition: partition.index },
              "event log: reading failed, tried again",
            );
            await lease.pause(1000);
          }
        });
        // Sockets and timers get their turn between two batches, however far behind the group is.
        if (cursor.behind > 0) await yieldToIo();
      }
    } finally {
      partition.onWritten.delete(wake);
    }
  }

  async #step(reader: Reader, member: Member, lease: Lease): Promise<void> {
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
      done = lease.isEnded ? 0 : await deliver(records, this.#delivery(member, lease));
    } finally {
      cursor.release();
    }
    if (done < records.length) cursor.seek(records[done]!.offset);
    if (done > 0) this.#context.countHandled(reader.topic, this.name, done);
    this.#settle(reader, cursor.offset);
  }

  #settle(reader: Reader, offset: number): void {
    reader.handled = offset;
    if (this.#durable) this.#context.keepOffset(reader.topic, reader.partition.index, this.name, offset);
    if (this.#drainers.length > 0) this.#checkDrainers();
  }

  #checkDrainers(): void {
    this.#drainers = this.#drainers.filter(({ goals, resolve }) => {
      const isDone = goals.every(isReached);
      if (isDone) resolve();
      return !isDone;
    });
  }

  #delivery(member: Member, lease: Lease): Delivery {
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
      pause: (ms) => lease.pause(ms),
      stopping: () => lease.isEnded,
    };
  }
}

function isReached({ reader, lease, target }: Drainer["goals"][number]): boolean {
  return lease.isEnded || reader.handled >= target;
}
