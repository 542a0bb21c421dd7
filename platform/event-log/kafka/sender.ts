/**
 * Writes to Kafka: a bounded queue, sent in order, one request at a time, idempotent and acknowledged by all in-sync replicas. A request that
 * fails is sent again, with what follows behind it, until it succeeds: nothing that was taken is lost or overtaken.
 *
 * A request costs what hundreds of records in it cost, here and at the broker. So the first one goes at once and what comes in the next
 * `intervalMs` goes in one more; a full request, or a flush, waits for nothing.
 */
import { EarshotError } from "@earshot/proto/errors.ts";
import { type MessageToProduce, Producer } from "@platformatic/kafka";
import type { Clock } from "../../clock/clock.ts";
import type { Log } from "../../log/log.ts";
import type { Position } from "../port.ts";
import { asEarshotError, clientOptions, type KafkaAddress } from "./connection.ts";

export type SenderOptions = {
  readonly address: KafkaAddress;
  readonly clientId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly compression: "none" | "zstd";
  /** How long an appended record waits for others, at least. */
  readonly lingerMs: number;
  /** Least time from one request to the next. */
  readonly intervalMs: number;
  readonly bufferBytes: number;
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  sent(topic: string, records: number, bytes: number): void;
  failed(topic: string): void;
};

type Queued = {
  readonly message: Required<Pick<MessageToProduce, "topic" | "partition" | "key" | "value" | "timestamp">>;
  readonly bytes: number;
  /** Asked when its turn comes; false = it is not sent. */
  readonly isDue: (() => boolean) | undefined;
  readonly settle: { resolve(position: Position): void; reject(error: unknown): void } | undefined;
};

const requestBytes = 768 * 1024;
/** What a record takes in a request beside its key and value, at most. */
const recordOverhead = 40;

