/** The list of calls, with the search's hits in context, and the numbers above it. */
import type { CallListItem, CallQuery } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { CallStatistics } from "../port.ts";
import { type CallFilter, callFilter } from "./call-filter.ts";
import { type CallCard, type CallRow, callRowColumns, parseCard, summaryOf } from "./call-row.ts";
import { speakerOfLeg } from "./legs.ts";
import { matchesIn } from "./search-words.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";

/** Each of a fixed few: the order never comes from outside. */
const sortColumns: Record<CallQuery["sort"], string> = {
  startedAt: "newest_first",
  durationMs: "duration_ms",
  attention: "attention",
  callerSentiment: "caller_sentiment",
  agentSentiment: "agent_sentiment",
  mos: "mos",
};
/** Of one call's matching segments so many are shown in the list; the call's page shows all. */
const hitsPerCall = 5;

export async function listCalls(
  query: TenantQuery,
  tenant: TenantId,
  asked: CallQuery,
  nowMs: number,
): Promise<{ data: CallListItem[]; total: number }> {
  const filter = callFilter(asked);
  if (filter.impossible) return { data: [], total: 0 };
  const { keys, total } = await withSources(query, tenant, filter, async (sources) => {
    const order = orderOf(asked);
    const id = filter.terms.length > 0 ? "call_id" : "''";
    const tie = asked.sort === "startedAt" ? ", call_id" : "";
    const sort = asked.sort === "startedAt" ? "" : `, ${sortColumns[asked.sort]}`;
    const offset = (asked.page - 1) * asked.perPage;
    // A filter on the sorted column as it is read (top k) speeds a sorting of everything, but it keeps the primary key's order from ending
    // the reading early, and the index of words from answering alone.
    const settings =
      asked.sort === "startedAt" || filter.terms.length > 0 ? " SETTINGS use_top_k_dynamic_filtering = 0, max_block_size = 8192" : "";
    const [found, counted] = await Promise.all([
      // First the keys of the page, then its cards: sorting carries no wide column.
      query<PageKey>(
        tenant,
        `SELECT toString(call_key) AS key, toFloat64(newest_first) AS start, id, open FROM (${sources
          .map(
            ({ open, sql }) =>
              `(SELECT call_key, ${id} AS id, newest_first${sort}${tie}, ${open} AS open ${sql} ORDER BY ${order} LIMIT {upTo:UInt64})`,
          )
          .join(" UNION ALL ")}) ORDER BY ${order} LIMIT {limit:UInt32} OFFSET {offset:UInt64}${settings}`,
        { ...filter.params, limit: asked.perPage, offset, upTo: offset + asked.perPage },
      ),
      query<{ total: number }>(
        tenant,
        `SELECT toFloat64(sum(calls)) AS total FROM (${sources.map(({ sql }) => `SELECT count() AS calls ${sql}`).join(" UNION ALL ")})`,
        filter.params,
      ),
    ]);
    return { keys: found, total: counted[0]?.total ?? 0 };
  });
  if (keys.length === 0) return { data: [], total };
  const [cards, segments] = await Promise.all([
    cardsOf(query, tenant, keys),
    filter.terms.length === 0 ? [] : foundSegments(query, tenant, filter, [...new Set(keys.map(({ id }) => id))]),
  ]);
  const data: CallListItem[] = cards.map((card) => summaryOf(card, nowMs));
  if (filter.terms.length > 0) addHits(segments, filter, cards, data);
  return { data, total };
}

/** `key` is the call's UInt64 hash, eight bytes to read and sort by where the id has forty; as text, since a number would lose digits. */
type PageKey = { key: string; start: number; id: string; open: number };
/** FROM and WHERE over the settled and over the open calls: together every call once. */
type Sources = readonly Source[];
type Source = { readonly open: 0 | 1; readonly sql: string };

/**
 * Only while a settled call is open again (changed late, or being moved this moment) must the settled side leave it out. That is asked
 * beside the query itself, which is done again in that rare case: otherwise it costs nothing.
 */
