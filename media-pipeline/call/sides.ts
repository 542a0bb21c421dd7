/** Which legs are the agent's side and which the caller's, where signalling knows and where it does not. */
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";

export type LegRole = { readonly index: number; readonly speaker: Speaker };
export type Sides = {
  readonly agent: readonly number[];
  readonly caller: readonly number[];
  /** false = one stream carries everybody (or only one stream is known): sides cannot be told apart. */
  readonly separate: boolean;
};

/** Legs without a known side fill the emptier one, in order: the first is taken for the agent's. */
export function sidesOf(legs: readonly LegRole[]): Sides {
  const ordered = [...legs].sort((a, b) => a.index - b.index);
  const agent = ordered.filter((leg) => leg.speaker === Speaker.AGENT).map((leg) => leg.index);
  const caller = ordered.filter((leg) => leg.speaker === Speaker.CALLER).map((leg) => leg.index);
  for (const leg of ordered) {
    if (leg.speaker === Speaker.AGENT || leg.speaker === Speaker.CALLER) continue;
    if (agent.length <= caller.length) agent.push(leg.index);
    else caller.push(leg.index);
  }
  return { agent, caller, separate: ordered.length > 1 && !ordered.some((leg) => leg.speaker === Speaker.MIXED) };
}
