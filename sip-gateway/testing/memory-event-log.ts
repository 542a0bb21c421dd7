/** An event log in memory, one partition per topic, for tests of this service. */
import type { EventLog, LogRecord, SubscribeOptions, Subscription } from "@earshot/platform/event-log/port.ts";
import { decodeEvent, type Event, type PayloadCase, type PayloadOf } from "@earshot/proto/event.ts";

export class MemoryEventLog implements EventLog {
  readonly name = "memory-event-log";
  /** Set to make `append` refuse, as a full disk does. */
  full = false;
  /** Set to keep back what a subscription begins with until it resolves, as a broker far away does. */
  reading: Promise<void> | undefined;
  /** Set to keep subscriptions to this topic from ending until it resolves. */
  ending: { readonly topic: string; readonly until: Promise<void> } | undefined;
  readonly #topics = new Map<string, LogRecord[]>();
  readonly #subscribers: SubscribeOptions[] = [];

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async declare(): Promise<void> {}
  async flush(): Promise<void> {}

  health() {
    return this.full ? ({ state: "down", detail: "full" } as const) : ({ state: "up", detail: "" } as const);
  }

  append(topic: string, key: string, value: Uint8Array): boolean {
    if (this.full) return false;
    const records = this.#records(topic);
    const record = { topic, partition: 0, offset: records.length, key, value: value.slice(), appendedAtMs: Date.now() };
    records.push(record);
    for (const subscriber of this.#subscribers) if (subscriber.topics.includes(topic)) void subscriber.handle([record]);
    return true;
  }

  async publish(topic: string, key: string, value: Uint8Array) {
    if (!this.append(topic, key, value)) throw new Error("full");
    return { partition: 0, offset: this.#records(topic).length - 1 };
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#subscribers.push(options);
    const begun = this.#begin(options);
    if (this.reading === undefined) await begun;
    return {
      lag: () => 0,
      drained: () => begun,
      stop: async () => {
        this.#subscribers.splice(this.#subscribers.indexOf(options), 1);
        if (this.ending !== undefined && options.topics.includes(this.ending.topic)) await this.ending.until;
      },
    };
  }

  async #begin(options: SubscribeOptions): Promise<void> {
    const before = options.from === "earliest" ? options.topics.map((topic) => this.#records(topic).slice()) : [];
    await this.reading;
    for (const records of before) if (records.length > 0) await options.handle(records);
  }

  async read(topic: string, _partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]> {
    return this.#records(topic).slice(fromOffset, fromOffset + maxRecords);
  }

  async bounds(topic: string) {
    return [{ partition: 0, first: 0, next: this.#records(topic).length }];
  }

  events(topic: string): Event[] {
    return this.#records(topic).map((record) => decodeEvent(record.value));
  }

  /** The records of a topic as they were appended, in order. */
  values(topic: string): Uint8Array[] {
    return this.#records(topic).map((record) => record.value);
  }

  /** Payloads of one kind, in order. */
  payloads<C extends PayloadCase>(topic: string, kind: C): PayloadOf<C>[] {
    const found: PayloadOf<C>[] = [];
    for (const { payload } of this.events(topic)) if (payload.case === kind) found.push(payload.value as PayloadOf<C>);
    return found;
  }

  #records(topic: string): LogRecord[] {
    let records = this.#topics.get(topic);
    if (records === undefined) {
      records = [];
      this.#topics.set(topic, records);
    }
    return records;
  }
}
