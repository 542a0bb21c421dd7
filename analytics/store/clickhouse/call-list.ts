/** The list of calls, with the search's hits in context, and the numbers above it. */
import type { CallListItem, CallQuery } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { CallStatistics } from "../port.ts";
import { type CallCard, type CallRow, callRowColumns, parseCard } from "./call-card.ts";
import { type CallFilter, callFilter } from "./call-filter.ts";
import { summaryOf } from "./call-row.ts";
import { speakerOfLeg } from "./legs.ts";
import { openCallsThatSay } from "./open-calls-that-say.ts";
import { matchesIn } from "./search-words.ts";
import { ofTenant, type TenantQuery } from "./tenant-query.ts";
import { searchSettings, type WordSearch } from "./word-search.ts";

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
/**
 * To so many calls from the front a page is read with its cards in one query: the engine fetches them for the rows of the answer alone.
 * Further back the rows before the page would need theirs too, so its keys are found first.
 */
const cardsAtOnce = 100;

export async function listCalls(
  query: TenantQuery,
  search: WordSearch,
  tenant: TenantId,
  asked: CallQuery,
  nowMs: number,
): Promise<{ data: CallListItem[]; total: number }> {
  const filter = callFilter(asked, search);
  if (filter.impossible) return { data: [], total: 0 };
  const { cards, hits, total } = await withSources(query, search, tenant, filter, async (sources, params, openAgain) => {
    const page = async () => {
      const rows =
        asked.page * asked.perPage <= cardsAtOnce
          ? await query<CallRow>(tenant, pageOf(asked, filter, search, sources, callRowColumns, callRowColumns), params)
          : await cardsOf(
              query,
              tenant,
              await query<PageKey>(tenant, pageOf(asked, filter, search, sources, pageKeyColumns, "key, start, open"), params),
            );
      // A call that was moved between the tables while they were read counts once.
      return [...new Map(rows.map(parseCard).map((card) => [card.id, card])).values()];
    };
    const count = () =>
      query<{ total: number; again: number }>(
        tenant,
        `SELECT toFloat64(sum(calls)) AS total, toFloat64(sum(again)) AS again FROM (${[
          ...sources.map(({ sql }) => `SELECT count() AS calls, 0 AS again ${sql}`),
          `SELECT 0 AS calls, count() AS again ${openAgain}`,
        ].join(" UNION ALL ")})${searchSettings(search, filter.terms, false)}`,
        params,
      );
    const pageWithHits = async () => {
      const cards = await page();
      const ids = cards.map(({ id }) => id);
      return { cards, hits: filter.terms.length === 0 || ids.length === 0 ? [] : await foundSegments(query, search, tenant, filter, ids) };
    };
    const [found, [counted]] = await Promise.all([pageWithHits(), count()]);
    return { answer: { ...found, total: counted?.total ?? 0 }, again: counted?.again ?? 0 };
  });
  const data: CallListItem[] = cards.map((card) => summaryOf(card, nowMs));
  if (filter.terms.length > 0) addHits(hits, filter, cards, data);
  return { data, total };
}

/** The page's rows, in order, over all sources. @param columns of a source @param shown the same by the names they have then */
function pageOf(asked: CallQuery, filter: CallFilter, search: WordSearch, sources: Sources, columns: string, shown: string): string {
  const order = orderOf(asked);
  const keys = asked.sort === "startedAt" ? "newest_first, call_id" : `newest_first, call_key, ${sortColumns[asked.sort]}`;
  const offset = (asked.page - 1) * asked.perPage;
  const settings = searchSettings(search, filter.terms, asked.sort === "startedAt" || filter.terms.length > 0);
  const parts = sources.map(
    ({ open, sql }) => `(SELECT ${columns}, ${keys}, ${open} AS open ${sql} ORDER BY ${order} LIMIT ${offset + asked.perPage})`,
  );
  return `SELECT ${shown} FROM (${parts.join(" UNION ALL ")}) ORDER BY ${order} LIMIT ${asked.perPage} OFFSET ${offset}${settings}`;
}

/** `key` is the call's UInt64 hash, eight bytes to read and sort by where the id has forty; as text, since a number would lose digits. */
type PageKey = { key: string; start: number; open: number };
const pageKeyColumns = "toString(call_key) AS key, toFloat64(newest_first) AS start";
/** FROM and WHERE over the settled and over the open calls: together every call once. Without a side that has none of them. */
type Sources = readonly Source[];
type Source = { readonly open: 0 | 1; readonly sql: string };
type Params = Readonly<Record<string, unknown>>;

/**
 * Only while a settled call is open again (changed late, or being moved this moment) must the settled side leave it out. That is asked
 * together with the query itself, which is done again in that rare case: otherwise it costs nothing.
 * @param read is given the sources, their parameters, and FROM and WHERE of the calls that are open again, whose number it returns beside its
 * answer
 */
