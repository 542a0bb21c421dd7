/** The list of calls as the fake API answers it: filters, words searched, numbers of all calls, and what there is to choose from. */
import type { CallDetail } from "@earshot/proto/api/calls.ts";
import { billing, scripted, scripts } from "./fake-calls.ts";

function filtered(calls: readonly CallDetail[], query: URLSearchParams): CallDetail[] {
  const has = (name: string, value: string) => {
    const wanted = query.get(name);
    return wanted === null || value.toLowerCase().includes(wanted.toLowerCase());
  };
  const tone = query.get("sentiment");
  const q = query.get("q")?.toLowerCase() ?? "";
  return calls
    .filter(
      (call) =>
        has("agent", call.agent) &&
        has("caller", call.caller) &&
        has("queue", call.queue) &&
        has("trunkId", call.trunkId) &&
        has("direction", call.direction) &&
        has("termination", call.termination ?? "") &&
        (query.get("from") === null || call.startedAt >= (query.get("from") ?? "")) &&
        (query.get("to") === null || call.startedAt < (query.get("to") ?? "")) &&
        (query.get("minAttention") === null || call.attention >= Number(query.get("minAttention"))) &&
        (query.get("minDurationMs") === null || (call.durationMs ?? 0) >= Number(query.get("minDurationMs"))) &&
        (query.get("maxDurationMs") === null || (call.durationMs ?? 0) <= Number(query.get("maxDurationMs"))) &&
        (query.get("hasAlerts") !== "true" || call.alertCount > 0) &&
        (query.get("live") !== "true" || call.endedAt === null) &&
        (tone === null ||
          (tone === "negative"
            ? (call.callerSentiment ?? 0) < -0.2
            : tone === "positive"
              ? (call.callerSentiment ?? 0) >= 0.2
              : Math.abs(call.callerSentiment ?? 0) < 0.2)),
    )
    .map((call) => {
      if (q === "") return call;
      const script =
        scripts.find(
          (each) =>
            scripted(call.id, each).segments.length === (call.conversation?.agentTurns ?? 0) + (call.conversation?.callerTurns ?? 0),
        ) ?? billing;
      const hits = scripted(call.id, script)
        .segments.filter((segment) => segment.text.toLowerCase().includes(q))
        .map((segment) => ({
          segmentId: segment.segmentId,
          speaker: segment.speaker,
          startMs: segment.startMs,
          text: segment.text,
          matches: [[segment.text.toLowerCase().indexOf(q), segment.text.toLowerCase().indexOf(q) + q.length] as [number, number]],
        }));
      return { ...call, hits };
    })
    .filter((call) => q === "" || ("hits" in call && call.hits.length > 0));
}

/** GET /calls, /calls/statistics and /calls/facets, by what stands after /calls; undefined when that is the id of a call. */
export function listAnswer(calls: readonly CallDetail[], name: string | undefined, query: URLSearchParams): unknown {
  if (name === "statistics") {
    const found = filtered(calls, query);
    const perDay = new Map<string, CallDetail[]>();
    for (const call of found) perDay.set(call.startedAt.slice(0, 10), [...(perDay.get(call.startedAt.slice(0, 10)) ?? []), call]);
    const mean = (values: (number | null)[]) => {
      const known = values.filter((value) => value !== null);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
    };
    return {
      calls: found.length,
      totalDurationMs: found.reduce((sum, call) => sum + (call.durationMs ?? 0), 0),
      meanDurationMs: mean(found.map((call) => call.durationMs)),
      meanCallerSentiment: mean(found.map((call) => call.callerSentiment)),
      meanMos: mean(found.map((call) => call.mos)),
      withAlerts: found.filter((call) => call.alertCount > 0).length,
      perDay: [...perDay]
        .map(([day, calls]) => ({ day, calls: calls.length, meanCallerSentiment: mean(calls.map((call) => call.callerSentiment)) }))
        .sort((a, b) => a.day.localeCompare(b.day)),
    };
  }
  if (name === "facets")
    return {
      agents: [...new Set(calls.map((call) => call.agent))],
      queues: [...new Set(calls.map((call) => call.queue))],
      terminations: ["bye", "media_timeout"],
    };
  if (name === undefined) {
    const found = filtered(calls, query);
    const sort = (query.get("sort") ?? "startedAt") as keyof CallDetail;
    const sign = query.get("order") === "asc" ? 1 : -1;
    found.sort((a, b) => sign * ((a[sort] ?? -9) < (b[sort] ?? -9) ? -1 : 1));
    const perPage = Number(query.get("perPage") ?? 25);
    const first = (Number(query.get("page") ?? 1) - 1) * perPage;
    return { data: found.slice(first, first + perPage), total: found.length };
  }
  return undefined;
}
