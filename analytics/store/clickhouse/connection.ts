/** The one place that talks to ClickHouse: in process (chDB) or a server, through the same client. */
import { closeSync, createReadStream, createWriteStream, mkdirSync, openSync, rmSync, writevSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import type { ClickHouseClient, ClickHouseSettings } from "@clickhouse/client";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import { lockDirectory } from "@earshot/platform/lifecycle/directory-lock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { storeSettings } from "../settings.ts";
import { checkOneReplica, prepareCluster } from "./cluster.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { mapped } from "./engine-errors.ts";
import { checkVersion } from "./engine-version.ts";
import { withLiterals } from "./literals.ts";
import type { InsertTarget } from "./native-block.ts";
import { Lane, Replicas, serverUrls } from "./replicas.ts";

export type ColumnStoreSettings = Pick<
  SettingsOf<typeof storeSettings>,
  | "columnStoreConnections"
  | "columnStoreQueue"
  | "columnStoreQuerySeconds"
  | "columnStoreQueryThreads"
  | "columnStoreQueryMiB"
  | "columnStoreAsyncRows"
  | "columnStoreCluster"
  | "columnStoreQuorum"
  | "liveCallStates"
  | "replacedPartSeconds"
>;

/** Ten thousand of the longest ids that are taken, escaped, fit. */
const maxStatementBytes = 16 * 1024 * 1024;
/** How long statements that make tables wait for replicas that are away; those run them when they are back. */
const ddlWaitSeconds = 20;
/** How long an insert waits for its copies, which its replica passes on at once. */
const quorumWaitMs = 60_000;

/**
 * Opens `chdb:DIR`, `clickhouse://`, `clickhouses://`, `http://` or `https://`, the latter with one host, or on a cluster several (`one:8123,two:8123`).
 * @throws EarshotError conflict where another process owns the directory, or the cluster lacks something, unavailable where the engine does not answer
 */
export async function openColumnStore(url: string, settings: ColumnStoreSettings, clock: Clock): Promise<ColumnStoreConnection> {
  const limits = {
    max_execution_time: settings.columnStoreQuerySeconds,
    max_threads: settings.columnStoreQueryThreads,
    max_memory_usage: String(settings.columnStoreQueryMiB * 1024 * 1024),
    do_not_merge_across_partitions_select_final: 1 as const,
    output_format_json_quote_64bit_integers: 0 as const,
  };
  const embedded = url.startsWith("chdb:");
  const urls = embedded ? [url] : serverUrls(url);
  checkPlace(embedded, urls.length, settings.columnStoreCluster);
  const directory = embedded ? resolve(url.slice("chdb:".length)) : "";
  const release = embedded ? lockDirectory(directory) : () => {};
  const replicas = new Replicas(urls, Math.floor(Math.random() * urls.length));
  const cluster = settings.columnStoreCluster === "" ? undefined : settings.columnStoreCluster;
  const ofCluster: ClickHouseSettings =
    cluster === undefined
      ? {}
      : {
          insert_quorum: settings.columnStoreQuorum,
          insert_quorum_timeout: quorumWaitMs,
          // Those that are away delete when they are back; waited for is the replica that is asked.
          lightweight_deletes_sync: "1",
          distributed_ddl_task_timeout: String(ddlWaitSeconds),
          distributed_ddl_output_mode: "null_status_on_timeout",
        };
  const lanes: Lane[] = [];
  const open = async () => {
    const chdb = embedded ? await chdbConnection() : undefined;
    for (let i = 0; i <= settings.columnStoreConnections; i++) {
      const forQueries = i > 0;
      if (chdb !== undefined) {
        const lane = new Lane(replicas, () => createClient({ connection: chdb({ path: directory }) }));
        lanes.push(lane);
        // Session settings are set once: given per query, the in-process connection would send them as statements before each one.
        await lane.client.command({ query: `SET max_query_size = ${maxStatementBytes}` });
        if (forQueries) for (const [name, value] of Object.entries(limits)) await lane.client.command({ query: `SET ${name} = ${value}` });
      } else {
        lanes.push(
          new Lane(replicas, (url) =>
            createClient({
              url,
              // What fails is thrown, and logged by whoever knows what it means.
              log: { level: ClickHouseLogLevel.OFF },
              clickhouse_settings: forQueries ? limits : ofCluster,
              max_open_connections: forQueries ? 1 : 4,
              request_timeout: forQueries
                ? settings.columnStoreQuerySeconds * 1000 + 5000
                : cluster === undefined
                  ? 300_000
                  : 2 * quorumWaitMs,
            }),
          ),
        );
      }
    }
    if (cluster !== undefined) await prepared(replicas.url, cluster, ofCluster);
    // In the database, which a ping does not look at.
    checkVersion((await rowsOf<{ version: string }>(lanes[0]!.client, "SELECT version() AS version"))[0]?.version ?? "");
    if (cluster !== undefined) {
      const names = lanes.map((lane) => rowsOf<{ name: string }>(lane.client, "SELECT getMacro('replica') AS name"));
      checkOneReplica((await Promise.all(names)).map(([row]) => row?.name ?? ""));
    }
  };
  try {
    for (let left = urls.length; ; left--)
      try {
        await open();
        break;
      } catch (error) {
        await Promise.allSettled(lanes.splice(0).map((lane) => lane.close()));
        if (left === 1 || !replicas.leaveAfter(error, replicas.term)) throw error;
      }
  } catch (cause) {
    release();
    throw cause instanceof EarshotError
      ? cause
      : new EarshotError("unavailable", "column_store_unreachable", "The column store does not answer.", {
          remedy:
            "Look at the rights and the free space of the data directory, and whether this platform is supported (glibc Linux or macOS).",
          cause,
        });
  }
  return connectionOf(lanes, replicas, embedded ? directory : undefined, release, settings, clock);
}

/** @throws EarshotError invalid_request where settings do not go together */
function checkPlace(embedded: boolean, hosts: number, cluster: string): void {
  if (embedded && cluster !== "")
    throw new EarshotError("invalid_request", "column_store_cluster", "The engine in process is no cluster.", {
      remedy: "Set EARSHOT_COLUMN_STORE to clickhouse://user:password@one:8123,two:8123/database, or unset EARSHOT_COLUMN_STORE_CLUSTER.",
    });
  if (hosts > 1 && cluster === "")
    throw new EarshotError(
      "invalid_request",
      "column_store_cluster",
      "EARSHOT_COLUMN_STORE names several hosts, which are a cluster's replicas.",
      {
        remedy: "Set EARSHOT_COLUMN_STORE_CLUSTER to the cluster's name, or name one host.",
      },
    );
}

/** What must be there before a connection to the database can be: looked at without one. */
async function prepared(url: string, cluster: string, ofCluster: ClickHouseSettings): Promise<void> {
  const place = new URL(url);
  const database = decodeURIComponent(place.pathname.slice(1)) || "default";
  // The one that is always there.
  place.pathname = "/default";
  const client = createClient({
    url: place,
    log: { level: ClickHouseLogLevel.OFF },
    clickhouse_settings: ofCluster,
    request_timeout: 2 * ddlWaitSeconds * 1000,
  });
  try {
    await prepareCluster(
      cluster,
      database,
      (sql, params) => rowsOf(client, sql, params),
      async (sql) => {
        await mapped(client.command({ query: sql }));
      },
    );
  } finally {
    await client.close();
  }
}

async function rowsOf<T>(client: ClickHouseClient, query: string, query_params: Record<string, unknown> = {}): Promise<T[]> {
  const result = await mapped(client.query({ query, query_params, format: "JSONEachRow" }));
  return (await result.json<T>()) as T[];
}

function connectionOf(
  lanes: Lane[],
  replicas: Replicas,
  directory: string | undefined,
  release: () => void,
  settings: ColumnStoreSettings,
  clock: Clock,
): ColumnStoreConnection {
  const writer = lanes[0]!;
  const free = lanes.slice(1);
  const waiting: ((lane: Lane) => void)[] = [];
  let closed = false;
  let inserts = 0;
  let writing: Promise<unknown> = Promise.resolve();

  const acquire = (): Promise<Lane> | Lane => {
    const lane = free.pop();
    if (lane !== undefined) return lane;
    if (waiting.length >= settings.columnStoreQueue)
      throw new EarshotError("rate_limited", "column_store_busy", "Too many queries are waiting.", {
        retryAfterMs: 1000,
        remedy: "Try again in a moment; raise EARSHOT_COLUMN_STORE_QUEUE or EARSHOT_COLUMN_STORE_CONNECTIONS where this is usual.",
      });
    return new Promise((take) => waiting.push(take));
  };
  const giveBack = (lane: Lane) => {
    const next = waiting.shift();
    if (next === undefined) free.push(lane);
    else next(lane);
  };
  const checkOpen = () => {
    if (closed) throw new EarshotError("unavailable", "column_store_closed", "The column store is closed.");
  };
  /** Statements of the write connection run one after the other: one session serialises them anyway. */
  const serial = <T>(work: (client: ClickHouseClient) => Promise<T>): Promise<T> => {
    // What changes data is not repeated elsewhere by itself: it may have happened, and whoever wants it knows how to do it again.
    const once = async () => {
      checkOpen();
      const { term } = replicas;
      try {
        return await work(writer.client);
      } catch (error) {
        replicas.leaveAfter(error, term);
        throw error;
      }
    };
    const done = writing.then(once, once);
    writing = done.catch(() => {});
    return done;
  };
  /** A read, of the replica that answers: each is asked once. */
  const reading = async <T>(work: (client: ClickHouseClient) => Promise<T>): Promise<T> => {
    for (let left = replicas.count; ; left--) {
      const lane = await acquire();
      const { term } = replicas;
      try {
        return await work(lane.client);
      } catch (error) {
        if (!replicas.leaveAfter(error, term) || left === 1) throw error;
      } finally {
        giveBack(lane);
      }
    }
  };
  if (directory !== undefined) mkdirSync(join(directory, "incoming"), { recursive: true });
  const bound = (sql: string, params: Readonly<Record<string, unknown>>) =>
    directory === undefined ? { query: sql, query_params: { ...params } } : { query: withLiterals(sql, params) };
  const fromFile = (client: ClickHouseClient, { name, columns, structure }: InsertTarget, file: string) =>
    mapped(
      client.command(
        bound(`INSERT INTO ${name} (${columns}) SELECT ${columns} FROM file({file:String}, Native, {structure:String})`, {
          file,
          structure,
        }),
      ),
    );

  return {
    cluster: settings.columnStoreCluster === "" ? undefined : settings.columnStoreCluster,
    get term() {
      return replicas.term;
    },
    async upToDate<T>(tables: readonly string[], work: () => Promise<T>): Promise<T> {
      if (settings.columnStoreCluster === "") return work();
      checkOpen();
      const { term } = replicas;
      await Promise.all(tables.map((table) => reading((client) => caughtUp(client, table, settings.columnStoreQuerySeconds))));
      const done = await work();
      if (replicas.term !== term)
        throw new EarshotError(
          "unavailable",
          "column_store_moved",
          "The column store's replica went away meanwhile; another one has taken over.",
          {
            remedy: "It is tried again by itself.",
          },
        );
      return done;
    },
    command: (sql) =>
      serial(async (client) => {
        await mapped(client.command({ query: sql }));
      }),
    execute: (sql, params) =>
      serial(async (client) => {
        await mapped(client.command(bound(sql, params)));
      }),
    async query<T>(sql: string, params: Readonly<Record<string, unknown>>): Promise<T[]> {
      checkOpen();
      const started = clock.monotonicMs();
      try {
        return await reading(async (client) => {
          const result = await mapped(client.query({ ...bound(sql, params), format: "JSONEachRow" }));
          return (await result.json<T>()) as T[];
        });
      } catch (error) {
        if (error instanceof EarshotError && error.category === "timeout")
          throw new EarshotError("timeout", error.code, error.message, {
            remedy: error.remedy,
            details: { tookMs: Math.round(clock.monotonicMs() - started) },
            cause: error.cause,
          });
        throw error;
      }
    },
    insert: (target, rows) =>
      rows.rows === 0
        ? Promise.resolve()
        : serial(async (client) => {
            if (directory === undefined) {
              const { Readable } = await import("node:stream");
              // The server puts small inserts of many writers together, and answers when they are stored.
              const isSmall = rows.rows < settings.columnStoreAsyncRows;
              const done = await mapped(
                client.exec({
                  query: `INSERT INTO ${target.name} (${target.columns}) FORMAT Native`,
                  values: Readable.from(rows.pieces(), { objectMode: false }),
                  clickhouse_settings: isSmall ? { async_insert: 1, wait_for_async_insert: 1 } : {},
                }),
              );
              done.stream.destroy();
              return;
            }
            // A file, not inline data: a blank line inside inline data ends it, and the rest would run as SQL.
            const file = join(directory, "incoming", `${inserts++}.bin`);
            try {
              await mapped(writePieces(file, rows.pieces()));
              await fromFile(client, target, file);
            } finally {
              rmSync(file, { force: true });
            }
          }),
    exportTable: ({ name, columns, structure }, file) =>
      serial(async (client) => {
        if (directory !== undefined) {
          await mapped(
            client.command(
              bound(`INSERT INTO FUNCTION file({file:String}, Native, {structure:String}) SELECT ${columns} FROM ${name}`, {
                file,
                structure,
              }),
            ),
          );
          return;
        }
        const { stream } = await mapped(client.exec({ query: `SELECT ${columns} FROM ${name} FORMAT Native` }));
        await mapped(pipeline(stream, createWriteStream(file)));
      }),
    importTable: ({ name, columns, structure }, file) =>
      serial(async (client) => {
        if (directory !== undefined) {
          await fromFile(client, { name, columns, structure }, file);
          return;
        }
        const done = await mapped(client.exec({ query: `INSERT INTO ${name} (${columns}) FORMAT Native`, values: createReadStream(file) }));
        done.stream.destroy();
      }),
    async close() {
      if (closed) return;
      closed = true;
      await writing;
      await Promise.allSettled(lanes.map((lane) => lane.close()));
      if (directory !== undefined) await (await chdbDrain())();
      release();
    },
  };
}

async function writePieces(file: string, pieces: Buffer[]): Promise<void> {
  const descriptor = openSync(file, "w");
  try {
    let left = pieces.filter((piece) => piece.length > 0);
    while (left.length > 0) {
      let written = writevSync(descriptor, left);
      // A disk that fills up takes a part.
      left = left.flatMap((piece) => {
        const taken = Math.min(written, piece.length);
        written -= taken;
        return taken === piece.length ? [] : [piece.subarray(taken)];
      });
    }
  } finally {
    closeSync(descriptor);
  }
}

type ChdbFactory = (options: { path: string }) => NonNullable<NonNullable<Parameters<typeof createClient>[0]>["connection"]>;

/**
 * Pages that the engine's allocator has free go back to the system after a second, not after five: merges take and leave tens of MiB several times
 * a second, and what waited was a third of the engine's memory. The allocator (jemalloc) reads this once, when the library is loaded.
 */
const engineAllocator = "dirty_decay_ms:1000";

/** Loaded only where it is used: a server's client needs no native engine. chDB is CommonJS with types the client does not share. */
async function chdbConnection(): Promise<ChdbFactory> {
  const require = createRequire(pathToFileURL(import.meta.filename));
  process.env.JE_MALLOC_CONF ??= engineAllocator;
  return (require("chdb/connection") as { createChdbConnection: ChdbFactory }).createChdbConnection;
}

async function chdbDrain(): Promise<() => Promise<void>> {
  const require = createRequire(pathToFileURL(import.meta.filename));
  return (require("chdb") as { drainPending: () => Promise<void> }).drainPending;
}

/** Resolves when this replica has fetched all that the table's log names by now. https://clickhouse.com/docs/sql-reference/statements/system#sync-replica */
async function caughtUp(client: ClickHouseClient, table: string, seconds: number): Promise<void> {
  try {
    await mapped(client.command({ query: `SYSTEM SYNC REPLICA ${table} LIGHTWEIGHT`, clickhouse_settings: { receive_timeout: seconds } }));
  } catch (error) {
    if (!(error instanceof EarshotError) || error.category !== "timeout") throw error;
    throw new EarshotError(
      "unavailable",
      "column_store_behind",
      `This replica of the column store has not caught up with the others in ${seconds} s.`,
      {
        remedy: "Look at system.replication_queue of the server; it is tried again by itself.",
        cause: error,
      },
    );
  }
}
