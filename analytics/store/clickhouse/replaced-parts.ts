/**
 * How long the engine in process keeps parts that a merge has replaced. Each costs some 50 kB of memory, and live ingest replaces
 * several a second: with the engine's eight minutes a busy day stands on a hundred megabytes of them. The engine waits so long because it
 * does not sync what it merges; so here a merged part is synced, and the wait may be short (what a query still reads stays until it has read it).
 * It looks for them as often as the cleanup period says, which it stretches up to its maximum where it found few. A hundred at once it would
 * remove by a hundred threads, which then stay for good, each with its own share of the allocator.
 */
import type { ColumnStoreConnection } from "./column-store.ts";

/** Sets it on every table that has another value. A server's tables are its administrator's business. */
export async function keepReplacedParts(connection: ColumnStoreConnection, seconds: number): Promise<void> {
  const wanted = `old_parts_lifetime = ${seconds}, min_compressed_bytes_to_fsync_after_merge = 1, fsync_part_directory = 1, cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2, concurrent_part_removal_threshold = 100000`;
  const tables = await connection.query<{ name: string; definition: string }>(
    "SELECT name, create_table_query AS definition FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'",
    {},
  );
  for (const { name, definition } of tables) {
    const has = new Set(definition.slice(definition.lastIndexOf(" SETTINGS ") + " SETTINGS ".length).split(", "));
    if (!wanted.split(", ").every((setting) => has.has(setting))) await connection.command(`ALTER TABLE ${name} MODIFY SETTING ${wanted}`);
  }
}
