/** The CallStore on ClickHouse: events become narrow facts and one wide row per call; reads go through the tenant's query layer alone. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { type CallQuery, type Termination, termination } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Event } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { CallRetention, CallStore } from "../port.ts";
import { callDetail, ledger, recording, transcript } from "./call-detail.ts";
import { listCalls, statistics } from "./call-list.ts";
import { CallStates } from "./call-states.ts";
import { replicaTrouble } from "./cluster.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { forgetConditions } from "./condition-cache.ts";
import { type ColumnStoreSettings, openColumnStore } from "./connection.ts";
import { deleteCalls, eraseDeleted, expiredCalls, unendedCalls } from "./delete-calls.ts";
import { hasTextIndex } from "./engine-version.ts";
import { EventWriter } from "./event-writer.ts";
import { migrate } from "./migrate.ts";
import { fillOpenSegments } from "./open-segments.ts";
import { makeMissingSums } from "./parts-without-sums.ts";
import { keepReplacedParts } from "./replaced-parts.ts";
import { ofTenant, type TenantQuery, tenantQueries } from "./tenant-query.ts";
import { bloomFilterSearch, textIndexSearch, type WordSearch } from "./word-search.ts";

export type ClickHouseCallStoreOptions = {
  /** `chdb:DIR`, `clickhouse://`, `clickhouses://`, `http://`, `https://` */
  readonly url: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly settings: ColumnStoreSettings;
  /** Whether this process moves calls that rest, from its start on. Of several on one server one alone may: two at once could store a call twice. */
  readonly settles?: boolean;
};

export type ClickHouseCallStore = CallStore &
  CallRetention & {
    /** The engine itself, for the seeder and the benches, which make data by SQL. */
    connection(): ColumnStoreConnection;
    /** Moves the calls that rest to the settled ones now, as happens every half minute. */
    settle(): Promise<void>;
    /**
     * Takes the moving of calls that rest, for as long as `isOurs`: two processes at it would settle a call twice. undefined gives it up; what was
     * under way has ended when this resolves.
     */
    settles(isOurs: (() => boolean) | undefined): Promise<void>;
    /** Why reads and writes fail, in words for the status page; undefined while they do not. Looked at every half minute where nobody asks. */
    readonly fault: string | undefined;
    /** What works less well than it could (replicas that are away, tables made on an older server), in words for the status page; else undefined. */
    readonly limitation: string | undefined;
  };

