/** The merged states of calls: in memory while a call is touched, read back from the store when it is not there. */
import type { Event } from "@earshot/proto/event.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { type CallRow, callRowColumns, parseCard } from "./call-card.ts";
import { CallState } from "./call-state.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { isStage, outcomeOf } from "./ledger.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";

/** Calls asked for by one query: keeps the bound parameter small. */
const idsPerQuery = 2000;
const idsAskedOutright = 200;

/** The facts that a state is restored from. */
const restoredTables = ["sentiments", "line_quality", "alerts", "key_presses", "ledger", "conversations", "attentions"];

/** What a batch says of one call, in its order. */
export type CallEvents = {
  readonly tenant: string;
  readonly callId: string;
  readonly first: Event;
  more: Event[] | undefined;
  /** When the call started, Unix ms, as its events say; 0 = they do not. */
  toldStartMs: number;
  /** As it was before; undefined = nothing is known of the call, in memory or in the store. */
  state: CallState | undefined;
};

/** A batch's events by call, in the order of first mention. */
export class EventsByCall {
  readonly calls: CallEvents[] = [];
  readonly #tenants = new Map<string, Map<string, CallEvents>>();

  add(event: Event): void {
    const { tenantId: tenant, callId } = event;
    let ofTenant = this.#tenants.get(tenant);
    if (ofTenant === undefined) {
      ofTenant = new Map();
      this.#tenants.set(tenant, ofTenant);
    }
    const call = ofTenant.get(callId);
    if (call === undefined) {
      const first: CallEvents = { tenant, callId, first: event, more: undefined, toldStartMs: startOf(event), state: undefined };
      ofTenant.set(callId, first);
      this.calls.push(first);
      return;
    }
    if (call.toldStartMs === 0) call.toldStartMs = startOf(event);
    if (call.more === undefined) call.more = [event];
    else call.more.push(event);
  }
}

export class CallStates {
  readonly #query: TenantQuery;
  readonly #connection: ColumnStoreConnection;
  readonly #max: number;
  /** Oldest touch first. */
  readonly #states = new Map<string, CallState>();

  constructor(query: TenantQuery, connection: ColumnStoreConnection, max: number) {
    this.#query = query;
    this.#connection = connection;
    this.#max = max;
  }

  get size(): number {
    return this.#states.size;
  }