export class Sender {
  readonly #options: SenderOptions;
  readonly #producer: Producer;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #isSending = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer ends, by the monotonic clock. */
  #timerAtMs = Number.POSITIVE_INFINITY;
  #failure: EarshotError | undefined;
  #flushes: { left: number; resolve: () => void }[] = [];
  #room: (() => void)[] = [];
  /** When the newest request was sent, by the monotonic clock. */
  #sentAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: SenderOptions) {
    this.#options = options;
    // Retried inside the client, a request keeps its sequence numbers: what was written and not answered is not written twice.
    this.#producer = new Producer({
      ...clientOptions(options.address, options.clientId),
      idempotent: true,
      compression: options.compression,
      retries: Number.MAX_SAFE_INTEGER,
      retryDelay: (_client, _operation, attempt, _retries, error) => {
        this.#failed(asEarshotError(error));
        return Math.min(options.retryMaxMs, options.retryFirstMs * 2 ** Math.min(20, attempt - 1));
      },
    });
    this.#producer.on("error", () => {});
  }

  /** The last request's failure, until one succeeds. */
  get failure(): EarshotError | undefined {
    return this.#failure;
  }

  /** How long the request under way has been waiting. */
  get waitingMs(): number {
    return this.#isSending ? this.#options.clock.monotonicMs() - this.#sentAtMs : 0;
  }

  get bufferedBytes(): number {
    return this.#queuedBytes;
  }

  hasRoom(key: string, value: Uint8Array): boolean {
    const bytes = key.length + value.length + recordOverhead;
    return this.#queuedBytes === 0 || this.#queuedBytes + bytes <= this.#options.bufferBytes;
  }

  /** Copies the record into the queue; the caller has asked `hasRoom`. */
  add(topic: string, partition: number, key: string, value: Uint8Array, isDue: Queued["isDue"], settle: Queued["settle"]): void {
    const bytes = key.length + value.length + recordOverhead;
    const message = { topic, partition, key: Buffer.from(key), value: Buffer.from(value), timestamp: BigInt(this.#options.clock.now()) };
    this.#queue.push({ message, bytes, isDue, settle });
    this.#queuedBytes += bytes;
    this.#schedule(settle === undefined ? this.#options.lingerMs : 0);
  }

  /** Resolves when there may be room. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#room.push(resolve));
  }

  /** Resolves when everything taken so far is acknowledged. */
  flush(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#flushes.push({ left: this.#queue.length, resolve });
      this.#schedule(0);
    });
  }

  get #isPressing(): boolean {
    return this.#queuedBytes >= requestBytes || this.#flushes.length > 0 || this.#oneByOne > 0;
  }

  /** Sends in `delayMs` or, where that is later, when the time between two requests is over. */
  #schedule(delayMs: number): void {
    if (this.#isSending || this.#isClosed) return;
    const { clock, intervalMs } = this.#options;
    const now = clock.monotonicMs();
    // Never in this turn of the event loop: what is published in one turn goes in one request.
    const atMs = this.#isPressing ? now : Math.max(now + delayMs, this.#sentAtMs + intervalMs);
    if (atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => this.#send(), Math.ceil(atMs - now));
  }

  /** @param error what waiting publishes are told */
  async close(error: EarshotError): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const { settle } of this.#queue.splice(0)) settle?.reject(error);
    for (const { resolve } of this.#flushes.splice(0)) resolve();
    for (const resolve of this.#room.splice(0)) resolve();
    await this.#producer.close(true).catch(() => {});
  }

  async #send(): Promise<void> {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    this.#isSending = true;
    let backoffMs = this.#options.retryFirstMs;
    while (this.#queue.length > 0 && !this.#isClosed) {
      const batch = this.#nextBatch();
      if (batch.length === 0) continue;
      this.#sentAtMs = this.#options.clock.monotonicMs();
      try {
        const { offsets = [] } = await this.#producer.send({ messages: batch.map(({ message }) => message) });
        if (this.#isClosed) break;
        if (this.#failure !== undefined) this.#options.log.info({}, "event log: Kafka takes records again");
        this.#failure = undefined;
        backoffMs = this.#options.retryFirstMs;
        this.#settle(batch, offsets);
        if (!this.#isPressing) break;
      } catch (cause) {
        if (this.#isClosed) break;
        const error = asEarshotError(cause);
        if (error.category === "invalid_request" && batch.length === 1) {
          this.#options.log.error({ topic: batch[0]!.message.topic, code: error.code }, "event log: Kafka refuses a record for good");
          this.#drop(batch[0]!, error);
          continue;
        }
        this.#failed(error);
        // A batch with a record that is too large is sent one by one, so that the one is found.
        if (error.category === "invalid_request") this.#oneByOne = batch.length;
        await new Promise((resolve) => setTimeout(resolve, backoffMs));
        backoffMs = Math.min(this.#options.retryMaxMs, backoffMs * 2);
      }
    }
    this.#isSending = false;
    if (this.#queue.length > 0) this.#schedule(0);
  }

  #failed(error: EarshotError): void {
    this.#options.failed(this.#queue[0]?.message.topic ?? "");
    if (this.#failure === undefined)
      this.#options.log.error(
        { code: error.code, reasons: error.details.reasons, remedy: error.remedy },
        "event log: Kafka takes no records; what is buffered is kept and sent again",
      );
    this.#failure = error;
  }

  #oneByOne = 0;

  /** The queue's first records that are due, up to the size of a request; they stay in the queue until they are acknowledged. */
  #nextBatch(): readonly Queued[] {
    const most = this.#oneByOne > 0 ? 1 : this.#queue.length;
    this.#oneByOne = Math.max(0, this.#oneByOne - 1);
    let bytes = 0;
    let count = 0;
    while (count < most && count < this.#queue.length && (count === 0 || bytes + this.#queue[count]!.bytes <= requestBytes)) {
      let end = count;
      while (end < this.#queue.length && this.#queue[end]!.isDue?.() === false) end++;
      if (end > count) for (const { settle } of this.#forget(count, end - count)) settle?.reject(withdrawn());
      else bytes += this.#queue[count++]!.bytes;
    }
    return this.#queue.slice(0, count);
  }

  #settle(batch: readonly Queued[], offsets: readonly { topic: string; partition: number; offset: bigint }[]): void {
    const next = new Map(offsets.map(({ topic, partition, offset }) => [`${topic} ${partition}`, Number(offset)]));
    const counts = new Map<string, { records: number; bytes: number }>();
    this.#forget(0, batch.length);
    for (const { message, settle } of batch) {
      const { topic, partition, key, value } = message;
      const place = `${topic} ${partition}`;
      const offset = next.get(place) ?? 0;
      next.set(place, offset + 1);
      settle?.resolve({ partition, offset });
      const count = counts.get(topic) ?? { records: 0, bytes: 0 };
      count.records++;
      count.bytes += key.length + value.length;
      counts.set(topic, count);
    }
    for (const [topic, { records, bytes }] of counts) this.#options.sent(topic, records, bytes);
  }

  #drop(one: Queued, error: EarshotError): void {
    this.#forget(0, 1);
    one.settle?.reject(error);
  }

  #forget(from: number, count: number): readonly Queued[] {
    const gone = this.#queue.splice(from, count);
    for (const { bytes } of gone) this.#queuedBytes -= bytes;
    this.#flushes = this.#flushes.filter((flush) => {
      flush.left -= Math.max(0, Math.min(flush.left, from + count) - from);
      if (flush.left <= 0) flush.resolve();
      return flush.left > 0;
    });
    for (const resolve of this.#room.splice(0)) resolve();
    return gone;
  }
}

function withdrawn(): EarshotError {
  return new EarshotError("cancelled", "event_log_record_withdrawn", "A record was withdrawn before it was sent.");
}
