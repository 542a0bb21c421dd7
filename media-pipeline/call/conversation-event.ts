/** The metrics of a conversation from what is known of its legs. */
import type { MediaPipelineSettings } from "../settings.ts";
import { measureConversation } from "./conversation.ts";
import type { Sides } from "./sides.ts";
import { SpeechIntervals } from "./speech-intervals.ts";

export type LegSpeech = { readonly bounds: readonly number[]; readonly words: number };

/** @param durationMs of the call so far */
export function conversationOf(
  legs: ReadonlyMap<number, LegSpeech>,
  sides: Sides,
  durationMs: number,
  { silenceThresholdMs, overtalkThresholdMs }: Pick<MediaPipelineSettings, "silenceThresholdMs" | "overtalkThresholdMs">,
): ReturnType<typeof measureConversation> {
  const agent = joined(legs, sides.agent);
  const caller = joined(legs, sides.caller);
  const value = measureConversation({
    agent: agent.bounds,
    caller: caller.bounds,
    separate: sides.separate,
    durationMs,
    silenceThresholdMs,
    overtalkThresholdMs,
    agentWords: agent.words,
    callerWords: caller.words,
  });
  for (const name of wholeNumbers) value[name] = Math.round(value[name]);
  return value;
}

function joined(legs: ReadonlyMap<number, LegSpeech>, indices: readonly number[]): LegSpeech {
  const found = indices.map((index) => legs.get(index)).filter((leg) => leg !== undefined);
  const words = found.reduce((sum, leg) => sum + leg.words, 0);
  if (found.length === 1) return { bounds: found[0]!.bounds, words };
  const all = new SpeechIntervals();
  for (const { bounds } of found) for (let i = 0; i < bounds.length; i += 2) all.add(bounds[i]!, bounds[i + 1]!);
  return { bounds: all.bounds, words };
}

/** Fields that travel as whole numbers. */
const wholeNumbers = [
  "durationMs",
  "agentSpeechMs",
  "callerSpeechMs",
  "silenceMs",
  "longestSilenceMs",
  "overtalkMs",
  "longestAgentMonologueMs",
  "longestCallerMonologueMs",
  "responseLatencyMs",
  "currentSilenceMs",
] as const;
