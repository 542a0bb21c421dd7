/**
 * For each condition of a query the engine remembers which parts it finds nothing in. Conditions on call ids and times of day are asked once, so
 * that an entry per call stays which is never met again: some 230 bytes of memory, counted by the engine as 64 of 100 MiB, after which it would
 * drop the oldest. What is asked again within minutes still profits. A server's caches are its administrator's business.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { ColumnStoreConnection } from "./column-store.ts";

const forgetEveryMs = 600_000;

/** Empties the cache every ten minutes. @returns ends it */
export function forgetConditions(connection: ColumnStoreConnection, clock: Clock, log: Log): () => void {
  return clock.every(forgetEveryMs, () => {
    connection
      .command("SYSTEM DROP QUERY CONDITION CACHE")
      .catch((error: unknown) => log.warn({ err: error }, "the column store's cache of conditions could not be emptied"));
  });
}
