/** Moves calls that rest from `calls_open` to `calls`, each once and in an order that a crash at any point does no harm to. */
import { EarshotError } from "@earshot/proto/errors.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { callsTable, openCallsTable, saidSeparator } from "./call-row.ts";
import type { CallStates } from "./call-states.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { deleteCalls } from "./delete-calls.ts";
import { openSegmentsTable } from "./open-segments.ts";

/** Ended and unchanged for so long, a call is settled: what follows later (corrections, another recognition) is rare. */
export const settleAfterMs = 120_000;
/** Of calls whose start never came nothing can be shown; they are forgotten. */
const startlessAfterMs = 7 * 86_400_000;
const callsAtOnce = 5000;
/** On a cluster a deletion passes through the keeper, which takes a megabyte: this many of the longest ids fit. */
const callsAtOnceOnCluster = 900;
/** What is read to settle a call. */
const readTables = ["calls_open", "calls", "segments"];

/**
 * Between two writes. On a cluster: on one replica, which has caught up before.
 * @param isOurs false once another process may settle: two at it would both insert a call among the settled ones, where it then stands twice.
 *   Asked before each statement, since a process may stand still between two of them
 * @returns the calls moved; call again while it is not 0
 * @throws EarshotError cancelled where it is not ours any more
 */
export function settleCalls(connection: ColumnStoreConnection, nowMs: number, states: CallStates, isOurs: () => boolean): Promise<number> {
  const execute: ColumnStoreConnection["execute"] = async (...statement) => {
    if (!isOurs()) throw new EarshotError("cancelled", "settling_given_up", "Another process may settle calls by now.");
    await connection.execute(...statement);
  };
  return connection.upToDate(readTables, () => settleOnce({ ...connection, execute }, nowMs, states));
}

/**
 * Waits until this replica has done every deletion that was asked for before: halfway through one, an older version of an open call's row can
 * show, and settling by that would store the call twice. Deletions are done in their order, so it asks for one more, of nothing.
 */
export async function finishDeletions(connection: ColumnStoreConnection): Promise<void> {
  for (const table of ["calls_open", "calls"]) await connection.execute(`DELETE FROM ${table} WHERE call_id = ''`, {});
}

async function settleOnce(connection: ColumnStoreConnection, nowMs: number, states: CallStates): Promise<number> {
  // All tenants' at once: nothing of it is shown to anybody.
  const rows = await connection.query<{ tenant: string; call_id: string; in_settled: number; version: number }>(
    "SELECT tenant, call_id, in_settled, toFloat64(version) AS version FROM calls_open FINAL WHERE newest_first < 0 AND ended_at != 0 " +
      "AND ended_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC') AND written_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC') LIMIT {max:UInt32}",
    { before: nowMs - settleAfterMs, max: connection.cluster === undefined ? callsAtOnce : callsAtOnceOnCluster },
  );
  if (rows.length > 0) {
    const ids = rows.map((row) => row.call_id);
    // No subquery: replicated tables take none in a deletion.
    const theirs = "(tenant, call_id) IN arrayZip({tenants:Array(String)}, {ids:Array(String)})";
    const params = { tenants: rows.map((row) => row.tenant), ids };
    // From here on the open row counts even when the settled one is there too.
    const columns = openCallsTable.columns;
    await connection.execute(
      `INSERT INTO calls_open (${columns}) SELECT ${columns.replace("version, in_settled", "version + 1, 1")} FROM calls_open FINAL WHERE ${theirs}`,
      params,
    );
    // A row is among the settled ones already when the call changed late, or when a former settling was cut off.
    const again = rows.filter((row) => row.in_settled === 1);
    if (again.length > 0)
      // By id, not by start: it may have been settled under a start that turned out to be another.
      await connection.execute(`DELETE FROM calls WHERE ${theirs}`, {
        tenants: again.map((row) => row.tenant),
        ids: again.map((row) => row.call_id),
      });
    // The words as they stand now, for the search: settled calls are searched in this column alone.
    await connection.execute(
      `INSERT INTO calls (${callsTable.columns}) SELECT ${callsTable.columns} FROM (SELECT * FROM calls_open FINAL WHERE ${theirs}) AS c LEFT JOIN ` +
        "(SELECT tenant, call_id, arrayStringConcat(arrayMap(part -> part.2, arraySort(groupArray((start_ms, text)))), {separator:String}) AS said " +
        `FROM segments FINAL WHERE ${theirs} GROUP BY tenant, call_id) AS s USING (tenant, call_id)`,
      { ...params, separator: saidSeparator },
    );
    await connection.execute(`DELETE FROM ${openSegmentsTable.name} WHERE ${theirs}`, params);
    await connection.execute(`DELETE FROM calls_open WHERE ${theirs}`, params);
    // A call that rests needs no memory; one that changes late all the same is read back.
    for (const row of rows) states.drop(row.tenant, row.call_id);
  }
  const startless = "newest_first = 0 AND written_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC')";
  const params = { before: nowMs - startlessAfterMs };
  const old = await connection.query<{ tenant: string; ids: string[] }>(
    `SELECT tenant, groupUniqArray({max:UInt32})(call_id) AS ids FROM calls_open FINAL WHERE ${startless} GROUP BY tenant`,
    { ...params, max: connection.cluster === undefined ? callsAtOnce : callsAtOnceOnCluster },
  );
  for (const { tenant, ids } of old) await deleteCalls(connection, tenantId(tenant), ids);
  return rows.length;
}
