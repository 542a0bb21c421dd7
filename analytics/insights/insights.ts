/**
 * Meaning, live: follows every call on the log and publishes what it makes of it on insights.v1, and the ledger's stages on ledger.v1.
 *
 * At-least-once in, each fact once out: what was seen is known per call, ids are deterministic, and what a call has to say stays in its outbox
 * until it is published. Whoever is given a partition rebuilds its calls that are still up (no `score` stage done) by reading their events back
 * from the log, and publishes only what is not on insights.v1 already; the group then goes on from its stored offsets, and what it brings
 * again is known. Any number of instances share the partitions: all topics of a call are at one of them.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog, LogRecord, RevokedWhy, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { PhraseRule } from "@earshot/proto/api/administration.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, type Event, encodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import { type CallContext, CallInsights, type Outgoing } from "./call-insights.ts";
import { CompiledRules } from "./phrases/rule-watch.ts";
import { eventsSince } from "./replay.ts";
import { RulesCache } from "./rules-cache.ts";
import type { InsightsSettings } from "./settings.ts";

export type InsightsOptions = {
  /** Started, with every topic declared. */
  readonly eventLog: EventLog;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly settings: InsightsSettings;
  rulesOf(tenant: TenantId): Promise<readonly PhraseRule[]>;
};

const sources = [topics.calls.name, topics.transcripts.name, topics.conversation.name, topics.lineQuality.name] as const;
const group = "insights";
const retryMs = 1000;

/** A partition that is ours. Both sets hold the keys of calls. */
type Partition = {
  readonly live: Set<string>;
  /** Calls whose stages are told, oldest first: what comes late of one begins it not anew. */
  readonly told: Set<string>;
  /** false once it is given up, or another process may have it. Nothing more is said of its calls then. */
  readonly isOurs: () => boolean;
  isGiven: boolean;
};

export function createInsights(options: InsightsOptions): Component {
  return new Insights(options);
}

class Insights implements Component {
  readonly name = "insights";
  readonly #options: InsightsOptions;
  readonly #calls = new Map<string, CallInsights>();
  /** Calls that are over and have not said everything yet, each with its partition. */
  readonly #finished = new Map<CallInsights, Partition>();
  readonly #publishing = new Map<CallInsights, Promise<void>>();
  readonly #rules: RulesCache;
  readonly #compiled: CompiledRules;
  readonly #metrics;
  readonly #partitions = new Map<number, Partition>();
  /** Calls that are being rebuilt: what they have to say is not told yet, it may have been told already. */
  readonly #rebuilding = new Set<CallInsights>();
  #subscription: Subscription | undefined;

