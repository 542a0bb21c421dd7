/** The one place that talks to ClickHouse: in process (chDB) or a server, through the same client. */
import { closeSync, createReadStream, createWriteStream, mkdirSync, openSync, rmSync, writevSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import type { ClickHouseClient } from "@clickhouse/client";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import { lockDirectory } from "@earshot/platform/lifecycle/directory-lock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { storeSettings } from "../settings.ts";
import { checkVersion } from "./engine-version.ts";
import { withLiterals } from "./literals.ts";
import type { NativeBlock } from "./native-block.ts";

export type ColumnStoreSettings = Pick<
  SettingsOf<typeof storeSettings>,
  | "columnStoreConnections"
  | "columnStoreQueue"
  | "columnStoreQuerySeconds"
  | "columnStoreQueryThreads"
  | "columnStoreQueryMiB"
  | "columnStoreAsyncRows"
  | "liveCallStates"
  | "replacedPartSeconds"
>;

/** A table as the binary insert sees it. */
export type InsertTarget = { readonly name: string; readonly columns: string; readonly structure: string };

export interface ColumnStoreConnection {
  /** Statements of our own without an answer (migrations, optimise); never text of anybody else's. */
  command(sql: string): Promise<void>;
  /** One statement of our own that changes data, with bound parameters. */
  execute(sql: string, params: Readonly<Record<string, unknown>>): Promise<void>;
  /** One SELECT with bound parameters; at most `columnStoreConnections` run at once, the others wait. */
  query<T>(sql: string, params: Readonly<Record<string, unknown>>): Promise<T[]>;
  /** Appends the writer's rows, all or none per table; resolves when they are stored. */
  insert(target: InsertTarget, rows: NativeBlock): Promise<void>;
  /** All rows of a table into a new file, in the engine's Native format. */
  exportTable(table: InsertTarget, file: string): Promise<void>;
  /** Appends the rows of such a file. */
  importTable(table: InsertTarget, file: string): Promise<void>;
  close(): Promise<void>;
}

/** Ten thousand of the longest ids that are taken, escaped, fit. */
const maxStatementBytes = 16 * 1024 * 1024;

/**
 * Opens `chdb:DIR`, `clickhouse://`, `clickhouses://`, `http://` or `https://`.
 * @throws EarshotError conflict where another process owns the directory, unavailable where the engine does not answer
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
  const directory = embedded ? resolve(url.slice("chdb:".length)) : "";
  const release = embedded ? lockDirectory(directory) : () => {};
  const clients: ClickHouseClient[] = [];
  try {
    for (let i = 0; i <= settings.columnStoreConnections; i++) {
      const forQueries = i > 0;
      if (embedded) {
        const client = createClient({ connection: (await chdbConnection())({ path: directory }) });
        clients.push(client);
        // Session settings are set once: given per query, the in-process connection would send them as statements before each one.
        await client.command({ query: `SET max_query_size = ${maxStatementBytes}` });
        if (forQueries) for (const [name, value] of Object.entries(limits)) await client.command({ query: `SET ${name} = ${value}` });
      } else {
        clients.push(
          createClient({
            url: serverUrl(url),
            // What fails is thrown, and logged by whoever knows what it means.
            log: { level: ClickHouseLogLevel.OFF },
            clickhouse_settings: forQueries ? limits : {},
            max_open_connections: forQueries ? 1 : 4,
            request_timeout: forQueries ? settings.columnStoreQuerySeconds * 1000 + 5000 : 300_000,
          }),
        );
      }
    }
    // In the database, which a ping does not look at.
    const answer = await mapped(clients[0]!.query({ query: "SELECT version() AS version", format: "JSONEachRow" }));
    checkVersion(((await answer.json()) as { version: string }[])[0]?.version ?? "");
  } catch (cause) {
    await Promise.allSettled(clients.map((client) => client.close()));
    release();
    throw cause instanceof EarshotError
      ? cause
      : new EarshotError("unavailable", "column_store_unreachable", "The column store does not answer.", {
          remedy:
            "Look at the rights and the free space of the data directory, and whether this platform is supported (glibc Linux or macOS).",
          cause,
        });
  }
  return connectionOf(clients, embedded ? directory : undefined, release, settings, clock);
}

function connectionOf(
  clients: ClickHouseClient[],
  directory: string | undefined,
  release: () => void,
  settings: ColumnStoreSettings,
  clock: Clock,
): ColumnStoreConnection {
  const writer = clients[0]!;
  const free = clients.slice(1);
  const waiting: ((client: ClickHouseClient) => void)[] = [];
  let closed = false;
  let inserts = 0;
  let writing: Promise<unknown> = Promise.resolve();

  const acquire = (): Promise<ClickHouseClient> | ClickHouseClient => {
    const client = free.pop();
    if (client !== undefined) return client;
    if (waiting.length >= settings.columnStoreQueue)
      throw new EarshotError("rate_limited", "column_store_busy", "Too many queries are waiting.", {
        retryAfterMs: 1000,
        remedy: "Try again in a moment; raise EARSHOT_COLUMN_STORE_QUEUE or EARSHOT_COLUMN_STORE_CONNECTIONS where this is usual.",
      });
    return new Promise((take) => waiting.push(take));
  };
  const giveBack = (client: ClickHouseClient) => {
    const next = waiting.shift();
    if (next === undefined) free.push(client);
    else next(client);
  };
  const checkOpen = () => {
    if (closed) throw new EarshotError("unavailable", "column_store_closed", "The column store is closed.");
  };
  /** Statements of the write connection run one after the other: one session serialises them anyway. */
  const serial = <T>(work: () => Promise<T>): Promise<T> => {
    const done = writing.then(work, work);
    writing = done.catch(() => {});
    return done;
  };
  if (directory !== undefined) mkdirSync(join(directory, "incoming"), { recursive: true });
  const bound = (sql: string, params: Readonly<Record<string, unknown>>) =>
    directory === undefined ? { query: sql, query_params: { ...params } } : { query: withLiterals(sql, params) };
  const fromFile = ({ name, columns, structure }: InsertTarget, file: string) =>
    mapped(
      writer.command(
        bound(`INSERT INTO ${name} (${columns}) SELECT ${columns} FROM file({file:String}, Native, {structure:String})`, {
          file,
          structure,
        }),
      ),
    );

  return {
    command: (sql) =>
      serial(async () => {
        checkOpen();
        await mapped(writer.command({ query: sql }));
      }),
    execute: (sql, params) =>
      serial(async () => {
        checkOpen();
        await mapped(writer.command(bound(sql, params)));
      }),
    async query<T>(sql: string, params: Readonly<Record<string, unknown>>): Promise<T[]> {
      checkOpen();
      const started = clock.monotonicMs();
      const client = await acquire();
      try {
        const result = await mapped(client.query({ ...bound(sql, params), format: "JSONEachRow" }));
        return (await result.json<T>()) as T[];
      } catch (error) {
        if (error instanceof EarshotError && error.category === "timeout")
          throw new EarshotError("timeout", error.code, error.message, {
            remedy: error.remedy,
            details: { tookMs: Math.round(clock.monotonicMs() - started) },
            cause: error.cause,
          });
        throw error;
      } finally {
        giveBack(client);
      }
    },
    insert: (target, rows) =>
      rows.rows === 0
        ? Promise.resolve()
        : serial(async () => {
            checkOpen();
            if (directory === undefined) {
              const { Readable } = await import("node:stream");
              // The server puts small inserts of many writers together, and answers when they are stored.
              const isSmall = rows.rows < settings.columnStoreAsyncRows;
              const done = await mapped(
                writer.exec({
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
              await fromFile(target, file);
            } finally {
              rmSync(file, { force: true });
            }
          }),
    exportTable: ({ name, columns, structure }, file) =>
      serial(async () => {
        checkOpen();
        if (directory !== undefined) {
          await mapped(
            writer.command(
              bound(`INSERT INTO FUNCTION file({file:String}, Native, {structure:String}) SELECT ${columns} FROM ${name}`, {
                file,
                structure,
              }),
            ),
          );
          return;
        }
        const { stream } = await mapped(writer.exec({ query: `SELECT ${columns} FROM ${name} FORMAT Native` }));
        await mapped(pipeline(stream, createWriteStream(file)));
      }),
    importTable: ({ name, columns, structure }, file) =>
      serial(async () => {
        checkOpen();
        if (directory !== undefined) {
          await fromFile({ name, columns, structure }, file);
          return;
        }
        const done = await mapped(writer.exec({ query: `INSERT INTO ${name} (${columns}) FORMAT Native`, values: createReadStream(file) }));
        done.stream.destroy();
      }),
    async close() {
      if (closed) return;
      closed = true;
      await writing;
      await Promise.allSettled(clients.map((client) => client.close()));
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

/** Loaded only where it is used: a server's client needs no native engine. chDB is CommonJS with types the client does not share. */
async function chdbConnection(): Promise<ChdbFactory> {
  const require = createRequire(pathToFileURL(import.meta.filename));
  return (require("chdb/connection") as { createChdbConnection: ChdbFactory }).createChdbConnection;
}

async function chdbDrain(): Promise<() => Promise<void>> {
  const require = createRequire(pathToFileURL(import.meta.filename));
  return (require("chdb") as { drainPending: () => Promise<void> }).drainPending;
}

function serverUrl(url: string): string {
  return url.replace(/^clickhouses:\/\//, "https://").replace(/^clickhouse:\/\//, "http://");
}

/** Engine failures by ClickHouse's error number: https://clickhouse.com/docs/interfaces/http#error-codes (stable numbers). */
async function mapped<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const code = Number((cause as { code?: unknown }).code);
    const message = cause instanceof Error ? cause.message.slice(0, 500) : String(cause);
    if (code === 159 || code === 160)
      throw new EarshotError("timeout", "column_store_timeout", "The query took longer than it may.", {
        remedy: "Narrow the time range or the filters; or raise EARSHOT_COLUMN_STORE_QUERY_SECONDS.",
        cause,
      });
    if (code === 241)
      throw new EarshotError("unavailable", "column_store_memory", "The query needs more memory than it may use.", {
        remedy: "Narrow the time range; or raise EARSHOT_COLUMN_STORE_QUERY_MIB.",
        cause,
      });
    if (code === 516 || code === 192 || code === 193 || code === 194 || code === 497)
      throw new EarshotError("unavailable", "column_store_access", "The column store does not admit this user.", {
        remedy: "Check user and password in EARSHOT_COLUMN_STORE, and that the user may read, write and make tables in the database.",
        cause,
      });
    if (code === 81)
      throw new EarshotError("unavailable", "column_store_database", "The column store has no such database.", {
        remedy: "Check the database in EARSHOT_COLUMN_STORE (after the last slash), or make it: CREATE DATABASE on the server.",
        cause,
      });
    const errno = String((cause as { code?: unknown }).code);
    if (/^E(CONN|NOTFOUND|TIMEDOUT|PIPE|HOST|NET|AI_)/.test(errno) || (Number.isNaN(code) && /timeout|socket hang up/i.test(message)))
      throw new EarshotError("unavailable", "column_store_unreachable", `The column store does not answer: ${message}`, {
        remedy: "Is it running? Check host and port (8123, with TLS 8443) in EARSHOT_COLUMN_STORE.",
        cause,
      });
    // Syntax, unknown identifier, table, function, type mismatch, bad parameter: ours to repair, retrying changes nothing.
    if ([36, 43, 46, 47, 53, 60, 62, 456, 457].includes(code))
      throw new EarshotError("bug", "column_store_statement", `A statement of the column store is wrong: ${message}`, { cause });
    throw new EarshotError("unavailable", "column_store_failed", `The column store failed: ${message}`, {
      remedy: "Look at the free disk space and the store's own log.",
      cause,
    });
  }
}
