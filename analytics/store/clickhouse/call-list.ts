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
  const { cards, hits, total } = await withSides(query, search, tenant, filter, async (sides, openAgain) => {
    const count = async () => {
      const counted = await ofBothSides(sides, ({ sql, params }, open) =>
        query<{ calls: number; again: number }>(
          tenant,
          // That a settled call is open again is asked with them, once.
          `SELECT toFloat64(count()) AS calls, ${open ? "0" : `(SELECT toFloat64(count()) ${openAgain})`} AS again ${sql}` +
            searchSettings(search, filter.terms, false),
          params,
        ),
      );
      return { total: counted.reduce((sum, { calls }) => sum + calls, 0), again: counted.reduce((sum, { again }) => sum + again, 0) };
    };
    const pageWithHits = async () => {
      const rows = await pageOfCalls(query, search, tenant, asked, filter, sides);
      // A call that was moved between the tables while they were read counts once.
      const cards = [...new Map(rows.map(parseCard).map((card) => [card.id, card])).values()];
      const ids = cards.map(({ id }) => id);
      return { cards, hits: filter.terms.length === 0 || ids.length === 0 ? [] : await foundSegments(query, search, tenant, filter, ids) };
    };
    const [found, { total, again }] = await Promise.all([pageWithHits(), count()]);
    return { answer: { ...found, total }, again };
  });
  const data: CallListItem[] = cards.map((card) => summaryOf(card, nowMs));
  if (filter.terms.length > 0) addHits(hits, filter, cards, data);
  return { data, total };
}

/** The rows of a page, in order. */
async function pageOfCalls(
  query: TenantQuery,
  search: WordSearch,
  tenant: TenantId,
  asked: CallQuery,
  filter: CallFilter,
  sides: Sides,
): Promise<CallRow[]> {
  // The first page of both together is in the first page of each: neither waits for the other.
  if (asked.page === 1 && asked.perPage <= cardsAtOnce) {
    const columns = `${callRowColumns}, ${orderColumns(asked)}`;
    const rows = await ofBothSides(sides, (side) =>
      query<CallRow & OrderKey>(
        tenant,
        `SELECT ${columns} ${side.sql} ORDER BY ${orderOf(asked)} LIMIT ${asked.perPage}${pageSettings(asked, filter, search)}`,
        side.params,
      ),
    );
    return rows.sort(comparedAs(asked)).slice(0, asked.perPage);
  }
  const open = await sides.open;
  const sources = [
    ...(sides.settled === undefined ? [] : [{ ...sides.settled, open: 0 }]),
    ...(open === undefined ? [] : [{ ...open, open: 1 }]),
  ];
  if (sources.length === 0) return [];
  const params = Object.assign({}, ...sources.map((source) => source.params)) as Params;
  if (asked.page * asked.perPage <= cardsAtOnce)
    return query<CallRow>(tenant, pageOf(asked, filter, search, sources, callRowColumns, callRowColumns), params);
  return cardsOf(
    query,
    tenant,
    await query<PageKey>(tenant, pageOf(asked, filter, search, sources, pageKeyColumns, "key, start, open"), params),
  );
}

/** The page's rows, in order, over all sources. @param columns of a source @param shown the same by the names they have then */
function pageOf(
  asked: CallQuery,
  filter: CallFilter,
  search: WordSearch,
  sources: readonly { readonly open: number; readonly sql: string }[],
  columns: string,
  shown: string,
): string {
  const order = orderOf(asked);
  const keys = asked.sort === "startedAt" ? "newest_first, call_id" : `newest_first, call_key, ${sortColumns[asked.sort]}`;
  const offset = (asked.page - 1) * asked.perPage;
  const parts = sources.map(
    ({ open, sql }) => `(SELECT ${columns}, ${keys}, ${open} AS open ${sql} ORDER BY ${order} LIMIT ${offset + asked.perPage})`,
  );
  const settings = pageSettings(asked, filter, search);
  return `SELECT ${shown} FROM (${parts.join(" UNION ALL ")}) ORDER BY ${order} LIMIT ${asked.perPage} OFFSET ${offset}${settings}`;
}

function pageSettings(asked: CallQuery, filter: CallFilter, search: WordSearch): string {
  return searchSettings(search, filter.terms, asked.sort === "startedAt" || filter.terms.length > 0);
}

/** `key` is the call's UInt64 hash, eight bytes to read and sort by where the id has forty; as text, since a number would lose digits. */
type PageKey = { key: string; start: number; open: number };
const pageKeyColumns = "toString(call_key) AS key, toFloat64(newest_first) AS start";
type Params = Readonly<Record<string, unknown>>;
/** FROM and WHERE over the settled or over the open calls, with its parameters. */
type Side = { readonly sql: string; readonly params: Params };
/** Together every call once. undefined: none of its calls can match; the open side is known when their words have been looked through. */
type Sides = { readonly settled: Side | undefined; readonly open: Promise<Side | undefined> };