  constructor(options: InsightsOptions) {
    this.#options = options;
    const { clock, log, metrics, settings } = options;
    this.#rules = new RulesCache((tenant) => options.rulesOf(tenant), clock, log, settings.rulesRefreshMs);
    this.#compiled = new CompiledRules(settings.wildcardWords);
    this.#metrics = {
      calls: metrics.gauge("earshot_insights_calls", "Calls that insights are made for now"),
      published: metrics.counter("earshot_insights_published_total", "Insights published", ["kind"]),
      alerts: metrics.counter("earshot_insights_alerts_total", "Phrase alerts raised", ["severity"]),
      refusedCalls: metrics.counter("earshot_insights_refused_calls_total", "Events of calls over the limit, which get no insights"),
      refusedSegments: metrics.counter("earshot_insights_refused_segments_total", "Segments over the limit of their call, not analysed"),
      failures: metrics.counter("earshot_insights_publish_failures_total", "Insights that could not be published and are kept"),
    };
  }

  async start(): Promise<void> {
    this.#subscription = await this.#options.eventLog.subscribe({
      topics: sources,
      group,
      from: "earliest",
      handle: (batch) => this.#handle(batch),
      assigned: (partitions, isOurs) => this.#takeOver(partitions, isOurs),
      revoked: (partitions, why) => this.#giveUp(partitions, why),
    });
  }

  async stop(): Promise<void> {
    // Gives up every partition, and with it every call.
    await this.#subscription?.stop();
    this.#subscription = undefined;
  }

  async #giveUp(partitions: readonly number[], why: RevokedWhy): Promise<void> {
    const given: CallInsights[] = [];
    const theirs = new Set<Partition>();
    for (const index of partitions) {
      const partition = this.#partitions.get(index);
      if (partition === undefined) continue;
      theirs.add(partition);
      this.#partitions.delete(index);
      for (const key of partition.live) {
        const call = this.#calls.get(key);
        if (call === undefined) continue;
        call.stop();
        given.push(call);
        this.#calls.delete(key);
      }
    }
    for (const [call, partition] of this.#finished) if (theirs.has(partition)) given.push(call);
    this.#metrics.calls.set(this.#calls.size);
    // The next owner finds on the log what is published here; what cannot be, it makes anew.
    if (why === "handover") await Promise.allSettled(given.map((call) => this.#publish(call)));
    for (const partition of theirs) partition.isGiven = true;
    for (const call of given) {
      this.#finished.delete(call);
      this.#rebuilding.delete(call);
    }
  }

  async #handle(batch: readonly LogRecord[]): Promise<void> {
    const events: Event[] = [];
    const partition = this.#partitions.get(batch[0]!.partition);
    if (partition === undefined || !partition.isOurs()) throw givenUp();
    let undecodable: unknown;
    for (const record of batch) {
      try {
        events.push(decodeEvent(record.value));
      } catch (error) {
        undecodable ??= error;
      }
    }
    await this.#refreshRules(events);
    const touched = new Set<CallInsights>();
    for (const event of events) {
      const call = this.#take(event, partition);
      if (call !== undefined) touched.add(call);
    }
    await Promise.all([...touched].map((call) => this.#publish(call)));
    // Thrown last: the log then brings the records one by one, and puts aside the one that is damaged.
    if (undecodable !== undefined) throw undecodable;
  }

  async #refreshRules(events: readonly Event[]): Promise<void> {
    const tenants = new Set(events.map((event) => event.tenantId));
    await Promise.all([...tenants].map((tenant) => this.#rules.refresh(tenant)));
  }

  /** @param isRebuilt the event was read back: a call that it begins says nothing until all of it is read */
  #take(event: Event, partition: Partition, isRebuilt = false): CallInsights | undefined {
    if (event.callId === "" || event.tenantId === "") return undefined;
    const key = keyOf(event);
    // Words that come late get their sentiment, and that is all.
    if (event.payload.case !== "transcriptSegment" && partition.told.has(key)) return undefined;
    let call = this.#calls.get(key);
    if (call === undefined) {
      // Measures alone begin nothing: they may be stragglers of a call whose stages are told.
      if (event.payload.case !== "callStarted" && event.payload.case !== "callEnded" && event.payload.case !== "transcriptSegment")
        return undefined;
      if (this.#calls.size >= this.#options.settings.maxCalls) {
        this.#metrics.refusedCalls.inc();
        return undefined;
      }
      call = new CallInsights(event.tenantId, event.callId, this.#context(event.tenantId, key, partition), partition.isOurs);
      this.#calls.set(key, call);
      if (isRebuilt) this.#rebuilding.add(call);
      partition.live.add(key);
      this.#metrics.calls.set(this.#calls.size);
    }
    call.take(event, this.#rules.known(event.tenantId));
    return call;
  }

  #context(tenant: string, key: string, partition: Partition): CallContext {
    const { clock, settings } = this.#options;
    return {
      clock,
      settings,
      compiled: this.#compiled,
      rules: () => this.#rules.known(tenant),
      ready: (call) => this.#publishLater(call),
      finished: (call) => {
        if (this.#calls.get(key) === call) {
          this.#calls.delete(key);
          partition.live.delete(key);
        }
        if (call.isTold) this.#remember(partition, key);
        this.#metrics.calls.set(this.#calls.size);
        this.#finished.set(call, partition);
        this.#publishLater(call);
      },
      alertRaised: (severity) => this.#metrics.alerts.inc({ severity }),
      segmentOverLimit: () => this.#metrics.refusedSegments.inc(),
    };
  }

  #remember({ told }: Partition, key: string): void {
    told.add(key);
    if (told.size > this.#options.settings.toldCalls) told.delete(told.values().next().value!);
  }

  /** For what a timer brought about: nobody waits for it, so a failure is tried again by a timer. */
  #publishLater(call: CallInsights): void {
    if (this.#rebuilding.has(call)) return;
    this.#publish(call).then(
      () => this.#finished.delete(call),
      (err) => {
        if (!call.isOurs()) return;
        this.#options.log.warn({ err, tenantId: call.tenantId, callId: call.callId }, "insights could not be published, tried again");
        this.#options.clock.after(retryMs, () => this.#publishLater(call));
      },
    );
  }

  /**
   * Publishes a call's outbox, in order. What fails stays in it.
   * @throws the first failure; EarshotError unavailable `partition_given_up` where another process may have the call
   */
  async #publish(call: CallInsights): Promise<void> {
    while (call.outbox.length > 0) {
      const underWay = this.#publishing.get(call);
      if (underWay !== undefined) {
        await underWay;
        continue;
      }
      const work = this.#publishOutbox(call);
      this.#publishing.set(call, work);
      try {
        await work;
      } finally {
        this.#publishing.delete(call);
      }
    }
  }

  async #publishOutbox(call: CallInsights): Promise<void> {
    if (!call.isOurs()) throw givenUp();
    // A copy: more may come in while these are under way.
    call.outbox = withNewestAttention(call.outbox);
    const sent = [...call.outbox];
    const results = await Promise.allSettled(
      sent.map(({ topic, event }) => this.#options.eventLog.publish(topic, call.callId, encodeEvent(event), call.isOurs)),
    );
    const kept = sent.filter((_, i) => results[i]!.status === "rejected");
    results.forEach((result, i) => {
      if (result.status === "fulfilled") this.#metrics.published.inc({ kind: sent[i]!.event.payload?.case ?? "" });
    });
    call.outbox = [...kept, ...call.outbox.slice(sent.length)];
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) {
      // Withdrawn: the records that brought it about are the next owner's.
      if (!call.isOurs()) throw givenUp();
      this.#metrics.failures.inc(kept.length);
      throw failure.reason;
    }
  }

  /** All of them or none: of what was taken over by halves nobody is told when it goes. */
  async #takeOver(partitions: readonly number[], isOurs: () => boolean): Promise<void> {
    try {
      for (const index of partitions) {
        const partition = {
          live: new Set<string>(),
          told: new Set<string>(),
          isGiven: false,
          isOurs: () => !partition.isGiven && isOurs(),
        };
        this.#partitions.set(index, partition);
      }
      await this.#rebuild(partitions);
    } catch (error) {
      await this.#giveUp(partitions, "lost");
      throw error;
    }
  }

  /** Reads back the calls of these partitions that are still up. */
  async #rebuild(partitions: readonly number[]): Promise<void> {
    const { clock, settings, log, eventLog } = this.#options;
    if (settings.recoverMs === 0) return;
    // What this process has said itself before, and the log did not have yet.
    await eventLog.flush();
    const since = clock.now() - settings.recoverMs;
    let rebuilt = 0;
    for (const index of partitions) rebuilt += await this.#rebuildPartition(index, this.#partitions.get(index)!, since);
    if (rebuilt > 0) log.info({ calls: rebuilt }, "insights: calls that are still up were rebuilt from the log");
  }

  async #rebuildPartition(index: number, partition: Partition, since: number): Promise<number> {
    const { eventLog } = this.#options;
    const published = new Set<string>();
    for await (const event of eventsSince(eventLog, topics.ledger.name, index, since)) {
      published.add(event.id);
      if (event.payload.case === "stageReached" && event.payload.value.stage === "score" && event.payload.value.outcome === "done")
        this.#remember(partition, keyOf(event));
    }
    let oldestMs = Number.POSITIVE_INFINITY;
    const take = async (event: Event): Promise<void> => {
      await this.#rules.refresh(event.tenantId);
      this.#take(event, partition, true);
    };
    for await (const event of eventsSince(eventLog, topics.calls.name, index, since)) {
      if (partition.told.has(keyOf(event))) continue;
      oldestMs = Math.min(oldestMs, event.occurredAtMs);
      await take(event);
    }
    const up = partition.live;
    if (up.size === 0) return 0;
    const from = Math.max(since, oldestMs - 60_000);
    const attention = new Map<string, PayloadOf<"attention">>();
    for await (const event of eventsSince(eventLog, topics.insights.name, index, from)) {
      if (!up.has(keyOf(event))) continue;
      published.add(event.id);
      if (event.payload.case === "attention") attention.set(keyOf(event), event.payload.value);
    }
    for (const topic of [topics.transcripts.name, topics.conversation.name, topics.lineQuality.name])
      for await (const event of eventsSince(eventLog, topic, index, from)) if (up.has(keyOf(event))) await take(event);
    for (const key of [...up]) {
      const call = this.#calls.get(key);
      if (call === undefined) continue;
      call.recovered(published, attention.get(key));
      this.#rebuilding.delete(call);
      this.#publishLater(call);
    }
    // Those that finished while they were read back still have their last words to say.
    for (const call of this.#finished.keys()) if (this.#rebuilding.delete(call)) this.#publishLater(call);
    return up.size;
  }
}

function givenUp(): EarshotError {
  return new EarshotError("unavailable", "partition_given_up", "The calls of this partition are another process's now.");
}

const keyOf = (event: Event): string => `${event.tenantId} ${event.callId}`;

/** Only the newest attention counts: one that failed must not follow, and replace, a newer one. */
function withNewestAttention(outbox: readonly Outgoing[]): Outgoing[] {
  const isAttention = ({ event }: Outgoing): boolean => event.payload?.case === "attention";
  const newest = outbox.findLast(isAttention);
  return outbox.filter((one) => one === newest || !isAttention(one));
}
