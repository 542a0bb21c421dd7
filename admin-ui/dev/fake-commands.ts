/** What a supervisor's commands do to a call of the fake API, as the product does it. */
import type { CallDetail, Segment, Speaker } from "@earshot/proto/api/calls.ts";
import type { LiveCall } from "@earshot/proto/api/live.ts";

const other: Record<Speaker, Speaker> = { agent: "caller", caller: "agent", mixed: "mixed" };

export const flipSegment = (segment: Segment): Segment => ({ ...segment, speaker: other[segment.speaker] });

/** Agent and caller change places in a call of two legs: names, words, sentiment and measures move with them. */
export function flipCall(call: CallDetail & LiveCall): void {
  for (const leg of call.legs) {
    leg.speaker = other[leg.speaker];
    leg.speakerReason = "corrected";
    leg.agentName = leg.speaker === "agent" ? leg.name : "";
  }
  const talk = call.conversation;
  Object.assign(call, {
    agent: call.caller,
    caller: call.agent,
    agentSentiment: call.callerSentiment,
    callerSentiment: call.agentSentiment,
    talkRatio: call.talkRatio === null ? null : 1 - call.talkRatio,
    conversation: talk && flipMeasures(talk),
    sentimentCurve: { agent: call.sentimentCurve.caller, caller: call.sentimentCurve.agent },
    lastWords: call.lastWords && { ...call.lastWords, speaker: other[call.lastWords.speaker] },
    alerts: call.alerts.map((alert) => ({ ...alert, speaker: alert.speaker && other[alert.speaker] })),
  });
}

function flipMeasures(talk: NonNullable<LiveCall["conversation"]>): NonNullable<LiveCall["conversation"]> {
  return {
    ...talk,
    talkRatio: talk.talkRatio === null ? null : 1 - talk.talkRatio,
    agentSpeechMs: talk.callerSpeechMs,
    callerSpeechMs: talk.agentSpeechMs,
    agentInterruptions: talk.callerInterruptions,
    callerInterruptions: talk.agentInterruptions,
    agentTurns: talk.callerTurns,
    callerTurns: talk.agentTurns,
    longestAgentMonologueMs: talk.longestCallerMonologueMs,
    longestCallerMonologueMs: talk.longestAgentMonologueMs,
    agentWordsPerMinute: talk.callerWordsPerMinute,
    callerWordsPerMinute: talk.agentWordsPerMinute,
  };
}

/** While the recording is paused nobody's words are taken down, and who was speaking is cut off. Times are ms into the call. */
export function withoutUnheard(segments: readonly Segment[], pausedMs: number, nowMs: number): Segment[] {
  return segments.flatMap((segment) => {
    if (segment.endMs <= pausedMs || segment.startMs > nowMs) return [segment];
    const words = segment.words.filter((word) => word.endMs <= pausedMs);
    const last = words[words.length - 1];
    return last === undefined ? [] : [{ ...segment, words, endMs: last.endMs, text: words.map((word) => word.text).join(" ") }];
  });
}
