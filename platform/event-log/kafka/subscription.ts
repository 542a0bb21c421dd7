/** One subscription on Kafka: the partitions it has, fetched ahead, handed over in order, given up and taken over as the group decides. */
import type { Clock } from "../../clock/clock.ts";
import type { Log } from "../../log/log.ts";
import { encodeDeadLetter } from "../dead-letter.ts";
import { type Delivery, deliver } from "../deliver.ts";
import { callAssigned, callRevoked } from "../hand-over.ts";
import { Lease } from "../lease.ts";
import type { RevokedWhy, SubscribeOptions, Subscription } from "../port.ts";
import type { KafkaAddress } from "./connection.ts";
import type { Fetcher, Place, Reading } from "./fetcher.ts";
import type { Fetchers } from "./fetchers.ts";
import { Membership } from "./membership.ts";

export type SubscriptionContext = {
  readonly address: KafkaAddress;
  readonly clientId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly fetchers: Fetchers;
  readonly prefetchBytes: number;
  readonly sessionTimeoutMs: number;
  readonly offsetIntervalMs: number;
  /** First and next offset, asked on a connection that no long poll holds up. */
  bounds(kafkaTopic: string, partitions: readonly number[]): Promise<{ partition: number; first: number; next: number }[]>;
  flush(): Promise<void>;
  publishDeadLetter(key: string, value: Uint8Array): Promise<unknown>;
  countLoss(topic: string, group: string, records: number): void;
  countDeadLetter(topic: string, group: string): void;
  countDropped(topic: string, group: string, code: string): void;
  countHandled(topic: string, group: string, records: number): void;
  /** Told of failures to read, and of the end of them. */
  reading(error: unknown | undefined): void;
};

class Reader {
  readonly place: Place;
  /** Records below it are handled. */
  handled: number;
  committed: number;
  isPumping = false;
  constructor(place: Place, committed: number) {
    this.place = place;
    this.handled = place.next;
    this.committed = committed;
  }

  get topic(): string {
    return this.place.topic;
  }
}

type Share = { readonly index: number; readonly lease: Lease; readers: readonly Reader[]; taking: Promise<void> };
type Topic = { readonly name: string; readonly kafkaName: string; readonly isCompacted: boolean };

/** The group takes no offsets while it shares out anew, which lasts as long as its slowest member takes to answer. */
const commitRetryMs = 100;

export class KafkaSubscription implements Subscription {
  readonly #options: SubscribeOptions;
  readonly #context: SubscriptionContext;
  readonly #topics: readonly Topic[];
  readonly #partitions: number;
  readonly #shares = new Map<number, Share>();
  /** What the group counts as this member's: from the assignment on, until it is given up. */
  readonly #claims = new Set<number>();
  /** Grows whenever what was held until then may be another member's. */
  #tenure = 0;
  readonly #reading: Reading;
  readonly #fetcher: Fetcher;
  readonly #membership: Membership | undefined;
  #moving: Promise<void> = Promise.resolve();
  #waiters: { isDone(): boolean; resolve(): void }[] = [];
  #stopping: Promise<void> | undefined;
  #isAbandoned = false;
  #cancelCommits: () => void = () => {};