/** Each side as soon as it is known. @returns what was read of both, the settled first */
async function ofBothSides<T>(sides: Sides, read: (side: Side, open: boolean) => Promise<T[]>): Promise<T[]> {
  const rows = await Promise.all([
    sides.settled === undefined ? [] : read(sides.settled, false),
    sides.open.then((open) => (open === undefined ? [] : read(open, true))),
  ]);
  return rows.flat();
}

/**
 * Only while a settled call is open again (changed late, or being moved this moment) must the settled side leave it out. That is asked
 * together with the query itself, which is done again in that rare case: otherwise it costs nothing. A call that is moved after the settled
 * side was read and before the open one was would be in neither: moving takes four statements, two of them deletions.
 * @param read is given the sides, and FROM and WHERE of the calls that are open again, whose number it returns beside its answer
 */
async function withSides<T>(
  query: TenantQuery,
  search: WordSearch,
  tenant: TenantId,
  filter: CallFilter,
  read: (sides: Sides, openAgain: string) => Promise<{ answer: T; again: number }>,
): Promise<T> {
  const settled = `FROM calls WHERE ${ofTenant}${filter.settled}`;
  const openAgain = `FROM calls_open WHERE ${ofTenant} AND in_settled = 1`;
  const ask = (settledSql: string) => {
    const open = openCallsThatSay(query, search, tenant, filter).then((said) =>
      said.none
        ? undefined
        : {
            // A call whose start is not known yet stands at 0 and is in no list; among the settled there is none, so there it is not asked.
            sql: `FROM calls_open FINAL WHERE ${ofTenant} AND newest_first < 0${filter.open}${said.condition}`,
            params: { ...filter.params, ...said.params },
          },
    );
    // A call that is up is open, always.
    return read({ settled: filter.onlyOpen ? undefined : { sql: settledSql, params: filter.params }, open }, openAgain);
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

type OrderKey = { sorted: number | null; start: number; tie: string };

function orderColumns({ sort }: CallQuery): string {
  const sorted = sort === "startedAt" ? "newest_first" : sortColumns[sort];
  return `toFloat64(${sorted}) AS sorted, toFloat64(newest_first) AS start, ${sort === "startedAt" ? "call_id" : "toString(call_key)"} AS tie`;
}

/** The same order as `orderOf`. */
function comparedAs({ sort, order }: CallQuery): (a: OrderKey, b: OrderKey) => number {
  const byStart = sort === "startedAt";
  const sign = (order === "desc") === byStart ? 1 : -1;
  return (a, b) => {
    if (a.sorted === null || b.sorted === null) {
      if (a.sorted !== b.sorted) return a.sorted === null ? 1 : -1;
    } else if (a.sorted !== b.sorted) return sign * (a.sorted - b.sorted);
    if (byStart) return sign * Buffer.compare(Buffer.from(a.tie), Buffer.from(b.tie));
    if (a.start !== b.start) return a.start - b.start;
    const [one, two] = [BigInt(a.tie), BigInt(b.tie)];
    return one < two ? -1 : one > two ? 1 : 0;
  };
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
    : await withSides(query, search, tenant, filter, async (sides, openAgain) => {
        const [days, [late]] = await Promise.all([
          ofBothSides(sides, ({ sql, params }) =>
            query<Day>(
              tenant,
              "SELECT toString(toDate(toDateTime(-900 * quarter, 'UTC'), {timezone:String})) AS day, toFloat64(sum(calls)) AS calls, " +
                "toFloat64(sum(ended)) AS ended, toFloat64(sum(duration)) AS total_duration_ms, toFloat64(sum(felt)) AS sentiment_calls, " +
                "toFloat64(sum(sentiment)) AS sentiment_sum, toFloat64(sum(heard)) AS mos_calls, toFloat64(sum(quality)) AS mos_sum, " +
                `toFloat64(sum(alerted)) AS with_alerts FROM (SELECT ${sumsPerQuarter} ${sql} GROUP BY quarter) ` +
                `GROUP BY day${searchSettings(search, filter.terms, false)}`,
              { ...params, timezone },
            ),
          ),
          query<{ calls: number }>(tenant, `SELECT toFloat64(count()) AS calls ${openAgain}`),
        ]);
        return { answer: days, again: late?.calls ?? 0 };
      });
  const sum = (pick: (row: Day) => number, of: readonly Day[] = rows) => of.reduce((total, row) => total + pick(row), 0);
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
    perDay: [...Map.groupBy(rows, (row) => row.day)]
      .map(([day, ofDay]) => ({
        day,
        calls: sum((row) => row.calls, ofDay),
        meanCallerSentiment: mean(
          sum((row) => row.sentiment_sum, ofDay),
          sum((row) => row.sentiment_calls, ofDay),
        ),
      }))
      .sort((a, b) => (a.day < b.day ? -1 : 1)),
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