async function withSources<T>(
  query: TenantQuery,
  tenant: TenantId,
  filter: CallFilter,
  read: (sources: Sources) => Promise<T>,
): Promise<T> {
  const settled: Source = { open: 0, sql: `FROM calls WHERE ${ofTenant}${filter.settled}` };
  // A call whose start is not known yet stands at 0 and is in no list; among the settled there is none, so there it is not asked.
  const open: Source = { open: 1, sql: `FROM calls_open FINAL WHERE ${ofTenant} AND newest_first < 0${filter.open}` };
  // A call that is up is open, always.
  if (filter.onlyOpen) return read([open]);
  const [twice, answer] = await Promise.all([
    query<{ calls: number }>(tenant, `SELECT toFloat64(count()) AS calls FROM calls_open WHERE ${ofTenant} AND in_settled = 1`),
    read([settled, open]),
  ]);
  if ((twice[0]?.calls ?? 0) === 0) return answer;
  const except = ` AND call_key NOT IN (SELECT call_key FROM calls_open WHERE ${ofTenant} AND in_settled = 1)`;
  return read([{ open: 0, sql: settled.sql + except }, open]);
}

async function cardsOf(query: TenantQuery, tenant: TenantId, keys: readonly PageKey[]): Promise<CallCard[]> {
  const read = async (table: string, of: readonly PageKey[]): Promise<(CallRow & { key: string })[]> =>
    of.length === 0
      ? []
      : query<CallRow & { key: string }>(
          tenant,
          `SELECT ${callRowColumns}, toString(call_key) AS key FROM ${table} WHERE ${ofTenant} AND newest_first IN {starts:Array(Int64)} AND toString(call_key) IN {keys:Array(String)}`,
          { keys: of.map(({ key }) => key), starts: of.map(({ start }) => start) },
        );
  const byKey = new Map<string, CallCard>();
  const take = async (settled: readonly PageKey[], open: readonly PageKey[]) => {
    for (const row of (await Promise.all([read("calls", settled), read("calls_open FINAL", open)])).flat())
      byKey.set(row.key, parseCard(row));
  };
  await take(
    keys.filter((key) => key.open === 0),
    keys.filter((key) => key.open === 1),
  );
  // Moved between the two queries: it is in the other table now.
  const moved = keys.filter(({ key }) => !byKey.has(key));
  if (moved.length > 0) await take(moved, moved);
  // In the order found; a call that was moved in between counts once.
  return [...new Set(keys.map(({ key }) => key))].flatMap((key) => byKey.get(key) ?? []);
}

/** In the order of the primary key a page is read off the front; where all must be looked at anyway, the short key breaks ties. */
function orderOf(asked: CallQuery): string {
  const descending = asked.order === "desc";
  if (asked.sort === "startedAt") return `newest_first ${descending ? "ASC" : "DESC"}, call_id ${descending ? "ASC" : "DESC"}`;
  return `${sortColumns[asked.sort]} ${descending ? "DESC" : "ASC"} NULLS LAST, newest_first, call_key`;
}

type FoundSegment = { call_id: string; segment_id: string; leg: number; start_ms: number; text: string };

/** Of the calls' segments those with any of the words. */
function foundSegments(query: TenantQuery, tenant: TenantId, filter: CallFilter, ids: readonly string[]): Promise<FoundSegment[]> {
  return query<FoundSegment>(
    tenant,
    // The newest revision of each segment; no FINAL, which would merge whole granules for these few.
    "SELECT call_id, segment_id, leg, start_ms, text FROM (SELECT call_id, segment_id, leg, start_ms, text FROM segments " +
      `WHERE ${ofTenant} AND call_id IN {ids:Array(String)} ORDER BY call_id, start_ms, segment_id, revision DESC LIMIT 1 BY call_id, segment_id) ` +
      "WHERE hasAnyTokens(lowerUTF8(text), {words:Array(String)}) ORDER BY call_id, start_ms LIMIT {perCall:UInt32} BY call_id",
    // Words of a phrase also stand apart in other segments: read more than are shown, then look for the phrase itself.
    { ids, words: [...new Set(filter.terms.flat())].slice(0, 60), perCall: hitsPerCall * 20 },
  );
}