async function withSources<T>(
  query: TenantQuery,
  search: WordSearch,
  tenant: TenantId,
  filter: CallFilter,
  read: (sources: Sources, params: Params, openAgain: string) => Promise<{ answer: T; again: number }>,
): Promise<T> {
  const settled = `FROM calls WHERE ${ofTenant}${filter.settled}`;
  const openAgain = `FROM calls_open WHERE ${ofTenant} AND in_settled = 1`;
  const ask = async (settledSql: string) => {
    const said = await openCallsThatSay(query, search, tenant, filter);
    // A call whose start is not known yet stands at 0 and is in no list; among the settled there is none, so there it is not asked.
    const open: Source = { open: 1, sql: `FROM calls_open FINAL WHERE ${ofTenant} AND newest_first < 0${filter.open}${said.condition}` };
    // A call that is up is open, always. Planning the open side is a third of what a search costs: where none of them matches, it stays out.
    const sources = filter.onlyOpen ? [open] : [{ open: 0, sql: settledSql } as const, ...(said.none ? [] : [open])];
    return read(sources, { ...filter.params, ...said.params }, openAgain);
  };
  const { answer, again } = await ask(settled);
  if (again === 0 || filter.onlyOpen) return answer;
  return (await ask(`${settled} AND call_key NOT IN (SELECT call_key ${openAgain})`)).answer;
}

/** The rows of the keys, in their order. */
async function cardsOf(query: TenantQuery, tenant: TenantId, keys: readonly PageKey[]): Promise<CallRow[]> {
  const read = async (table: string, of: readonly PageKey[]): Promise<(CallRow & { key: string })[]> =>
    of.length === 0
      ? []
      : query<CallRow & { key: string }>(
          tenant,
          `SELECT ${callRowColumns}, toString(call_key) AS key FROM ${table} WHERE ${ofTenant} AND newest_first IN {starts:Array(Int64)} AND toString(call_key) IN {keys:Array(String)}`,
          { keys: of.map(({ key }) => key), starts: of.map(({ start }) => start) },
        );
  const byKey = new Map<string, CallRow>();
  const take = async (settled: readonly PageKey[], open: readonly PageKey[]) => {
    for (const row of (await Promise.all([read("calls", settled), read("calls_open FINAL", open)])).flat()) byKey.set(row.key, row);
  };
  await take(
    keys.filter((key) => key.open === 0),
    keys.filter((key) => key.open === 1),
  );
  // Moved between the two queries: it is in the other table now.
  const moved = keys.filter(({ key }) => !byKey.has(key));
  if (moved.length > 0) await take(moved, moved);
  return keys.flatMap(({ key }) => byKey.get(key) ?? []);
}

/** In the order of the primary key a page is read off the front; where all must be looked at anyway, the short key breaks ties. */
function orderOf(asked: CallQuery): string {
  const descending = asked.order === "desc";
  if (asked.sort === "startedAt") return `newest_first ${descending ? "ASC" : "DESC"}, call_id ${descending ? "ASC" : "DESC"}`;
  return `${sortColumns[asked.sort]} ${descending ? "DESC" : "ASC"} NULLS LAST, newest_first, call_key`;
}

type FoundSegment = { call_id: string; segment_id: string; leg: number; start_ms: number; text: string };

/** Of the calls' segments those with any of the words. */
function foundSegments(
  query: TenantQuery,
  search: WordSearch,
  tenant: TenantId,
  filter: CallFilter,
  ids: readonly string[],
): Promise<FoundSegment[]> {
  // Words of a phrase also stand apart in other segments: read more than are shown, then look for the phrase itself.
  const params: Record<string, unknown> = { ids, perCall: hitsPerCall * 20 };
  const any = search.anyInSegment([...new Set(filter.terms.flat())].slice(0, 60), params);
  return query<FoundSegment>(
    tenant,
    // The newest revision of each segment; no FINAL, which would merge whole granules for these few.
    "SELECT call_id, segment_id, leg, start_ms, text FROM (SELECT call_id, segment_id, leg, start_ms, text FROM segments " +
      `WHERE ${ofTenant} AND call_id IN {ids:Array(String)} ORDER BY call_id, start_ms, segment_id, revision DESC LIMIT 1 BY call_id, segment_id) ` +
      `WHERE ${any} ORDER BY call_id, start_ms LIMIT {perCall:UInt32} BY call_id`,
    params,
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

export async function statistics(
  query: TenantQuery,
  search: WordSearch,
  tenant: TenantId,
  asked: CallQuery,
  timezone: string,
): Promise<CallStatistics> {
  checkTimezone(timezone);
  const filter = callFilter(asked, search);
  // By quarter of an hour, not by day: the projection of `calls` has these sums, and any zone's day is made of them.
  const rows = filter.impossible
    ? []
    : await withSources(query, search, tenant, filter, async (sources, params, openAgain) => {
        const [days, [late]] = await Promise.all([
          query<Day>(
            tenant,
            "SELECT toString(toDate(toDateTime(-900 * quarter, 'UTC'), {timezone:String})) AS day, toFloat64(sum(calls)) AS calls, " +
              "toFloat64(sum(ended)) AS ended, toFloat64(sum(duration)) AS total_duration_ms, toFloat64(sum(felt)) AS sentiment_calls, " +
              "toFloat64(sum(sentiment)) AS sentiment_sum, toFloat64(sum(heard)) AS mos_calls, toFloat64(sum(quality)) AS mos_sum, " +
              `toFloat64(sum(alerted)) AS with_alerts FROM (${sources.map(({ sql }) => `SELECT ${sumsPerQuarter} ${sql} GROUP BY quarter`).join(" UNION ALL ")}) ` +
              `GROUP BY day ORDER BY day${searchSettings(search, filter.terms, false)}`,
            { ...params, timezone },
          ),
          query<{ calls: number }>(tenant, `SELECT toFloat64(count()) AS calls ${openAgain}`),
        ]);
        return { answer: days, again: late?.calls ?? 0 };
      });
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