  constructor(options: SubscribeOptions, topics: readonly Topic[], partitions: number, kafkaGroup: string, context: SubscriptionContext) {
    this.#options = options;
    this.#topics = topics;
    this.#partitions = partitions;
    this.#context = context;
    const names = topics.map(({ kafkaName }) => kafkaName);
    this.#reading = {
      topics: names,
      wanted: () => this.#wanted(),
      fetched: (place) => this.#fetched(place),
      lost: (place, records) => this.#lost(place, records),
    };
    this.#fetcher = context.fetchers.open(this.#reading, options.durable === false);
    if (options.durable !== false)
      this.#membership = new Membership({
        address: context.address,
        clientId: context.clientId,
        group: kafkaGroup,
        topics: names,
        partitions,
        sessionTimeoutMs: context.sessionTimeoutMs,
        retryMs: context.firstBackoffMs,
        held: () => [...this.#claims],
        assigned: (list, isNew) => this.#reconcile(list, isNew),
        doubted: () => this.#lose(),
        failed: (error) => context.reading(error),
      });
  }

  /** Joins the group, or takes every partition where nothing is shared. */
  async start(): Promise<void> {
    const { offsetIntervalMs, clock } = this.#context;
    if (this.#membership === undefined) {
      await this.#takeOver(
        Array.from({ length: this.#partitions }, (_, index) => index),
        this.#tenure,
      );
      return;
    }
    await this.#membership.join();
    // `latest` means after what is there when subscribe resolves; where `earliest` begins can be settled later.
    if (this.#options.from === "latest") await this.#moving;
    this.#cancelCommits = clock.every(
      offsetIntervalMs,
      () =>
        void this.#commit(
          [...this.#shares.values()].filter(({ lease }) => !lease.isEnded),
          1,
        ),
    );
  }

  lag(topic?: string): number {
    let sum = 0;
    for (const { readers } of this.#shares.values())
      for (const { place, handled } of readers) if (topic === undefined || place.topic === topic) sum += Math.max(0, place.end - handled);
    return sum;
  }

  async drained(): Promise<void> {
    await this.#context.flush();
    await this.#moving;
    const shares = [...this.#shares.values()];
    await Promise.all(shares.map(({ taking }) => taking));
    const partitions = shares.map(({ index }) => index);
    if (partitions.length === 0) return;
    const goals = await Promise.all(
      this.#topics.map(async ({ name, kafkaName }) => ({ name, bounds: await this.#context.bounds(kafkaName, partitions) })),
    );
    const isDone = (): boolean =>
      shares.every(
        ({ index, lease, readers }) =>
          lease.isEnded ||
          goals.every(({ name, bounds }) => {
            const end = bounds.find(({ partition }) => partition === index)!.next;
            return readers.find(({ place }) => place.topic === name)!.handled >= end;
          }),
      );
    if (!isDone()) await new Promise<void>((resolve) => this.#waiters.push({ isDone, resolve }));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** As a killed process: nothing more is handed over, nothing stored, nobody waited for. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#cancelCommits();
    for (const { lease } of this.#shares.values()) lease.end();
    this.#check();
    void this.#context.fetchers.close(this.#fetcher, this.#reading);
    void this.#membership?.leave();
  }

  async #stop(): Promise<void> {
    this.#cancelCommits();
    for (const { lease } of this.#shares.values()) lease.end();
    this.#check();
    const given = this.#moving.then(() => this.#giveUp([...this.#shares.values()], "handover"));
    this.#moving = given;
    await given;
    await this.#context.fetchers.close(this.#fetcher, this.#reading);
    await this.#membership?.leave();
  }

  #reconcile(assigned: readonly number[], isNew: boolean): void {
    if (this.#stopping !== undefined || this.#isAbandoned) return;
    if (isNew) this.#lose();
    // At once: else the group would think them free while they are being taken over.
    for (const index of assigned) this.#claims.add(index);
    const tenure = this.#tenure;
    this.#moving = this.#moving.then(async () => {
      if (tenure !== this.#tenure || this.#stopping !== undefined) return;
      const giving = [...this.#shares.values()].filter(({ index }) => !assigned.includes(index));
      if (giving.length > 0) await this.#giveUp(giving, "handover");
      await this.#takeOver(
        assigned.filter((index) => !this.#shares.has(index)),
        tenure,
      );
      // The group learns what is free now.
      if (giving.length > 0 && this.#isOurs(tenure)) void this.#membership?.join();
    });
  }

  /** Everything that was held or was being taken over may be another member's: nothing more of it is handed over. */
  #lose(): void {
    this.#tenure++;
    this.#claims.clear();
    for (const { lease } of this.#shares.values()) lease.end();
    this.#check();
    this.#moving = this.#moving.then(() => this.#giveUp([...this.#shares.values()], "lost"));
  }

  /** What was assigned in a tenure is still this member's. Once false it stays so: what was left out meanwhile comes again. */
  #isOurs(tenure: number): boolean {
    if (tenure === this.#tenure && this.#membership?.isConfirmed === false) this.#membership.doubt();
    return tenure === this.#tenure;
  }

  async #giveUp(shares: readonly Share[], why: RevokedWhy): Promise<void> {
    if (shares.length === 0) return;
    const tenure = this.#tenure;
    for (const { lease } of shares) lease.end();
    await Promise.all(shares.map(({ taking }) => taking));
    await Promise.all(shares.map(({ lease }) => lease.idle()));
    if (this.#isAbandoned) return;
    await callRevoked(this.#options, shares, why, this.#context.log);
    if (why === "handover") await this.#commit(shares, 10, tenure);
    for (const { index } of shares) {
      this.#shares.delete(index);
      if (why === "handover" && tenure === this.#tenure) this.#claims.delete(index);
    }
    this.#check();
  }

  async #takeOver(partitions: readonly number[], tenure: number): Promise<void> {
    if (partitions.length === 0) return;
    const isInVain = (): boolean => this.#stopping !== undefined || this.#isAbandoned || !this.#isOurs(tenure);
    let starts: Map<string, Reader> | undefined;
    while (starts === undefined) {
      if (isInVain()) return;
      try {
        starts = await this.#starts(partitions);
      } catch (error) {
        if (isInVain()) return;
        this.#context.reading(error);
        await new Promise((resolve) => setTimeout(resolve, this.#context.firstBackoffMs));
      }
    }
    if (isInVain()) return;
    const found = starts;
    const shares = partitions.map((index): Share => {
      const readers = this.#topics.map(({ name }) => found.get(`${name} ${index}`)!);
      return { index, lease: new Lease(this.#context.clock), readers, taking: Promise.resolve() };
    });
    for (const share of shares) this.#shares.set(share.index, share);
    this.#fetcher.wake();
    const taking = callAssigned(this.#options, shares, () => this.#isOurs(tenure), this.#context).then(() => {
      for (const share of shares) for (const reader of share.readers) void this.#pump(share, reader);
    });
    for (const share of shares) share.taking = taking;
    await this.#commit(shares, 1);
  }

  /** Where each topic's partitions are read from: the group's stored offset, or what `from` says. */
  async #starts(partitions: readonly number[]): Promise<Map<string, Reader>> {
    const stored = await this.#membership?.consumer.listCommittedOffsets({
      topics: this.#topics.map(({ kafkaName }) => ({ topic: kafkaName, partitions: [...partitions] })),
    });
    const readers = new Map<string, Reader>();
    for (const { name, kafkaName } of this.#topics)
      for (const { partition, first, next } of await this.#context.bounds(kafkaName, partitions)) {
        const committed = Number(stored?.get(kafkaName)?.[partition] ?? -1n);
        const from = committed >= 0 ? committed : this.#options.from === "earliest" ? first : next;
        const place = { topic: name, kafkaTopic: kafkaName, partition, next: from, end: next, queue: [], queuedBytes: 0 };
        readers.set(`${name} ${partition}`, new Reader(place, committed));
      }
    return readers;
  }

  async #commit(shares: readonly Share[], attempts: number, tenure = this.#tenure): Promise<void> {
    const { consumer } = this.#membership ?? {};
    const changed = shares.flatMap(({ readers }) => readers.filter(({ handled, committed }) => handled !== committed));
    if (consumer === undefined || changed.length === 0) return;
    const offsets = changed.map(({ place, handled }) => ({
      topic: place.kafkaTopic,
      partition: place.partition,
      offset: BigInt(handled),
      leaderEpoch: -1,
    }));
    for (let attempt = 1; attempt <= attempts && !this.#isAbandoned && tenure === this.#tenure; attempt++)
      try {
        await consumer.commit({ offsets });
        changed.forEach((reader, i) => {
          reader.committed = Number(offsets[i]!.offset);
        });
        return;
      } catch (error) {
        if (attempt === attempts) {
          if (attempts > 1)
            this.#context.log.warn({ group: this.#options.group }, "event log: offsets could not be stored; records may come again");
          this.#context.reading(error);
        } else await new Promise((resolve) => setTimeout(resolve, Math.max(commitRetryMs, this.#context.firstBackoffMs)));
      }
  }

  *#wanted(): Iterable<Place> {
    for (const { lease, readers } of this.#shares.values())
      if (!lease.isEnded) for (const { place } of readers) if (place.queuedBytes < this.#context.prefetchBytes) yield place;
  }

  #fetched(place: Place): void {
    const share = this.#shares.get(place.partition);
    const reader = share?.readers.find((one) => one.place === place);
    if (share !== undefined && reader !== undefined) void this.#pump(share, reader);
  }

  #lost(place: Place, records: number): void {
    const { name, isCompacted } = this.#topics.find((topic) => topic.name === place.topic)!;
    if (isCompacted) return;
    const { group } = this.#options;
    this.#context.countLoss(name, group, records);
    this.#context.log.warn({ topic: name, group, partition: place.partition, records }, "event log: a group lost records it had not read");
  }

  async #pump(share: Share, reader: Reader): Promise<void> {
    const { lease } = share;
    const { place } = reader;
    if (reader.isPumping) return;
    reader.isPumping = true;
    try {
      while (lease.isOpen && !lease.isEnded && !this.#isAbandoned) {
        // The clock may be past the moment that the timer waits for; then the lease has ended now.
        if (!this.#isOurs(this.#tenure)) return;
        const batch = place.queue.slice(0, this.#options.maxBatch ?? 500);
        if (batch.length === 0) {
          this.#settle(reader, place.next);
          return;
        }
        await lease.hold(async () => {
          const done = await deliver(batch, this.#delivery(lease));
          const taken = place.queue.splice(0, done);
          const wasFull = place.queuedBytes >= this.#context.prefetchBytes;
          for (const { value } of taken) place.queuedBytes -= value.length;
          if (wasFull && place.queuedBytes < this.#context.prefetchBytes) this.#fetcher.wake();
          if (done > 0) this.#context.countHandled(place.topic, this.#options.group, done);
          this.#settle(reader, place.queue[0]?.offset ?? place.next);
        });
        // Sockets and timers get their turn between two batches, however far behind the group is.
        if (place.queue.length > 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      reader.isPumping = false;
    }
  }

  #settle(reader: Reader, offset: number): void {
    reader.handled = offset;
    this.#check();
  }

  #check(): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter(({ isDone, resolve }) => {
      const done = isDone();
      if (done) resolve();
      return !done;
    });
  }

  #delivery(lease: Lease): Delivery {
    const context = this.#context;
    const { group, maxAttempts = 5, handle } = this.#options;
    return {
      group,
      maxAttempts,
      firstBackoffMs: context.firstBackoffMs,
      maxBackoffMs: context.maxBackoffMs,
      log: context.log,
      handle,
      deadLetter: async (record, error, attempts) => {
        await context.publishDeadLetter(record.key, encodeDeadLetter(record, group, error, attempts, context.clock.now()));
        context.countDeadLetter(record.topic, group);
      },
      dropped: (record, code) => context.countDropped(record.topic, group, code),
      pause: (ms) => lease.pause(ms),
      stopping: () => lease.isEnded,
    };
  }
}
