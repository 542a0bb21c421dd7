/** The calls that are up, per tenant: a projection of the event log kept in memory, rebuilt from the log at every start. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { EventLog, LogRecord, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { Alert, LedgerStage } from "@earshot/proto/api/calls.ts";
import type { LiveCall, LiveEvent } from "@earshot/proto/api/live.ts";
import { decodeEvent, type Event, type PayloadOf } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import { LiveCallState } from "./live-call-state.ts";
import { firstOffsetSince } from "./log-position.ts";
import { type EventPlace, liveTopics, nowhere, type Place, type Positions } from "./read-positions.ts";
import type { liveSettings } from "./settings.ts";
import { alertView } from "./views.ts";

const followed = [topics.transcripts.name, topics.conversation.name, topics.lineQuality.name, topics.ledger.name];

/** Events of a call whose start has not been read yet: topics are read side by side. Past the limits the oldest are forgotten. */
const earlyCalls = 1000;
const earlyEventsPerCall = 64;
const recentAlertsPerTenant = 200;
/** How far back a start reads alerts, also of calls that have ended. */
const recentAlertsMs = 3_600_000;
const replayPage = 1000;

/** `place`: where the event stands on the log. */
export type LiveListener = (tenant: TenantId, event: LiveEvent, place: EventPlace) => void;

export type LiveCallsOptions = {
  eventLog: EventLog;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  settings: SettingsOf<typeof liveSettings>;
};

export class LiveCalls implements Component {
  readonly name = "live-calls";
  readonly #options: LiveCallsOptions;
  readonly #tenants = new Map<string, Map<string, LiveCallState>>();
  readonly #early = new Map<string, { event: Event; place: Place }[]>();
  readonly #alerts = new Map<string, Alert[]>();
  readonly #listeners = new Set<LiveListener>();
  readonly #positions: number[][] = liveTopics.map(() => []);
  #toldFrom: Positions = [];
  #subscriptions: Subscription[] = [];
  #removals = new Set<() => void>();
  #replaying = false;

  constructor(options: LiveCallsOptions) {
    this.#options = options;
    const gauge = options.metrics.gauge("earshot_live_calls", "Calls that are up");
    Object.assign(gauge, { collect: () => gauge.set(this.count()) });
  }

  /** Told of every change once the start's replay is over. The event is to be serialised or copied at once. @returns ends it */
  onEvent(listener: LiveListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the state is that of the log. */
  async start(): Promise<void> {
    const { clock, settings } = this.#options;
    this.#replaying = true;
    await this.#follow([topics.calls.name], clock.now() - settings.replayHours * 3_600_000);
    let oldest = clock.now();
    for (const calls of this.#tenants.values())
      for (const state of calls.values()) oldest = Math.min(oldest, Date.parse(state.call.startedAt));
    // Records are appended after what they tell of has happened; a second covers clocks that were set back a little.
    await this.#follow(followed, oldest - 1000);
    await this.#follow([topics.insights.name], Math.min(oldest - 1000, clock.now() - recentAlertsMs));
    this.#early.clear();
    this.#replaying = false;
    this.#toldFrom = this.#positions.map((partitions) => [...partitions]);
  }

  async stop(_deadlineMs: number): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()));
    this.#subscriptions = [];
    for (const cancel of this.#removals) cancel();
    this.#removals.clear();
  }

  /** Up to where the log has been taken in. Changes on. */
  get positions(): Positions {
    return this.#positions;
  }

  /** Where the start's replay ended: what is before it was told to no listener. */
  get toldFrom(): Positions {
    return this.#toldFrom;
  }

  list(tenant: TenantId): LiveCall[] {
    return [...(this.#tenants.get(tenant)?.values() ?? [])].map((state) => state.call);
  }

  get(tenant: TenantId, id: string): LiveCall | undefined {
    return this.#tenants.get(tenant)?.get(id)?.call;
  }

  /** The stages of a live call, by name. */
  ledger(tenant: TenantId, id: string): ReadonlyMap<string, LedgerStage> | undefined {
    return this.#tenants.get(tenant)?.get(id)?.ledger;
  }

  /** Newest first. */
  recentAlerts(tenant: TenantId): readonly Alert[] {
    return this.#alerts.get(tenant)?.toReversed() ?? [];
  }

  /** Calls up now; ended ones that are still shown do not count. */
  count(tenant?: TenantId): number {
    let up = 0;
    for (const [id, calls] of this.#tenants) {
      if (tenant !== undefined && tenant !== id) continue;
      for (const state of calls.values()) if (!state.ended) up += 1;
    }
    return up;
  }

  /** Subscribes to what comes, then reads what was, then lets what has come meanwhile in: each record once, in order per partition. */
  async #follow(names: readonly string[], sinceMs: number): Promise<void> {
    const { eventLog } = this.#options;
    for (const topic of names) {
      const replayed = new Map<number, number>();
      const { promise: caughtUp, resolve } = Promise.withResolvers<void>();
      const subscription = await eventLog.subscribe({
        topics: [topic],
        group: "live-calls",
        from: "latest",
        durable: false,
        handle: async (batch) => {
          // Values are valid only until this settles, so that waiting here is the log's own backpressure.
          await caughtUp;
          for (const record of batch) if (record.offset >= (replayed.get(record.partition) ?? 0)) this.#take(record);
        },
      });
      this.#subscriptions.push(subscription);
      try {
        for (const { partition, first, next } of await eventLog.bounds(topic)) {
          let offset = await firstOffsetSince(eventLog, topic, partition, { first, next }, sinceMs);
          while (offset < next) {
            const records = await eventLog.read(topic, partition, offset, Math.min(replayPage, next - offset));
            if (records.length === 0) break;
            for (const record of records) this.#take(record);
            offset = records.at(-1)!.offset + 1;
          }
          replayed.set(partition, Math.max(offset, next));
          this.#standAt(topic, partition, Math.max(offset, next));
        }
      } finally {
        resolve();
      }
    }
  }

  /** @returns the topic's index in `liveTopics` */
  #standAt(name: string, partition: number, next: number): number {
    const topic = liveTopics.indexOf(name);
    const partitions = this.#positions[topic]!;
    partitions[partition] = Math.max(partitions[partition] ?? 0, next);
    return topic;
  }

