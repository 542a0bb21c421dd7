/** Calls that go for good: which they are, and every row of them. */
import type { TenantId } from "@earshot/proto/ids.ts";
import type { ExpiredCall, UnendedCall } from "../port.ts";
import { tablesOfCalls } from "./call-tables.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";

/** On a cluster a deletion passes through the keeper, which takes a megabyte: this many of the longest ids fit. */
const idsAtOnceOnCluster = 1500;
/** Settled calls that began before a time, the oldest first. One that is still up, or ended minutes ago, comes when it rests. */
export async function expiredCalls(query: TenantQuery, tenant: TenantId, beforeMs: number, most: number): Promise<ExpiredCall[]> {
  const calls = await query<{ call_id: string }>(
    tenant,
    `SELECT call_id FROM calls WHERE ${ofTenant} AND newest_first > {after:Int64} ORDER BY newest_first DESC LIMIT {most:UInt32}`,
    { after: -beforeMs, most },
  );
  if (calls.length === 0) return [];
  const ids = [...new Set(calls.map((row) => row.call_id))];
  const recordings = await query<{ call_id: string; object_key: string }>(
    tenant,
    `SELECT call_id, object_key FROM recordings WHERE ${ofTenant} AND call_id IN {ids:Array(String)} ORDER BY call_id`,
    { ids },
  );
  const keys = new Map<string, string[]>();
  for (const { call_id, object_key } of recordings) keys.set(call_id, [...(keys.get(call_id) ?? []), object_key]);
  return ids.map((callId) => ({ callId, objectKeys: [...new Set(keys.get(callId))] }));
}

/** Those that nothing has been heard of for long and whose end never came: they are settled, and expire, once somebody ends them. */
export function unendedCalls(query: TenantQuery, tenant: TenantId, silentSinceMs: number, most: number): Promise<UnendedCall[]> {
  return query<UnendedCall>(
    tenant,
    "SELECT call_id AS callId, toFloat64(toUnixTimestamp64Milli(written_at)) AS changedAtMs " +
      `FROM calls_open FINAL WHERE ${ofTenant} AND ended_at = 0 AND newest_first < 0 ` +
      "AND written_at < fromUnixTimestamp64Milli({silentSince:Int64}, 'UTC') ORDER BY newest_first DESC LIMIT {most:UInt32}",
    { silentSince: silentSinceMs, most },
  );
}

/** Beside writes: what comes to one of these calls meanwhile stays, and goes at the next sweep. */
export async function deleteCalls(connection: ColumnStoreConnection, tenant: TenantId, ids: readonly string[]): Promise<void> {
  const atOnce = connection.cluster === undefined ? ids.length : idsAtOnceOnCluster;
  for (let from = 0; from < ids.length; from += atOnce)
    for (const table of tablesOfCalls)
      await connection.execute(`DELETE FROM ${table} WHERE ${ofTenant} AND call_id IN {ids:Array(String)}`, {
        tenant,
        ids: ids.slice(from, from + atOnce),
      });
}

/** Deleted rows are only hidden until their parts are merged, which old parts may never be: this takes them off the disk. */
export async function eraseDeleted(connection: ColumnStoreConnection): Promise<void> {
  for (const table of tablesOfCalls) await connection.execute(`ALTER TABLE ${table} APPLY DELETED MASK`, {});
}