function addHits(segments: readonly FoundSegment[], filter: CallFilter, cards: readonly CallCard[], data: CallListItem[]): void {
  const byCall = Map.groupBy(segments, (segment) => segment.call_id);
  for (const [index, card] of cards.entries())
    data[index]!.hits = (byCall.get(card.id) ?? [])
      .map((segment) => ({
        segmentId: segment.segment_id,
        speaker: speakerOfLeg(card.legs, segment.leg),
        startMs: segment.start_ms,
        text: segment.text,
        matches: matchesIn(segment.text, filter.terms),
      }))
      .filter((hit) => hit.matches.length > 0)
      .slice(0, hitsPerCall);
}

type Day = {
  day: string;
  calls: number;
  ended: number;
  total_duration_ms: number;
  sentiment_sum: number;
  sentiment_calls: number;
  mos_sum: number;
  mos_calls: number;
  with_alerts: number;
};

/** The expressions of the projection `per_quarter`, word for word: without other conditions it answers them. */
const sumsPerQuarter =
  "intDiv(newest_first, 900000) AS quarter, count() AS calls, count(duration_ms) AS ended, sum(duration_ms) AS duration, count(caller_sentiment) AS felt, " +
  "sum(caller_sentiment) AS sentiment, count(mos) AS heard, sum(mos) AS quality, countIf(alert_count > 0) AS alerted";

export async function statistics(query: TenantQuery, tenant: TenantId, asked: CallQuery, timezone: string): Promise<CallStatistics> {
  checkTimezone(timezone);
  const filter = callFilter(asked);
  // By quarter of an hour, not by day: the projection of `calls` has these sums, and any zone's day is made of them.
  const rows = filter.impossible
    ? []
    : await withSources(query, tenant, filter, (sources) =>
        query<Day>(
          tenant,
          "SELECT toString(toDate(toDateTime(-900 * quarter, 'UTC'), {timezone:String})) AS day, toFloat64(sum(calls)) AS calls, " +
            "toFloat64(sum(ended)) AS ended, toFloat64(sum(duration)) AS total_duration_ms, toFloat64(sum(felt)) AS sentiment_calls, " +
            "toFloat64(sum(sentiment)) AS sentiment_sum, toFloat64(sum(heard)) AS mos_calls, toFloat64(sum(quality)) AS mos_sum, " +
            `toFloat64(sum(alerted)) AS with_alerts FROM (${sources.map(({ sql }) => `SELECT ${sumsPerQuarter} ${sql} GROUP BY quarter`).join(" UNION ALL ")}) ` +
            "GROUP BY day ORDER BY day",
          { ...filter.params, timezone },
        ),
      );
  const sum = (pick: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + pick(row), 0);
  const mean = (total: number, count: number) => (count === 0 ? null : total / count);
  const totalDurationMs = sum((row) => row.total_duration_ms);
  return {
    calls: sum((row) => row.calls),
    totalDurationMs,
    meanDurationMs: mean(
      totalDurationMs,
      sum((row) => row.ended),
    ),
    meanCallerSentiment: mean(
      sum((row) => row.sentiment_sum),
      sum((row) => row.sentiment_calls),
    ),
    meanMos: mean(
      sum((row) => row.mos_sum),
      sum((row) => row.mos_calls),
    ),
    withAlerts: sum((row) => row.with_alerts),
    perDay: rows.map((row) => ({ day: row.day, calls: row.calls, meanCallerSentiment: mean(row.sentiment_sum, row.sentiment_calls) })),
  };
}

function checkTimezone(timezone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch (cause) {
    throw new EarshotError("invalid_request", "timezone_unknown", `There is no time zone "${timezone}".`, {
      remedy: 'Use a name of the IANA database, such as "Europe/Berlin".',
      cause,
    });
  }
}
