/** An event log in memory, for tests of the pipeline alone; the real one has its own contract suite. */
import type { EventLog, LogRecord, Position, SubscribeOptions, Subscription } from "@earshot/platform/event-log/port.ts";

type Reader = { options: SubscribeOptions; next: number; running: Promise<void> };

/** One partition per topic. Offsets of durable groups outlive a subscription, as on disk. */
export class MemoryEventLog implements EventLog {
  readonly name = "memory-event-log";
  readonly topics = new Map<string, LogRecord[]>();
  readonly #readers = new Set<Reader>();
  readonly #stored = new Map<string, number>();
  /** Set to refuse appends, as a full buffer does. */
  full = false;

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async declare(): Promise<void> {}
  async flush(): Promise<void> {}

  append(topic: string, key: string, value: Uint8Array): boolean {
    if (this.full) return false;
    const records = this.#records(topic);
    records.push({ topic, partition: 0, offset: records.length, key, value: value.slice(), appendedAtMs: Date.now() });
    for (const reader of this.#readers) if (reader.options.topic === topic) this.#pump(reader);
    return true;
  }

  async publish(topic: string, key: string, value: Uint8Array): Promise<Position> {
    while (!this.append(topic, key, value)) await new Promise((resolve) => setTimeout(resolve, 5));
    return { partition: 0, offset: this.#records(topic).length - 1 };
  }

  /** Every reader is gone, as after `kill -9`; what a durable group had handled stays handled. */
  crash(): void {
    for (const reader of this.#readers) {
      if (reader.options.durable !== false) this.#stored.set(`${reader.options.group}/${reader.options.topic}`, reader.next);
    }
    this.#readers.clear();
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    const name = `${options.group}/${options.topic}`;
    const start = options.from === "earliest" ? 0 : this.#records(options.topic).length;
    const stored = options.durable === false ? undefined : this.#stored.get(name);
    const reader: Reader = { options, next: stored ?? start, running: Promise.resolve() };
    this.#readers.add(reader);
    this.#pump(reader);
    return {
      lag: () => this.#records(options.topic).length - reader.next,
      drained: async () => {
        const end = this.#records(options.topic).length;
        while (reader.next < end && this.#readers.has(reader)) await reader.running;
      },
      stop: async () => {
        this.#readers.delete(reader);
        await reader.running;
        this.#stored.set(name, reader.next);
      },
    };
  }

  async read(topic: string, _partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]> {
    return this.#records(topic).slice(fromOffset, fromOffset + maxRecords);
  }

  async bounds(topic: string): Promise<readonly { partition: number; first: number; next: number }[]> {
    return [{ partition: 0, first: 0, next: this.#records(topic).length }];
  }

  #pump(reader: Reader): void {
    reader.running = reader.running.then(async () => {
      const records = this.#records(reader.options.topic);
      while (reader.next < records.length && this.#readers.has(reader)) {
        const batch = records.slice(reader.next, reader.next + (reader.options.maxBatch ?? 500));
        await reader.options.handle(batch);
        reader.next += batch.length;
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
