/** The filters of the list as one condition with bound parameters. */
import type { CallQuery } from "@earshot/proto/api/calls.ts";
import { parseSearch, type SearchTerms } from "./search-words.ts";
import type { WordSearch } from "./word-search.ts";

/** A mean between these is neutral (the usual bounds of VADER's compound score, Hutto and Gilbert 2014). */
export const neutralSentiment = 0.05;

export type CallFilter = {
  /** Follow `WHERE tenant = {tenant:String}`; begin with AND. Of the settled calls nothing is asked that holds for all of them. */
  readonly settled: string;
  /** Without the words, which no column of the open calls has: see open-calls-that-say.ts. */
  readonly open: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly terms: SearchTerms;
  /** The search has no word that could be found, so nothing matches. */
  readonly impossible: boolean;
  /** Settled calls have ended, so none can match. */
  readonly onlyOpen: boolean;
};

export function callFilter(query: CallQuery, search: WordSearch): CallFilter {
  const conditions: string[] = [];
  const ofSettled: string[] = [];
  const ofOpen: string[] = [];
  const params: Record<string, unknown> = {};
  const add = (condition: string, name?: string, value?: unknown) => {
    conditions.push(condition);
    if (name !== undefined) params[name] = value;
  };
  // newest_first is minus the start.
  if (query.to !== undefined) add("newest_first > -{toMs:Int64}", "toMs", Date.parse(query.to));
  if (query.from !== undefined) add("newest_first <= -{fromMs:Int64}", "fromMs", Date.parse(query.from));
  if (query.agent !== undefined) add("agent = {agent:String}", "agent", query.agent);
  if (query.caller !== undefined)
    add(`${/\p{L}/u.test(query.caller) ? "positionCaseInsensitiveUTF8" : "position"}(caller, {caller:String}) > 0`, "caller", query.caller);
  if (query.queue !== undefined) add("queue = {queue:String}", "queue", query.queue);
  if (query.trunkId !== undefined) add("trunk_id = {trunkId:String}", "trunkId", query.trunkId);
  if (query.termination !== undefined) {
    add("termination = {termination:String}", "termination", query.termination);
    ofOpen.push("ended_at != 0");
  }
  if (query.direction !== undefined) add("direction = {direction:String}", "direction", query.direction);
  if (query.minAttention !== undefined) add("attention >= {minAttention:Float64}", "minAttention", query.minAttention);
  if (query.minDurationMs !== undefined) add("duration_ms >= {minDurationMs:Float64}", "minDurationMs", query.minDurationMs);
  if (query.maxDurationMs !== undefined) add("duration_ms <= {maxDurationMs:Float64}", "maxDurationMs", query.maxDurationMs);
  if (query.sentiment === "negative") add(`caller_sentiment <= -${neutralSentiment}`);
  if (query.sentiment === "positive") add(`caller_sentiment >= ${neutralSentiment}`);
  if (query.sentiment === "neutral") add(`abs(caller_sentiment) < ${neutralSentiment}`);
  if (query.hasAlerts !== undefined) add(query.hasAlerts ? "alert_count > 0" : "alert_count = 0");
  if (query.live !== undefined) ofOpen.push(query.live ? "ended_at = 0" : "ended_at != 0");
  const terms = query.q === undefined ? [] : parseSearch(query.q);
  ofSettled.push(...search.said(terms, params));
  const both = (more: readonly string[]) => [...conditions, ...more].map((condition) => ` AND ${condition}`).join("");
  return {
    settled: both(ofSettled),
    open: both(ofOpen),
    params,
    terms,
    impossible: query.q !== undefined && query.q.trim() !== "" && terms.length === 0,
    onlyOpen: query.live === true,
  };
}
