/** What the engine can do: which versions are taken, and which of the schema's and the search's names it knows. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { ColumnStoreConnection } from "./column-store.ts";

/** The first engine whose SQL the older schema was written for. */
const oldestVersion = { major: 24, minor: 8 };

/** @throws EarshotError conflict where the engine is older than the schema */
export function checkVersion(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const { major: oldestMajor, minor: oldestMinor } = oldestVersion;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new EarshotError("conflict", "column_store_version", `ClickHouse ${version.slice(0, 40)} is too old for Earshot's tables.`, {
    remedy: `Upgrade the server to ${oldestMajor}.${oldestMinor} or newer, or use EARSHOT_COLUMN_STORE=chdb: (in process).`,
  });
}

/** What the newest schema and its queries name that 24.8 does not know, or knows with faults: functions, settings, settings of a table. */
export const newerNames = [
  "hasPhrase",
  "hasAnyTokens",
  "use_top_k_dynamic_filtering",
  "text_index_posting_list_block_size",
  "allow_experimental_text_index_phrase_search",
  "materialize_projections_on_insert",
  "materialize_projections_on_merge",
  // Rebuilding projections under a deletion left deleted rows in them, or crashed, in versions of 2024 and 2025.
  "lightweight_mutation_projection_mode",
] as const;

/** @returns those of `newerNames` that this engine lacks: where there is one, the older schema is made */
export async function missingNames(connection: ColumnStoreConnection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    "SELECT name FROM system.functions WHERE name IN {names:Array(String)} UNION ALL " +
      "SELECT name FROM system.settings WHERE name IN {names:Array(String)} UNION ALL " +
      "SELECT name FROM system.merge_tree_settings WHERE name IN {names:Array(String)}",
    { names: newerNames },
  );
  const known = new Set(rows.map((row) => row.name));
  return newerNames.filter((name) => !known.has(name));
}

/**
 * By the table that is there, not by the engine: a table made on an older server stays as it was made when the server is upgraded.
 * @returns whether `calls` has a text index; without it there is the bloom filter of words; undefined where there is no such table yet
 */
export async function hasTextIndex(connection: ColumnStoreConnection): Promise<boolean | undefined> {
  const [table] = await connection.query<{ definition: string }>(
    "SELECT create_table_query AS definition FROM system.tables WHERE database = currentDatabase() AND name = 'calls'",
    {},
  );
  return table === undefined ? undefined : / TYPE text\(/.test(table.definition);
}
