import SwapHoriz from "@mui/icons-material/SwapHorizOutlined";
import Button from "@mui/material/Button";
import { clockTime, duration, exactTime, zoneName } from "../format/time.ts";
import { directionName, percent, speakerName, speakerReasonText } from "../format/words.ts";
import type { BoardCall } from "../live-connection/live-store.ts";
import { LineMark } from "../marks/line-mark.tsx";
import { SentimentLanes } from "../marks/sentiment-lanes.tsx";
import { SentimentMark } from "../marks/sentiment-mark.tsx";
import { TalkBalance } from "../marks/small-marks.tsx";
import { verdictOf } from "./angry-or-bad-line.ts";
import { useSwapSpeakers } from "./swap-speakers.ts";

/** Who, where from, since when; sentiment, talk balance, silence, and the line of each leg. */
export function LiveFacts({ call }: { call: BoardCall }) {
  const swap = useSwapSpeakers(call);
  const talk = call.conversation;
  const caller = call.sentimentCurve.caller;
  const agent = call.sentimentCurve.agent;
  return (
    <aside className="live-facts" aria-label="The call">
      <section>
        <h2>Who</h2>
        <ul className="legs">
          {call.legs
            .filter((leg) => leg.state !== "removed")
            .map((leg) => (
              <li key={leg.index}>
                <div className="spread">
                  <b className="clip">{leg.agentName || leg.name || leg.address || leg.label}</b>
                  <span className="faint small">
                    {speakerName[leg.speaker]}
                    {leg.state === "paused" && ", paused"}
                  </span>
                </div>
                {leg.address !== "" && (
                  <div className="faint small clip" title={leg.address}>
                    {leg.address}
                  </div>
                )}
                <div className="faint small">by {speakerReasonText(leg)}</div>
              </li>
            ))}
        </ul>
        {swap.possible && (
          <Button variant="text" startIcon={<SwapHoriz />} disabled={swap.busy} onClick={swap.swap} sx={{ ml: -1.5, justifySelf: "start" }}>
            Swap agent and caller
          </Button>
        )}
        <dl className="facts">
          <dt>From</dt>
          <dd className="break">{[call.trunkName, call.source].filter((part) => part !== "").join(", ")}</dd>
          <dt>Direction</dt>
          <dd>{directionName[call.direction]}</dd>
          <dt>Since</dt>
          <dd title={exactTime(call.startedAt)}>
            {clockTime(call.startedAt)} {zoneName()}
          </dd>
        </dl>
      </section>
      <section>
        <h2>Sentiment</h2>
        <SentimentLanes agent={agent} caller={caller} width={248} height={96} named />
        <div className="sides small">
          <span className="muted">Agent</span> <SentimentMark score={agent[agent.length - 1]?.[1] ?? null} />
          <span className="muted">Caller</span> <SentimentMark score={caller[caller.length - 1]?.[1] ?? null} />
        </div>
      </section>
      <section>
        <h2>Angry, or a bad line?</h2>
        <Verdict call={call} />
        <table className="mini-table">
          <thead>
            <tr>
              <th scope="col">Leg</th>
              <th scope="col">MOS</th>
              <th scope="col" className="num">
                Lost
              </th>
              <th scope="col" className="num">
                Jitter
              </th>
            </tr>
          </thead>
          <tbody>
            {call.lineQuality.map((line) => (
              <tr key={line.leg}>
                <td>{speakerName[call.legs.find((leg) => leg.index === line.leg)?.speaker ?? "mixed"]}</td>
                <td>
                  <LineMark mos={line.mos} silent={line.silent} word={false} />
                </td>
                <td className="num" title={`${line.packetsLost} of ${line.packetsExpected} packets`}>
                  {line.lossPercent.toFixed(1)} %
                </td>
                <td className="num">{Math.round(line.jitterMs)} ms</td>
              </tr>
            ))}
            {call.lineQuality.length === 0 && (
              <tr>
                <td colSpan={4} className="faint">
                  The first measure comes after 5 s of audio
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </section>
      <section>
        <h2>Talk</h2>
        <div className="talk-wide">
          <TalkBalance ratio={talk?.talkRatio ?? call.talkRatio} />
        </div>
        <dl className="facts">
          <dt>Silence</dt>
          <dd>
            {talk === null
              ? "–"
              : `${duration(talk.silenceMs)} (${percent(talk.durationMs > 0 ? talk.silenceMs / talk.durationMs : null)})`}
          </dd>
          <dt>Silent now</dt>
          <dd>{talk === null || talk.currentSilenceMs < 1000 ? "No" : duration(talk.currentSilenceMs)}</dd>
          <dt>Interruptions</dt>
          <dd>{talk === null ? "–" : `agent ${talk.agentInterruptions}, caller ${talk.callerInterruptions}`}</dd>
        </dl>
        {talk !== null && (
          <p className="faint small">Silence: neither side speaks for {(talk.silenceThresholdMs / 1000).toFixed(0)} s or more.</p>
        )}
      </section>
    </aside>
  );
}

/** Both answers in one glance: the mood and the line, and which of them explains the other. */
function Verdict({ call }: { call: BoardCall }) {
  const verdict = verdictOf(call);
  return (
    <p className={`verdict tone-${verdict.tone}`}>
      <b>{verdict.title}</b>
      <span className="muted">{verdict.why}</span>
    </p>
  );
}