  /** Gives each call its state: from memory, else from the store, else none. */
  async load(calls: readonly CallEvents[]): Promise<void> {
    const missing = new Map<string, CallEvents[]>();
    for (const call of calls) {
      // Of an import nothing is in memory: the keys of ten thousand calls would be made for nothing.
      if (this.#states.size > 0) call.state = this.#states.get(keyOf(call.tenant, call.callId));
      if (call.state !== undefined) continue;
      const ofTenant = missing.get(call.tenant);
      if (ofTenant === undefined) missing.set(call.tenant, [call]);
      else ofTenant.push(call);
    }
    if (missing.size === 0) return;
    // Another process may have written them, to another replica.
    await this.#connection.upToDate(["calls", "calls_open"], async () => {
      for (const [tenant, ofTenant] of missing) await this.#restore(tenantId(tenant), ofTenant);
    });
  }

  /** Keeps states whose rows are stored; beyond the limit the ones untouched for longest are forgotten. */
  keep(states: readonly CallState[]): void {
    for (const state of states) {
      const key = keyOf(state.tenant, state.callId);
      this.#states.delete(key);
      this.#states.set(key, state);
    }
    if (this.#states.size <= this.#max) return;
    for (const key of this.#states.keys()) {
      if (this.#states.size <= this.#max) break;
      this.#states.delete(key);
    }
  }

  /** After a failed write memory may be ahead of the store: the next event starts from the store again. */
  forget(calls: readonly CallEvents[]): void {
    for (const call of calls) this.drop(call.tenant, call.callId);
  }

  /** Another process may write any of them from now on. */
  clear(): void {
    this.#states.clear();
  }

  /** Forgets a call that has been settled. */
  drop(tenant: string, callId: string): void {
    this.#states.delete(keyOf(tenant, callId));
  }

  async #restore(tenant: TenantId, calls: readonly CallEvents[]): Promise<void> {
    const all = await this.#perhapsStored(tenant, calls);
    for (let i = 0; i < all.length; i += idsPerQuery) {
      const some = new Map(all.slice(i, i + idsPerQuery).map((call) => [call.callId, call]));
      const restored = new Map<string, CallState>();
      for (const row of await this.#storedRows(tenant, [...some.values()])) {
        const card = parseCard(row);
        const call = some.get(card.id);
        if (call === undefined) continue;
        call.state ??= new CallState(call.tenant, call.callId);
        call.state.restore(row, card);
        restored.set(card.id, call.state);
      }
      // Every fact is written before its call's row is acknowledged: a call without a row has no facts.
      if (restored.size > 0) await this.#connection.upToDate(restoredTables, () => this.#restoreFacts(tenant, restored));
    }
  }

  /**
   * Ten thousand ids cost more to send than to receive: of a large batch whose starts are known, the ids that are stored in that time are
   * fetched, as long as they are not many more, and most of the batch turns out to be new.
   */
  async #perhapsStored(tenant: TenantId, all: readonly CallEvents[]): Promise<readonly CallEvents[]> {
    if (all.length <= idsAskedOutright) return all;
    let earliest = Number.POSITIVE_INFINITY;
    let latest = 0;
    for (const { toldStartMs } of all) {
      if (toldStartMs === 0) return all;
      if (toldStartMs < earliest) earliest = toldStartMs;
      if (toldStartMs > latest) latest = toldStartMs;
    }
    const max = all.length * 2;
    const found = await this.#query<{ call_id: string }>(
      tenant,
      `SELECT call_id FROM (SELECT call_id FROM calls WHERE ${ofTenant} AND newest_first BETWEEN {newest:Int64} AND {oldest:Int64} ` +
        `UNION ALL SELECT call_id FROM calls_open WHERE ${ofTenant}) LIMIT {max:UInt32}`,
      { newest: -latest, oldest: -earliest, max },
    );
    if (found.length === max) return all;
    if (found.length === 0) return [];
    const stored = new Set(found.map((row) => row.call_id));
    return all.filter(({ callId }) => stored.has(callId));
  }

  /** Open calls are few and found by id; settled ones by the primary key where the start is known, else by the index on the id. */
  async #storedRows(tenant: TenantId, some: readonly CallEvents[]): Promise<CallRow[]> {
    const ids = some.map(({ callId }) => callId);
    const starts: number[] = [];
    const byStart: string[] = [];
    const byId: string[] = [];
    for (const call of some) {
      if (call.toldStartMs === 0) byId.push(call.callId);
      else {
        byStart.push(call.callId);
        starts.push(-call.toldStartMs);
      }
    }
    const settled = `SELECT ${callRowColumns} FROM calls WHERE ${ofTenant} AND call_id IN {ids:Array(String)}`;
    const rows = await Promise.all([
      this.#query<CallRow>(tenant, `SELECT ${callRowColumns} FROM calls_open FINAL WHERE ${ofTenant} AND call_id IN {ids:Array(String)}`, {
        ids,
      }),
      byStart.length === 0
        ? []
        : this.#query<CallRow>(tenant, `${settled} AND newest_first IN {starts:Array(Int64)}`, {
            starts: [...new Set(starts)],
            ids: byStart,
          }),
      byId.length === 0 ? [] : this.#query<CallRow>(tenant, settled, { ids: byId }),
    ]);
    // The open row is the newer one of the same call: it is restored last.
    return rows.flat().sort((a, b) => a.version - b.version);
  }

  async #restoreFacts(tenant: TenantId, states: ReadonlyMap<string, CallState>): Promise<void> {
    const ids = [...states.keys()];
    const ofCalls = `FINAL WHERE ${ofTenant} AND call_id IN {ids:Array(String)}`;
    const of = (id: string) => states.get(id)!;
    const read = <T>(columns: string, table: string) =>
      this.#query<T & { call_id: string }>(tenant, `SELECT call_id, ${columns} FROM ${table} ${ofCalls}`, { ids });
    const [sentiments, quality, alerts, keyPresses, stages, conversations, attentions] = await Promise.all([
      read<{ segment_id: string; leg: number; score: number; at: number }>(
        "segment_id, leg, score, toFloat64(version) AS at",
        "sentiments",
      ),
      read<{ leg: number; from_ms: number; mos: number }>("leg, from_ms, mos", "line_quality"),
      read<{ alert_id: string }>("alert_id", "alerts"),
      read<{ leg: number; position_ms: number }>("leg, position_ms", "key_presses"),
      read<{ stage: string; outcome: string; at: number }>("stage, outcome, toFloat64(version) AS at", "ledger"),
      read<{ at: number }>("toFloat64(version) AS at", "conversations"),
      read<{ at: number }>("toFloat64(version) AS at", "attentions"),
    ]);
    for (const row of sentiments) of(row.call_id).feel(row.segment_id, row.leg, row.score, row.at);
    for (const row of quality) of(row.call_id).hear(row.leg, row.from_ms, row.mos);
    for (const row of alerts) of(row.call_id).raise(row.alert_id);
    for (const row of keyPresses) of(row.call_id).press(row.leg, row.position_ms);
    for (const row of stages) {
      const outcome = outcomeOf(row.outcome);
      if (isStage(row.stage) && outcome !== undefined) of(row.call_id).reach(row.stage, { outcome, atMs: row.at });
    }
    for (const row of conversations) of(row.call_id).conversationVersion = row.at;
    for (const row of attentions) of(row.call_id).attentionAtMs = row.at;
  }
}

function keyOf(tenant: string, callId: string): string {
  return `${tenant}\u0000${callId}`;
}

function startOf({ payload }: Event): number {
  if (payload.case === "callStarted" || payload.case === "callEnded") return Math.max(0, Math.trunc(payload.value.startedAtMs));
  return 0;
}
