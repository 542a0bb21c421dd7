/** What the board can be sorted by. */
import type { BoardCall } from "../live-connection/live-store.ts";

export type BoardSort = "attention" | "duration" | "sentiment";

export function rankOf(call: BoardCall, sort: BoardSort): number {
  if (sort === "attention") return call.attention;
  // The longest call first: the earliest start.
  if (sort === "duration") return -Date.parse(call.startedAt);
  return -(latestCallerSentiment(call) ?? 2);
}

/** The caller's sentiment now: the newest point, else the mean. */
export function latestCallerSentiment(call: BoardCall): number | null {
  const { caller } = call.sentimentCurve;
  return caller[caller.length - 1]?.[1] ?? call.callerSentiment;
}
