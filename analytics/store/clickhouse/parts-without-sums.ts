/**
 * The sums and names of `calls` (its projections) are made when parts are merged, not when they are inserted. But the engine merges only parts
 * that both have them or both lack them: a new part between two merged ones would stay alone for ever, and be read by every list.
 */
import type { ColumnStoreConnection } from "./column-store.ts";

/** As old as parts are when the engine merges all that it may: `min_age_to_force_merge_seconds` of the table. */
const leftAloneSeconds = 86_400;

/**
 * Gives parts that have been left alone their sums and names, so that they can be merged with their neighbours.
 * @param olderThanSeconds since the part was written
 * @returns how many there were; the engine makes them in the background
 */
export async function makeMissingSums(connection: ColumnStoreConnection, olderThanSeconds = leftAloneSeconds): Promise<number> {
  const [found] = await connection.query<{ parts: number }>(
    "SELECT toFloat64(count()) AS parts FROM system.parts WHERE database = currentDatabase() AND table = 'calls' AND active " +
      "AND empty(projections) AND modification_time <= now() - toIntervalSecond({olderThanSeconds:UInt32})",
    { olderThanSeconds },
  );
  const parts = found?.parts ?? 0;
  if (parts > 0) await connection.command("ALTER TABLE calls MATERIALIZE PROJECTION per_quarter, MATERIALIZE PROJECTION names");
  return parts;
}
