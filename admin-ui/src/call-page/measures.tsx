import type { CallDetail } from "@earshot/proto/api/calls.ts";
import { duration } from "../format/time.ts";
import { percent } from "../format/words.ts";
import { SentimentMark } from "../marks/sentiment-mark.tsx";
import { TalkBalance } from "../marks/small-marks.tsx";

/** Every number with its threshold or denominator beside it. */
export function Measures({ call }: { call: CallDetail }) {
  const talk = call.conversation;
  if (talk === null) return <p className="faint small">Measured from both legs when the call has ended.</p>;
  const seconds = (ms: number) => `${ms / 1000} s`;
  const share = (ms: number) => percent(talk.durationMs > 0 ? ms / talk.durationMs : null);
  const rows: [string, string, string][] = [
    [
      "Silence",
      `${duration(talk.silenceMs)} (${share(talk.silenceMs)})`,
      `${talk.silenceCount} × neither speaks for ${seconds(talk.silenceThresholdMs)}; longest ${duration(talk.longestSilenceMs)}; of ${duration(talk.durationMs)}`,
    ],
    ["Overtalk", duration(talk.overtalkMs), `${talk.overtalkCount} × both speak for over ${seconds(talk.overtalkThresholdMs)}`],
    [
      "Interruptions",
      `agent ${talk.agentInterruptions}, caller ${talk.callerInterruptions}`,
      `of ${talk.agentTurns} and ${talk.callerTurns} turns`,
    ],
    [
      "Longest monologue",
      `agent ${duration(talk.longestAgentMonologueMs)}, caller ${duration(talk.longestCallerMonologueMs)}`,
      "one side without a word of the other",
    ],
    [
      "Answers after",
      talk.responseLatencyMs === null ? "–" : `${(talk.responseLatencyMs / 1000).toFixed(1)} s`,
      "from the caller's end to the agent's start, mean",
    ],
    [
      "Words per minute",
      `agent ${talk.agentWordsPerMinute === null ? "–" : Math.round(talk.agentWordsPerMinute)}, caller ${talk.callerWordsPerMinute === null ? "–" : Math.round(talk.callerWordsPerMinute)}`,
      "of each side's own speech",
    ],
  ];
  return (
    <dl className="measures">
      <div>
        <dt>Sentiment</dt>
        <dd className="sides">
          <span className="muted">Agent</span> <SentimentMark score={call.agentSentiment} />
          <span className="muted">Caller</span> <SentimentMark score={call.callerSentiment} />
        </dd>
        <dd className="measure-note">mean of each side's utterances</dd>
      </div>
      <div>
        <dt>Talk balance</dt>
        <dd className="talk-wide">
          <TalkBalance ratio={talk.talkRatio} />
        </dd>
        <dd className="measure-note">
          agent {duration(talk.agentSpeechMs)} of {duration(talk.agentSpeechMs + talk.callerSpeechMs)} of speech; silence left out
        </dd>
      </div>
      {rows.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd className="measure-note">{note}</dd>
        </div>
      ))}
    </dl>
  );
}
