/** An event log in memory, for tests of the pipeline alone; the real one has its own contract suite. */
import type { EventLog, LogHealth, LogRecord, Position, SubscribeOptions, Subscription } from "@earshot/platform/event-log/port.ts";

type Reader = { options: SubscribeOptions; next: Map<string, number>; running: Promise<void>; isAssigned: boolean };

/**
 * One partition per topic. Offsets of durable groups outlive a subscription, as on disk. A second durable subscription of a group waits
 * until the first one stops, as the second member on one partition does.
 */
export class MemoryEventLog implements EventLog {
  readonly name = "memory-event-log";
  readonly topics = new Map<string, LogRecord[]>();
  readonly #readers = new Set<Reader>();
  readonly #takers = new Map<Reader, () => void>();
  readonly #stopping = new WeakSet<Reader>();
  readonly #stored = new Map<string, number>();
  readonly #firsts = new Map<string, number>();
  readonly #held = new Map<string, number>();
  /** What is appended has waited in the log for so long. */
  ageMs = 0;
  /** Set to refuse appends, as a full buffer does. */
  full = false;

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async declare(): Promise<void> {}
  async flush(): Promise<void> {}

  append(topic: string, key: string, value: Uint8Array): boolean {
    if (this.full) return false;
    const records = this.#records(topic);
    records.push({ topic, partition: 0, offset: records.length, key, value: value.slice(), appendedAtMs: Date.now() - this.ageMs });
    for (const reader of this.#readers) if (reader.options.topics.includes(topic)) this.#takers.get(reader)!();
    return true;
  }

  async publish(topic: string, key: string, value: Uint8Array): Promise<Position> {
    while (!this.append(topic, key, value)) await new Promise((resolve) => setTimeout(resolve, 5));
    return { partition: 0, offset: this.#records(topic).length - 1 };
  }

  health(): LogHealth {
    return this.full ? { state: "down", detail: "full" } : { state: "up", detail: "" };
  }

  /** Every reader is gone, as after `kill -9`; what a durable group had handled stays handled. */
  crash(): void {
    for (const reader of this.#readers) this.#store(reader);
    this.#readers.clear();
  }

  /** Members are handed records of `topic` up to this offset and no further, until it is set higher: a member that is behind. */
  holdFrom(topic: string, offset: number): void {
    this.#held.set(topic, offset);
    for (const take of this.#takers.values()) take();
  }

  /** Where the member that has the partition stands in a topic. */
  handled(topic: string): number {
    return this.#owner()?.next.get(topic) ?? 0;
  }

  /** The member that has the partition gives it up, as when another one joins; it stays a member, behind the others. Resolves when the next one has it. */
  async handOver(): Promise<void> {
    const owner = this.#owner();
    if (owner === undefined) return;
    this.#stopping.add(owner);
    await owner.running;
    await owner.options.revoked?.([0], "handover");
    this.#store(owner);
    this.#readers.delete(owner);
    this.#stopping.delete(owner);
    owner.isAssigned = false;
    this.#readers.add(owner);
    for (const take of [...this.#takers.values()]) take();
    await this.#owner()?.running;
  }

  #owner(): Reader | undefined {
    return [...this.#readers].find(({ options, isAssigned }) => options.durable !== false && isAssigned);
  }

  /**
   * The member that has the partition is taken for dead, and hears of it: what comes next goes to another one.
   * @param unstored so many records of each topic were handled since the offsets were stored last: they come again
   */
  async lose(unstored = 0): Promise<void> {
    for (const reader of [...this.#readers]) {
      if (reader.options.durable === false) continue;
      this.#stopping.add(reader);
      await reader.running;
      this.#store(reader, unstored);
      this.#readers.delete(reader);
      this.#takers.delete(reader);
      await reader.options.revoked?.([0], "lost");
    }
  }

  /** Records before `offset` are gone, as after the topic's retention. */
  retainFrom(topic: string, offset: number): void {
    this.#firsts.set(topic, offset);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    const isShared = options.durable !== false;
    const next = new Map<string, number>();
    for (const topic of options.topics) next.set(topic, options.from === "earliest" ? 0 : this.#records(topic).length);
    const reader: Reader = { options, next, running: Promise.resolve(), isAssigned: false };
    const isOwner = (): boolean => !isShared || [...this.#readers].find((other) => isSameGroup(other.options, options)) === reader;
    const take = (): void => {
      if (!this.#readers.has(reader) || !isOwner()) return;
      if (isShared && !reader.isAssigned) {
        for (const topic of options.topics) next.set(topic, this.#stored.get(`${options.group}/${topic}`) ?? next.get(topic)!);
        reader.running = reader.running.then(() =>
          options.assigned?.(
            [0],
            () => true,
            (topic) => next.get(topic)!,
          ),
        );
      }
      reader.isAssigned = true;
      this.#pump(reader);
    };
    this.#takers.set(reader, take);
    this.#readers.add(reader);
    take();
    const lag = (): number => {
      let sum = 0;
      if (reader.isAssigned) for (const topic of options.topics) sum += this.#records(topic).length - next.get(topic)!;
      return sum;
    };
    return {
      lag,
      drained: async () => {
        const ends = options.topics.map((topic) => this.#records(topic).length);
        const isBehind = (): boolean => options.topics.some((topic, i) => next.get(topic)! < ends[i]!);
        while (reader.isAssigned && isBehind() && this.#readers.has(reader)) {
          await reader.running;
          // What is held back does not come while this waits.
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      },
      stop: async () => {
        if (!this.#readers.has(reader)) return;
        this.#stopping.add(reader);
        await reader.running;
        if (reader.isAssigned && isShared) await options.revoked?.([0], "handover");
        this.#store(reader);
        this.#readers.delete(reader);
        this.#takers.delete(reader);
        for (const other of [...this.#takers.values()]) other();
      },
    };
  }

  async read(topic: string, _partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]> {
    const from = Math.max(fromOffset, this.#firsts.get(topic) ?? 0);
    return this.#records(topic).slice(from, from + maxRecords);
  }

  async bounds(topic: string): Promise<readonly { partition: number; first: number; next: number }[]> {
    return [{ partition: 0, first: this.#firsts.get(topic) ?? 0, next: this.#records(topic).length }];
  }

  #store({ options, next }: Reader, unstored = 0): void {
    if (options.durable !== false)
      for (const [topic, offset] of next) this.#stored.set(`${options.group}/${topic}`, Math.max(0, offset - unstored));
  }

  #pump(reader: Reader): void {
    const { options, next } = reader;
    reader.running = reader.running.then(async () => {
      for (const topic of options.topics) {
        const records = this.#records(topic);
        const end = (): number =>
          Math.min(records.length, options.durable === false ? records.length : (this.#held.get(topic) ?? records.length));
        for (let from = next.get(topic)!; from < end(); from = next.get(topic)!) {
          if (!this.#readers.has(reader) || this.#stopping.has(reader)) return;
          const batch = records.slice(from, Math.min(end(), from + (options.maxBatch ?? 500)));
          await options.handle(batch);
          next.set(topic, from + batch.length);
        }
      }
    });
  }

  #records(topic: string): LogRecord[] {
    let records = this.topics.get(topic);
    if (records === undefined) {
      records = [];
      this.topics.set(topic, records);
    }
    return records;
  }
}

function isSameGroup(a: SubscribeOptions, b: SubscribeOptions): boolean {
  return a.durable !== false && a.group === b.group && a.topics.join() === b.topics.join();
}
