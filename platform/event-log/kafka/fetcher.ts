/**
 * Long polls: one request per broker at a time, for every place that wants records. An answer costs what hundreds of records in it cost, here
 * and at the broker: so after each one that had all there was comes a pause.
 */
import { Consumer } from "@platformatic/kafka";
import type { LogRecord } from "../port.ts";
import { clientOptions, type KafkaAddress, said } from "./connection.ts";

type FetchResponse = Awaited<ReturnType<Consumer["fetch"]>>;
type FetchRequest = Parameters<Consumer["fetch"]>[0];

/** A place in a partition, and what was fetched and not yet taken. */
export type Place = {
  readonly topic: string;
  /** The topic's name on Kafka. */
  readonly kafkaTopic: string;
  readonly partition: number;
  /** The next record to fetch. */
  next: number;
  /** Next offset of the partition, as far as the broker has told. */
  end: number;
  readonly queue: LogRecord[];
  queuedBytes: number;
};

export type FetcherOptions = {
  readonly address: KafkaAddress;
  readonly clientId: string;
  readonly maxBytesPerPartition: number;
  readonly waitMs: number;
  /** After an answer with all there was, the next request waits so long, that its answer carries more. */
  readonly intervalMs: number;
  readonly retryMs: number;
  failed(error: unknown): void;
  succeeded(): void;
};

/** Who reads. No two of one fetcher have a topic in common. */
export type Reading = {
  /** Names on Kafka. */
  readonly topics: readonly string[];
  /** Places that want more records now. */
  wanted(): Iterable<Place>;
  fetched(place: Place): void;
  /** Records before the first one that is kept: they will never come. */
  lost(place: Place, records: number): void;
};

type Wanted = { readonly place: Place; readonly topicId: string; readonly reading: Reading };

