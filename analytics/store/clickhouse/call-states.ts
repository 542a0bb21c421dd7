/** The merged states of calls: in memory while a call is touched, read back from the store when it is not there. */
import type { Event } from "@earshot/proto/event.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { type CallRow, callRowColumns, parseCard } from "./call-row.ts";
import { CallState } from "./call-state.ts";
import { isStage, outcomeOf } from "./ledger.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";

/** Calls asked for by one query: keeps the bound parameter small. */
const idsPerQuery = 2000;
const idsAskedOutright = 200;

export class CallStates {
  readonly #query: TenantQuery;
  readonly #max: number;
  /** Oldest touch first. */
  readonly #states = new Map<string, CallState>();

  constructor(query: TenantQuery, max: number) {
    this.#query = query;
    this.#max = max;
  }

  get size(): number {
    return this.#states.size;
  }

  /** The states of every call in the events, by key in the order of first mention and by event; those not in memory are read from the store. */
  async load(events: readonly Event[]): Promise<{ states: Map<string, CallState>; ofEvent: CallState[] }> {
    const wanted = new Map<string, CallState>();
    /** By place, so that the caller need not make ten thousand keys again. */
    const ofEvent: CallState[] = [];
    const missing = new Map<string, CallState[]>();
    for (const event of events) {
      const key = keyOf(event.tenantId, event.callId);
      let state = wanted.get(key);
      if (state === undefined) {
        state = this.#states.get(key);
        if (state === undefined) {
          state = new CallState(event.tenantId, event.callId);
          const ofTenant = missing.get(event.tenantId);
          if (ofTenant === undefined) missing.set(event.tenantId, [state]);
          else ofTenant.push(state);
        }
        wanted.set(key, state);
      }
      ofEvent.push(state);
      const startMs = startOf(event);
      if (startMs > 0) state.toldStartMs = startMs;
    }
    for (const [tenant, states] of missing) await this.#restore(tenantId(tenant), states, wanted);
    return { states: wanted, ofEvent };
  }

  /** Keeps states whose rows are stored, but for those that are settled; beyond the limit the ones untouched for longest are forgotten. */
  keep(states: ReadonlyMap<string, CallState>): void {
    for (const [key, state] of states) {
      if (state.settled) continue;
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
  forget(states: ReadonlyMap<string, CallState>): void {
    for (const key of states.keys()) this.#states.delete(key);
  }

  /** Another process may write any of them from now on. */
  clear(): void {
    this.#states.clear();
  }

  /** Forgets a call that has been settled. */
  drop(tenant: string, callId: string): void {
    this.#states.delete(keyOf(tenant, callId));
  }

  async #restore(tenant: TenantId, fresh: readonly CallState[], states: ReadonlyMap<string, CallState>): Promise<void> {
    const all = await this.#perhapsStored(tenant, fresh);
    for (let i = 0; i < all.length; i += idsPerQuery) {
      const found = await this.#storedRows(tenant, all.slice(i, i + idsPerQuery));
      const restored = new Set<string>();
      for (const row of found) {
        const card = parseCard(row);
        const state = states.get(keyOf(tenant, card.id));
        if (state === undefined) continue;
        state.restore(row, card);
        restored.add(card.id);
      }
      // Every fact is written before its call's row is acknowledged: a call without a row has no facts.
      if (restored.size > 0) await this.#restoreFacts(tenant, [...restored], states);
    }
  }

  /**
   * Ten thousand ids cost more to send than to receive: of a large batch whose starts are known, the ids that are stored in that time are
   * fetched, as long as they are not many more, and most of the batch turns out to be new.
   */
  async #perhapsStored(tenant: TenantId, all: readonly CallState[]): Promise<readonly CallState[]> {
    if (all.length <= idsAskedOutright) return all;
    let earliest = Number.POSITIVE_INFINITY;
    let latest = 0;
    for (const { toldStartMs } of all) {
      if (toldStartMs === 0) return all;
      earliest = Math.min(earliest, toldStartMs);
      latest = Math.max(latest, toldStartMs);
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
  async #storedRows(tenant: TenantId, some: readonly CallState[]): Promise<CallRow[]> {
    const ids = some.map(({ callId }) => callId);
    const byStart = some.filter(({ toldStartMs }) => toldStartMs > 0);
    const byId = some.filter(({ toldStartMs }) => toldStartMs === 0).map(({ callId }) => callId);
    const settled = `SELECT ${callRowColumns} FROM calls WHERE ${ofTenant} AND call_id IN {ids:Array(String)}`;
    const rows = await Promise.all([
      this.#query<CallRow>(tenant, `SELECT ${callRowColumns} FROM calls_open FINAL WHERE ${ofTenant} AND call_id IN {ids:Array(String)}`, {
        ids,
      }),
      byStart.length === 0
        ? []
        : this.#query<CallRow>(tenant, `${settled} AND newest_first IN {starts:Array(Int64)}`, {
            starts: [...new Set(byStart.map(({ toldStartMs }) => -toldStartMs))],
            ids: byStart.map(({ callId }) => callId),
          }),
      byId.length === 0 ? [] : this.#query<CallRow>(tenant, settled, { ids: byId }),
    ]);
    // The open row is the newer one of the same call: it is restored last.
    return rows.flat().sort((a, b) => a.version - b.version);
  }

  async #restoreFacts(tenant: TenantId, ids: readonly string[], states: ReadonlyMap<string, CallState>): Promise<void> {
    const ofCalls = `FINAL WHERE ${ofTenant} AND call_id IN {ids:Array(String)}`;
    const of = (id: string) => states.get(keyOf(tenant, id))!;
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

export function keyOf(tenant: string, callId: string): string {
  return `${tenant}\u0000${callId}`;
}

function startOf(event: Event): number {
  if (event.payload.case === "callStarted" || event.payload.case === "callEnded") return Math.trunc(event.payload.value.startedAtMs);
  return 0;
}