  #take(record: LogRecord): void {
    const { partition, offset } = record;
    const topic = this.#standAt(record.topic, partition, offset + 1);
    let event: Event;
    try {
      event = decodeEvent(record.value);
    } catch {
      this.#options.log.warn({ topic: record.topic, offset: record.offset }, "A record that the live view cannot read was skipped");
      return;
    }
    this.apply(event, { topic, partition, offset });
  }

  /** Takes one event; calls of other tenants with the same id are other calls. */
  apply(event: Event, place: Place = nowhere): void {
    const { tenantId, callId, payload } = event;
    if (tenantId === "" || callId === "") return;
    const calls = this.#tenants.get(tenantId);
    const state = calls?.get(callId);
    if (state === undefined) {
      if (payload.case === "callStarted") this.#begin(event, payload.value, place);
      else if (this.#replaying && payload.case === "alert")
        this.#rememberAlert(tenantId, alertView(payload.value, callId, event.occurredAtMs, null));
      else if (payload.case !== "callEnded") this.#keepEarly(event, place);
      return;
    }
    const change = state.apply(event);
    if (change === undefined) return;
    if (change.type === "call.ended") {
      // What ended before this start was on the board of the last one.
      if (this.#replaying) this.#remove(state);
      else this.#removeLater(state);
    }
    this.#tell(tenantId, change, { event: place, start: state.start });
  }

  #begin(event: Event, started: PayloadOf<"callStarted">, place: Place): void {
    const state = new LiveCallState(event, started, place);
    let calls = this.#tenants.get(event.tenantId);
    if (calls === undefined) {
      calls = new Map();
      this.#tenants.set(event.tenantId, calls);
    }
    calls.set(event.callId, state);
    this.#tell(event.tenantId, { type: "call.started", call: state.call }, { event: place, start: place });
    const key = `${event.tenantId}/${event.callId}`;
    const early = this.#early.get(key);
    this.#early.delete(key);
    for (const item of early ?? []) this.apply(item.event, item.place);
  }

  #keepEarly(event: Event, place: Place): void {
    // During the replay calls come first: what has no call then belongs to one that has ended.
    if (this.#replaying) return;
    const key = `${event.tenantId}/${event.callId}`;
    const events = this.#early.get(key) ?? [];
    if (events.length < earlyEventsPerCall) events.push({ event, place });
    this.#early.delete(key);
    this.#early.set(key, events);
    if (this.#early.size > earlyCalls) this.#early.delete(this.#early.keys().next().value!);
  }

  #removeLater(state: LiveCallState): void {
    const { clock, settings } = this.#options;
    const cancel = clock.after(settings.endedCallMs, () => {
      this.#removals.delete(cancel);
      this.#remove(state);
    });
    this.#removals.add(cancel);
  }

  #remove(state: LiveCallState): void {
    const calls = this.#tenants.get(state.tenantId);
    calls?.delete(state.call.id);
    if (calls?.size === 0) this.#tenants.delete(state.tenantId);
  }

  #rememberAlert(tenant: string, alert: Alert): void {
    const alerts = this.#alerts.get(tenant) ?? [];
    if (alerts.some(({ alertId }) => alertId === alert.alertId)) return;
    alerts.push(alert);
    if (alerts.length > recentAlertsPerTenant) alerts.shift();
    this.#alerts.set(tenant, alerts);
  }

  #tell(tenant: string, event: LiveEvent, place: EventPlace): void {
    if (event.type === "alert") this.#rememberAlert(tenant, event.alert);
    if (this.#replaying) return;
    for (const listener of this.#listeners) listener(tenant as TenantId, event, place);
  }
}
