/** What a cluster must have before tables are made on it, and how its replicas do. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { clusterName } from "./replicated-schema.ts";

type Ask = <T>(sql: string, params?: Record<string, unknown>) => Promise<T[]>;

/**
 * Looks, on one replica and in no database, whether replicated tables can be made, and makes the database on all replicas where it is missing.
 * @param ask one SELECT of this replica
 * @param run one statement of this replica without an answer
 * @throws EarshotError conflict with what to mend where cluster, macros or keeper are missing
 */
export async function prepareCluster(cluster: string, database: string, ask: Ask, run: (sql: string) => Promise<void>): Promise<void> {
  const known = await ask<{ cluster: string; shards: number }>(
    "SELECT cluster, toFloat64(uniqExact(shard_num)) AS shards FROM system.clusters GROUP BY cluster ORDER BY cluster",
  );
  const wanted = known.find((row) => row.cluster === cluster);
  if (wanted === undefined)
    throw fault(
      `The ClickHouse server knows no cluster '${cluster}'; it knows: ${known.map((row) => row.cluster).join(", ") || "none"}.`,
      "Set EARSHOT_COLUMN_STORE_CLUSTER to one of these, or add the cluster to <remote_servers> of every server's configuration.",
    );
  if (wanted.shards !== 1)
    throw fault(
      `The cluster '${cluster}' has ${wanted.shards} shards; Earshot keeps all of its data on every replica.`,
      "Name a cluster of one shard with as many replicas as you like in EARSHOT_COLUMN_STORE_CLUSTER.",
    );
  const macros = new Set((await ask<{ macro: string }>("SELECT macro FROM system.macros")).map((row) => row.macro));
  const lacking = ["shard", "replica"].filter((name) => !macros.has(name));
  if (lacking.length > 0)
    throw fault(
      `The ClickHouse server has no macro ${lacking.map((name) => `{${name}}`).join(" and no macro ")}, of which the replicas' names are made.`,
      "Add <macros><shard>01</shard><replica>a name of this server alone</replica></macros> to every server's configuration.",
    );
  const [keeper] = await ask<{ tables: number }>(
    "SELECT toFloat64(count()) AS tables FROM system.tables WHERE database = 'system' AND name = 'zookeeper'",
  );
  if ((keeper?.tables ?? 0) === 0)
    throw fault(
      "The ClickHouse server has no keeper, through which replicas find one another's data.",
      "Configure ClickHouse Keeper or ZooKeeper in <zookeeper> of every server, or unset EARSHOT_COLUMN_STORE_CLUSTER for a server alone.",
    );
  const [existing] = await ask<{ engine: string }>("SELECT engine FROM system.databases WHERE name = {database:String}", { database });
  if (existing?.engine === "Replicated")
    throw fault(
      `The database ${database} has the engine Replicated, in which tables cannot be made ON CLUSTER.`,
      "Name another database in EARSHOT_COLUMN_STORE; Earshot makes it on every replica.",
    );
  if (existing === undefined) await run(createDatabase(cluster, database));
}

/** On every replica. Each statement ON CLUSTER waits for replicas that are away, so none is sent that need not be. */
export function createDatabase(cluster: string, database: string): string {
  return `CREATE DATABASE IF NOT EXISTS \`${database.replace(/[\\`]/g, "\\$&")}\` ON CLUSTER ${clusterName(cluster)}`;
}

/**
 * @param replicas what each connection was answered for `getMacro('replica')`
 * @throws EarshotError conflict where they are different ones: what is written through one would be missing in the answers of another
 */
export function checkOneReplica(replicas: readonly string[]): void {
  const names = [...new Set(replicas)];
  if (names.length > 1)
    throw fault(
      `One address of EARSHOT_COLUMN_STORE leads to several replicas (${names.join(", ")}), as behind a load balancer.`,
      "Name the replicas themselves, one after the other: clickhouse://user:password@one:8123,two:8123,three:8123/database.",
    );
}

/** @returns the database where some replica of the cluster lacks tables: at the first start, or since it joined later; else undefined */
export async function databaseToMake(connection: ColumnStoreConnection, cluster: string): Promise<string | undefined> {
  const [row] = await connection.query<{ database: string; wanted: number; registered: number }>(
    "SELECT currentDatabase() AS database, toFloat64((SELECT count() FROM system.clusters WHERE cluster = {cluster:String})) AS wanted, " +
      "toFloat64(min(total_replicas)) AS registered FROM system.replicas WHERE database = currentDatabase()",
    { cluster },
  );
  return row !== undefined && row.registered < row.wanted ? row.database : undefined;
}

/** Behind by more than this, a replica shows things that were long changed. */
const behindSeconds = 60;

/** @returns what is wrong with the replicas, in words for the status page; undefined where nothing is */
export async function replicaTrouble(connection: ColumnStoreConnection): Promise<string | undefined> {
  const [row] = await connection.query<{ total: number; active: number; readonly: number; behind: number }>(
    "SELECT toFloat64(max(total_replicas)) AS total, toFloat64(min(active_replicas)) AS active, toFloat64(max(is_readonly)) AS readonly, " +
      "toFloat64(max(absolute_delay)) AS behind FROM system.replicas WHERE database = currentDatabase()",
    {},
  );
  if (row === undefined || row.total === 0) return undefined;
  if (row.readonly > 0) return "This replica of the column store is read-only: it does not reach its keeper.";
  if (row.active < row.total) return `${row.total - row.active} of ${row.total} replicas of the column store are away.`;
  if (row.behind > behindSeconds) return `This replica of the column store is ${Math.round(row.behind)} s behind the others.`;
  return undefined;
}

function fault(message: string, remedy: string): EarshotError {
  return new EarshotError("conflict", "column_store_cluster", message, { remedy });
}
