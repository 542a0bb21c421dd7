/** Which of the open calls have the words of a search: a condition for `calls_open`, whose rows have no words of their own. */
import type { TenantId } from "@earshot/proto/ids.ts";
import type { CallFilter } from "./call-filter.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";
import type { WordSearch } from "./word-search.ts";

/** A server takes a statement's parameters in an address of a megabyte at most: this many of the usual ids are a fifth of it. */
export const maxOpenIds = 5000;

/**
 * The open calls are few: their segments are found by the primary key and read, once for a page, its total and its chart.
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
  const saying =
    `SELECT call_id FROM (SELECT call_id, argMax(segments.text, revision) AS text FROM segments WHERE ${ofTenant} ` +
    `AND call_id IN (SELECT call_id FROM calls_open WHERE ${ofTenant}) GROUP BY call_id, start_ms, segment_id) ` +
    `GROUP BY call_id HAVING ${terms.map((_, index) => `max(${search.inSegment(index)}) = 1`).join(" AND ")}`;
  const found = await query<{ call_id: string }>(tenant, `${saying} LIMIT ${maxOpenIds + 1}`, params);
  if (found.length > maxOpenIds) return { condition: ` AND call_id IN (${saying})`, params: {}, none: false };
  const openIds = found.map(({ call_id }) => call_id);
  return { condition: " AND call_id IN {openIds:Array(String)}", params: { openIds }, none: openIds.length === 0 };
}