/** @throws EarshotError from `start`: conflict (directory in use, schema of another version), unavailable (engine unreachable) */
export function createClickHouseCallStore(options: ClickHouseCallStoreOptions): ClickHouseCallStore {
  const { clock, log, metrics } = options;
  let opened:
    | { connection: ColumnStoreConnection; query: TenantQuery; search: WordSearch; states: CallStates; writer: EventWriter }
    | undefined;
  const querySeconds = metrics.histogram("earshot_column_store_query_seconds", "Time of a read of the column store, by read.", seconds, [
    "read",
  ]);
  let cancelSettling = () => {};
  let cancelForgetting = () => {};
  let mayBeSettled: (() => boolean) | undefined = (options.settles ?? true) ? () => true : undefined;
  let settling: Promise<unknown> = Promise.resolve();
  let fault: string | undefined;
  let trouble: string | undefined;
  /** Whatever the engine answers, it is there. */
  const watched = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      const done = await work();
      fault = undefined;
      return done;
    } catch (error) {
      if (error instanceof EarshotError && error.category === "unavailable") fault = `history and search wait: ${error.message}`;
      throw error;
    }
  };
  const store = () => {
    if (opened === undefined) throw new EarshotError("unavailable", "column_store_closed", "The column store is not started.");
    return opened;
  };
  const timed = async <T>(read: string, work: (query: TenantQuery, search: WordSearch) => Promise<T>): Promise<T> => {
    const { query, search } = store();
    const end = querySeconds.startTimer({ read });
    try {
      return await watched(() => work(query, search));
    } finally {
      end();
    }
  };
  return {
    name: "column-store",
    async start() {
      const connection = await openColumnStore(options.url, options.settings, clock);
      let search = textIndexSearch;
      try {
        await migrate(connection, clock, log);
        if (!(await hasTextIndex(connection))) {
          search = bloomFilterSearch;
          log.info({}, olderTables);
        }
        await fillOpenSegments(connection).catch((error: unknown) =>
          log.warn({ err: error }, "searches miss words of open calls until the next start"),
        );
        if (options.url.startsWith("chdb:")) await keepReplacedParts(connection, options.settings.replacedPartSeconds);
      } catch (error) {
        await connection.close();
        throw error;
      }
      if (options.url.startsWith("chdb:")) cancelForgetting = forgetConditions(connection, clock, log);
      const query = tenantQueries(connection);
      const states = new CallStates(query, connection, options.settings.liveCallStates);
      const writer = new EventWriter(connection, states, metrics, clock);
      opened = { connection, query, search, states, writer };
      let busy = false;
      let sumsMadeOnDay = -1;
      const settleAll = async (isOurs: () => boolean) => {
        await settle(writer, isOurs);
        const day = Math.floor(clock.now() / dayMs);
        // Tables of an older server have none.
        if (search === bloomFilterSearch || day === sumsMadeOnDay || !isOurs()) return;
        await makeMissingSums(connection);
        sumsMadeOnDay = day;
      };
      cancelSettling = clock.every(settleEveryMs, () => {
        if (busy) return;
        busy = true;
        settling = watched(async () => {
          trouble = connection.cluster === undefined ? undefined : await replicaTrouble(connection);
          await (mayBeSettled?.() ? settleAll(mayBeSettled) : connection.command("SELECT 1"));
        })
          .catch((error: unknown) => log.warn({ err: error }, "calls could not be settled"))
          .finally(() => {
            busy = false;
          });
      });
    },
    async stop() {
      cancelSettling();
      cancelForgetting();
      const closing = opened;
      opened = undefined;
      await closing?.connection.close();
    },
    connection: () => store().connection,
    settle: () => settle(store().writer, mayBeSettled ?? (() => true)),
    release: () => opened?.states.clear(),
    async settles(isOurs: (() => boolean) | undefined) {
      if (isOurs !== undefined) opened?.writer.settlesAnew();
      mayBeSettled = isOurs;
      if (isOurs === undefined) await settling;
    },
    get fault() {
      return fault;
    },
    get limitation() {
      return trouble ?? (opened?.search === bloomFilterSearch ? olderTables : undefined);
    },
    write: (events: readonly Event[]) => watched(async () => store().writer.write(events)),
    listCalls: (tenant: TenantId, asked: CallQuery) =>
      timed("list", (query, search) => listCalls(query, search, tenant, asked, clock.now())),
    statistics: (tenant: TenantId, asked: CallQuery, timezone: string) =>
      timed("statistics", (query, search) => statistics(query, search, tenant, asked, timezone)),
    getCall: (tenant: TenantId, id: string) => timed("call", (query) => callDetail(query, tenant, id, clock.now())),
    transcript: (tenant: TenantId, id: string) => timed("transcript", (query) => transcript(query, tenant, id)),
    ledger: (tenant: TenantId, id: string) => timed("ledger", (query) => ledger(query, tenant, id, clock.now())),
    recording: (tenant: TenantId, id: string) => timed("recording", (query) => recording(query, tenant, id)),
    expiredCalls: (tenant: TenantId, beforeMs: number, most: number) =>
      watched(() => {
        const { connection, query } = store();
        // A recording whose row is not here yet would stay when its call goes.
        return connection.upToDate(["calls", "recordings"], () => expiredCalls(query, tenant, beforeMs, most));
      }),
    unendedCalls: (tenant: TenantId, silentSinceMs: number, most: number) =>
      watched(() => {
        const { connection, query } = store();
        return connection.upToDate(["calls_open"], () => unendedCalls(query, tenant, silentSinceMs, most));
      }),
    deleteCalls: (tenant: TenantId, ids: readonly string[]) =>
      watched(() => {
        const { connection, states } = store();
        for (const id of ids) states.drop(tenant, id);
        return deleteCalls(connection, tenant, ids);
      }),
    eraseDeleted: () => watched(() => eraseDeleted(store().connection)),
    facets: (tenant: TenantId) => timed("facets", (query) => facets(query, tenant)),
  };
}

const settleEveryMs = 30_000;
const dayMs = 86_400_000;
const olderTables =
  "The column store's tables were made on a ClickHouse older than 26.7: search and charts work, and read more than with its text index.";

async function settle(writer: EventWriter, isOurs: () => boolean): Promise<void> {
  while ((await writer.settle(isOurs)) > 0);
}

const seconds = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const terminations = new Set<string>(termination.options);
/** More names than these fit no menu. */
const facetValues = 500;

/** Counts rows, not calls (no FINAL): only the order of the names depends on them. */
async function facets(query: TenantQuery, tenant: TenantId): Promise<{ agents: string[]; queues: string[]; terminations: Termination[] }> {
  const values = async (column: "agent" | "queue" | "termination") =>
    (
      await query<{ value: string }>(
        tenant,
        `SELECT value FROM (SELECT toString(${column}) AS value, count() AS calls FROM calls WHERE ${ofTenant} GROUP BY ${column} UNION ALL ` +
          `SELECT toString(${column}) AS value, count() AS calls FROM calls_open WHERE ${ofTenant} AND newest_first < 0 GROUP BY ${column}) ` +
          "WHERE value != '' GROUP BY value ORDER BY sum(calls) DESC, value LIMIT {max:UInt32}",
        { max: facetValues },
      )
    ).map((row) => row.value);
  const [agents, queues, ends] = await Promise.all([values("agent"), values("queue"), values("termination")]);
  return { agents, queues, terminations: ends.filter((end): end is Termination => terminations.has(end)) };
}
