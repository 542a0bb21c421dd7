/** Whole tables of the column store into files of ClickHouse's Native format and back: for backup, engine to engine. */
import type { ColumnStoreConnection } from "./column-store.ts";
import { migrationsTable } from "./migrate.ts";
import type { InsertTarget } from "./native-block.ts";

/** Columns are those that hold values of their own; the others the engine computes again. `rows`: as a reader sees them. */
export type StoredTable = InsertTarget & { readonly rows: number };

/** The tables that hold data, without the list of migrations, which the target makes itself. */
export async function storedTables(connection: ColumnStoreConnection): Promise<StoredTable[]> {
  const tables = await connection.query<{ name: string; engine: string }>(
    "SELECT name, engine FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name NOT LIKE '.inner%' ORDER BY name",
    {},
  );
  const stored: StoredTable[] = [];
  for (const { name, engine } of tables) {
    if (name === migrationsTable) continue;
    const columns = await connection.query<{ name: string; type: string }>(
      "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String} AND default_kind IN ('', 'DEFAULT') ORDER BY position",
      { table: name },
    );
    // Rows that a merge will fold are one already.
    const final = engine.includes("Replacing") ? " FINAL" : "";
    const [count] = await connection.upToDate([name], () =>
      connection.query<{ rows: number }>(`SELECT count() AS rows FROM ${name}${final}`, {}),
    );
    stored.push({
      name,
      columns: columns.map((column) => `\`${column.name}\``).join(", "),
      structure: columns.map((column) => `\`${column.name}\` ${column.type}`).join(", "),
      rows: Number(count?.rows ?? 0),
    });
  }
  return stored;
}
