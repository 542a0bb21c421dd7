/** Which of the open calls have the words of a search: a condition for `calls_open`, whose rows have no words of their own. */
import type { TenantId } from "@earshot/proto/ids.ts";
import type { CallFilter } from "./call-filter.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";
import type { WordSearch } from "./word-search.ts";

/** A server takes a statement's parameters in an address of a megabyte at most: this many of the usual ids are a fifth of it. */
export const maxOpenIds = 5000;

/** Calls that were settled before, of which `open_segments` has not everything: few, and none most of the time. */
const reopened = `SELECT call_id FROM calls_open WHERE ${ofTenant} AND in_settled = 1`;

/**
 * @returns what follows the conditions of `calls_open` (begins with AND, or is empty where no words are asked for) with its parameters;
 * `none` where no open call has all the words
 */
export async function openCallsThatSay(
  query: TenantQuery,
  search: WordSearch,
  tenant: TenantId,
  { terms, params }: CallFilter,
): Promise<{ condition: string; params: Readonly<Record<string, unknown>>; none: boolean }> {
  if (terms.length === 0) return { condition: "", params: {}, none: false };
  // The newest revision of each segment; no FINAL, which would merge whole granules for these few.
  const saying = (table: string, calls: string) =>
    `SELECT call_id FROM (SELECT call_id, argMax(${table}.text, revision) AS text FROM ${table} WHERE ${ofTenant} ` +
    `AND call_id ${calls} GROUP BY call_id, start_ms, segment_id) ` +
    `GROUP BY call_id HAVING ${terms.map((_, index) => `max(${search.inSegment(index)}) = 1`).join(" AND ")}`;
  const neverSettled = saying("open_segments", `NOT IN (${reopened})`);
  const settledBefore = saying("segments", `IN (${reopened})`);
  const asked = (sql: string) => query<{ call_id: string }>(tenant, `${sql} LIMIT ${maxOpenIds + 1}`, params);
  const [found, again] = await Promise.all([asked(neverSettled), query<{ call_id: string }>(tenant, `${reopened} LIMIT 1`)]);
  if (again.length > 0) found.push(...(await asked(settledBefore)));
  if (found.length > maxOpenIds)
    return { condition: ` AND call_id IN (${neverSettled} UNION ALL ${settledBefore})`, params: {}, none: false };
  const openIds = found.map(({ call_id }) => call_id);
  return { condition: " AND call_id IN {openIds:Array(String)}", params: { openIds }, none: openIds.length === 0 };
}
