/**
 * The tables on a cluster: one schema, made on every replica. What differs is the engine, which copies its parts to the other replicas, and
 * that statements run ON CLUSTER. https://clickhouse.com/docs/engines/table-engines/mergetree-family/replication
 */
import { EarshotError } from "@earshot/proto/errors.ts";
import { termsIndex } from "./word-search.ts";

/**
 * By names, not by {uuid}: a replica that joins later makes its tables with the same statements, and must find the others' data.
 * {shard} and {replica} are the server's macros; {database} and {table} it knows itself.
 */
const keeperPath = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";

/**
 * Replicated tables pass over a block that they were given before, also when its rows were deleted since: a call that is settled again as it
 * was would be lost. Earshot's rows carry their keys and versions, and need nothing of that kind.
 * https://clickhouse.com/docs/operations/settings/merge-tree-settings#replicated_deduplication_window
 */
const noDeduplication = "replicated_deduplication_window = 0, replicated_deduplication_window_for_async_inserts = 0";

/** A replica that joins later must make `calls` with the indexes that the others' have by now, or it is refused: from the start, so. */
const withIndexesOfNow = (statement: string) => statement.replace(/INDEX words said TYPE text\([^\n]*\)(?=,\n)/, () => termsIndex);

/**
 * @param statement of a migration, in the form that the engine there wants (see older-schema.ts)
 * @param cluster its name; see `clusterName`
 * @throws EarshotError bug where a migration holds a statement of a kind that has no form for a cluster
 */
export function replicatedStatement(statement: string, cluster: string): string {
  const onCluster = `ON CLUSTER ${clusterName(cluster)}`;
  if (/^ALTER TABLE \w+ /.test(statement)) return statement.replace(/^ALTER TABLE (\w+)/, `ALTER TABLE $1 ${onCluster}`);
  const made = withIndexesOfNow(statement)
    .replace(/^CREATE TABLE IF NOT EXISTS (\w+)/, `CREATE TABLE IF NOT EXISTS $1 ${onCluster}`)
    .replace(
      /\bENGINE = ((?:Replacing)?MergeTree)(?:\((\w+)\))?(?!\w)/,
      (_, engine: string, version?: string) => `ENGINE = Replicated${engine}(${keeperPath}${version === undefined ? "" : `, ${version}`})`,
    );
  if (!made.includes(` ${onCluster}`) || !made.includes("ENGINE = Replicated"))
    throw new EarshotError("bug", "migration_on_cluster", `A migration's statement has no form for a cluster: ${statement.slice(0, 80)}`);
  return /\bSETTINGS [^)]*$/.test(made) ? `${made}, ${noDeduplication}` : `${made}\nSETTINGS ${noDeduplication}`;
}

/** As an identifier of a statement. @param cluster a name that the settings let through: letters, digits and _ . - */
export function clusterName(cluster: string): string {
  return `'${cluster}'`;
}
