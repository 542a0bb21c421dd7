/** Numbered migrations in files, each run once and recorded. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { createDatabase, databaseToMake } from "./cluster.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { hasTextIndex, missingNames } from "./engine-version.ts";
import { NativeBlock } from "./native-block.ts";
import { olderStatement } from "./older-schema.ts";
import { replicatedStatement } from "./replicated-schema.ts";

/** The list of what has run; no data of a tenant's. */
export const migrationsTable = "schema_migrations";
const recordTarget = {
  name: migrationsTable,
  columns: "name, checksum, applied_at",
  structure: "name String, checksum String, applied_at DateTime64(3, 'UTC')",
};

/**
 * Brings the store to the newest schema. Statements are separated by a semicolon at the end of a line and can run again, since a crash
 * may come between a statement and its record.
 * @throws EarshotError conflict where a migration was changed after it ran
 */
export async function migrate(
  connection: ColumnStoreConnection,
  clock: Clock,
  log: Log,
  folder = join(import.meta.dirname, "migrations"),
): Promise<void> {
  const { cluster } = connection;
  const placed = (statement: string) => (cluster === undefined ? statement : replicatedStatement(statement, cluster));
  // A replica that joined later gets its tables now: the statements can run again on those that have theirs.
  const database = cluster === undefined ? undefined : await databaseToMake(connection, cluster);
  const everywhere = cluster !== undefined && database === undefined;
  if (cluster !== undefined && database !== undefined) await connection.command(createDatabase(cluster, database));
  if (!everywhere)
    await connection.command(
      placed(
        `CREATE TABLE IF NOT EXISTS ${migrationsTable} (name String, checksum String, applied_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY name`,
      ),
    );
  const rows = await connection.upToDate([migrationsTable], () =>
    connection.query<{ name: string; checksum: string }>(`SELECT name, checksum FROM ${migrationsTable}`, {}),
  );
  const applied = new Map(rows.map((row) => [row.name, row.checksum]));
  const missing = await missingNames(connection);
  const isOlder = missing.length > 0 || (await hasTextIndex(connection)) === false;
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  for (const name of files) {
    const sql = readFileSync(join(folder, name), "utf8");
    const checksum = createHash("sha256").update(sql).digest("hex");
    const before = applied.get(name);
    if (before === checksum && database === undefined) continue;
    if (before !== undefined && before !== checksum)
      throw new EarshotError("conflict", "migration_changed", `Migration ${name} is not the one that this store was made with.`, {
        remedy: "Put the file back as it was, and make the change in a new migration.",
      });
    for (const statement of statementsOf(sql)) {
      const taken = isOlder ? olderStatement(statement) : statement;
      if (taken !== undefined) await connection.command(placed(taken));
    }
    if (before === checksum) continue;
    const record = new NativeBlock(recordTarget);
    record.string(name);
    record.string(checksum);
    record.i64(clock.now());
    record.rows = 1;
    await connection.insert(recordTarget, record);
    log.info({ migration: name, missing }, "column store migrated");
  }
}

/** @param sql of a migration's file */
export function statementsOf(sql: string): string[] {
  return sql
    .split(/;[ \t]*(?:\n|$)/)
    .map((statement) =>
      statement
        .split("\n")
        .filter((line) => !line.trimStart().startsWith("--"))
        .join("\n")
        .trim(),
    )
    .filter((statement) => statement !== "");
}