export class Fetcher {
  readonly consumer: Consumer;
  readonly #options: FetcherOptions;
  readonly #readings = new Set<Reading>();
  readonly #loops = new Map<number, Promise<void>>();
  #fetching: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #retrying: Promise<void> | undefined;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.consumer = new Consumer({ ...clientOptions(options.address, options.clientId), groupId: options.clientId, autocommit: false });
    this.consumer.on("error", () => {});
  }

  hasAnyOf(topics: readonly string[]): boolean {
    return topics.some((topic) => this.consumer.topics.has(topic));
  }

  add(reading: Reading): void {
    this.#readings.add(reading);
    this.consumer.topics.trackAll(...reading.topics);
  }

  /** Nothing more is handed to it. @returns whether nobody reads any more */
  remove(reading: Reading): boolean {
    if (this.#readings.delete(reading)) this.consumer.topics.untrackAll(...reading.topics);
    return this.#readings.size === 0;
  }

  /** Something may be wanted that was not. */
  wake(): void {
    if (this.#isClosed || this.#retrying !== undefined) return;
    this.#start().catch((error) => this.#retry(error));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.consumer.close(true).catch(() => {});
    await Promise.all(this.#loops.values());
  }

  #retry(error: unknown): void {
    if (this.#isClosed) return;
    this.#options.failed(error);
    this.consumer.clearMetadata();
    this.#retrying ??= new Promise<void>((resolve) => setTimeout(resolve, this.#options.retryMs)).then(() => {
      this.#retrying = undefined;
      this.wake();
    });
  }

  async #start(): Promise<void> {
    for (const node of (await this.#byNode()).keys())
      if (!this.#loops.has(node) && !this.#isClosed) {
        const loop = this.#run(node)
          .catch((error) => this.#retry(error))
          .finally(() => this.#loops.delete(node));
        this.#loops.set(node, loop);
      }
  }

  async #byNode(): Promise<Map<number, Wanted[]>> {
    const byNode = new Map<number, Wanted[]>();
    const places = [...this.#readings].flatMap((reading) => [...reading.wanted()].map((place) => ({ place, reading })));
    if (places.length === 0) return byNode;
    const metadata = await this.consumer.metadata({ topics: this.consumer.topics.current });
    for (const { place, reading } of places) {
      const topic = metadata.topics.get(place.kafkaTopic);
      // Its reader has gone meanwhile.
      if (topic === undefined) continue;
      const node = topic.partitions[place.partition]!.leader;
      const wanted = { place, topicId: topic.id, reading };
      const list = byNode.get(node);
      if (list === undefined) byNode.set(node, [wanted]);
      else list.push(wanted);
    }
    return byNode;
  }

  async #run(node: number): Promise<void> {
    for (;;) {
      const wanted = (await this.#byNode()).get(node);
      if (wanted === undefined || this.#isClosed) return;
      const byTopic = new Map<string, Place[]>();
      for (const { place, topicId } of wanted) {
        const places = byTopic.get(topicId);
        if (places === undefined) byTopic.set(topicId, [place]);
        else places.push(place);
      }
      const readings = new Map(wanted.map(({ topicId, reading }) => [topicId, reading]));
      let response: FetchResponse;
      try {
        response = await this.consumer.fetch(this.#request(node, byTopic, this.#options.waitMs));
      } catch (error) {
        if (this.#isClosed) return;
        if (!said(error, "OFFSET_OUT_OF_RANGE")) throw error;
        for (const { place, reading } of wanted) await this.#backInRange(place, reading);
        continue;
      }
      if (this.#isClosed) return;
      this.#options.succeeded();
      for (const { topicId, partitions } of response.responses)
        for (const one of partitions) {
          const place = byTopic.get(topicId)?.find(({ partition }) => partition === one.partitionIndex);
          const reading = readings.get(topicId)!;
          if (place === undefined || !this.#readings.has(reading)) continue;
          this.#take(place, one);
          reading.fetched(place);
        }
      const { intervalMs } = this.#options;
      const isBehind = wanted.some(({ place }) => place.next < place.end);
      if (response.responses.length > 0 && !isBehind) await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
  }

  #take(place: Place, { records, highWatermark }: FetchResponse["responses"][number]["partitions"][number]): void {
    place.end = Math.max(place.end, Number(highWatermark));
    if (records === undefined || records === null) return;
    for (const batch of records) {
      const first = Number(batch.firstOffset);
      const isControl = (batch.attributes & 0x20) !== 0;
      // Where the broker's time counts it is in the batch's header alone.
      const isBrokersTime = (batch.attributes & 0x08) !== 0;
      const firstMs = Number(isBrokersTime ? batch.maxTimestamp : batch.firstTimestamp);
      if (!isControl)
        for (const { offsetDelta, key, value, timestampDelta } of batch.records) {
          const offset = first + offsetDelta;
          if (offset < place.next) continue;
          place.queue.push({
            topic: place.topic,
            partition: place.partition,
            offset,
            key: key === null ? "" : key.toString(),
            value: value ?? new Uint8Array(0),
            appendedAtMs: isBrokersTime ? firstMs : firstMs + Number(timestampDelta),
          });
          place.queuedBytes += value?.length ?? 0;
        }
      place.next = Math.max(place.next, first + batch.lastOffsetDelta + 1);
    }
  }

  async #backInRange(place: Place, reading: Reading): Promise<void> {
    const { first, next } = (await this.bounds(place.kafkaTopic, [place.partition]))[0]!;
    if (place.next < first) reading.lost(place, first - place.next);
    if (place.next < first || place.next > next) place.next = place.next < first ? first : next;
  }

  /** Up to `maxRecords` records from an offset on, up to the partition's present end; oldest first. */
  async read(topic: string, kafkaTopic: string, partition: number, fromOffset: number, maxRecords: number): Promise<LogRecord[]> {
    const { first, next } = (await this.bounds(kafkaTopic, [partition]))[0]!;
    const place: Place = { topic, kafkaTopic, partition, next: Math.max(first, fromOffset), end: next, queue: [], queuedBytes: 0 };
    while (place.next < next && place.queue.length < maxRecords) {
      const metadata = await this.consumer.metadata({ topics: this.consumer.topics.current });
      const { id, partitions } = metadata.topics.get(kafkaTopic)!;
      const response = await this.#inTurn(() => this.#request(partitions[partition]!.leader, new Map([[id, [place]]]), 100));
      for (const { partitions: found } of response.responses) for (const one of found) this.#take(place, one);
    }
    return place.queue.slice(0, maxRecords).map((record) => ({ ...record, value: record.value.slice() }));
  }

  /** A fetch session takes one request at a time: of two at once the broker refuses one (INVALID_FETCH_SESSION_EPOCH). */
  #inTurn(request: () => FetchRequest): Promise<FetchResponse> {
    const fetching = this.#fetching.then(() => this.consumer.fetch(request()));
    this.#fetching = fetching.catch(() => {});
    return fetching;
  }

  #request(node: number, byTopic: ReadonlyMap<string, readonly Place[]>, maxWaitTime: number): FetchRequest {
    const { maxBytesPerPartition } = this.#options;
    return {
      node,
      minBytes: 1,
      maxBytes: maxBytesPerPartition * 8,
      maxWaitTime,
      isolationLevel: 0,
      topics: [...byTopic].map(([topicId, places]) => ({
        topicId,
        partitions: places.map((place) => ({
          partition: place.partition,
          currentLeaderEpoch: -1,
          fetchOffset: BigInt(place.next),
          lastFetchedEpoch: -1,
          partitionMaxBytes: maxBytesPerPartition,
        })),
      })),
    };
  }

  /** First and next offset of partitions of a topic, by its name on Kafka. */
  async bounds(kafkaTopic: string, partitions: readonly number[]): Promise<{ partition: number; first: number; next: number }[]> {
    const ask = async (timestamp: bigint) =>
      (
        await this.consumer.listOffsets({
          topics: [kafkaTopic],
          partitions: { [kafkaTopic]: [...partitions] },
          timestamp,
          isolationLevel: 0,
        })
      ).get(kafkaTopic)!;
    const [firsts, nexts] = await Promise.all([ask(-2n), ask(-1n)]);
    return partitions.map((partition) => ({ partition, first: Number(firsts[partition]), next: Number(nexts[partition]) }));
  }
}
