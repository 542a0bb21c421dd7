import type { ReactNode } from "react";
import { Link } from "react-router-dom";
import { attentionTone, signed } from "../format/sentiment.ts";
import { duration, spokenDuration } from "../format/time.ts";
import { agentOf, plural } from "../format/words.ts";
import { liveStore, useAlerts, useCallIds, useNow } from "../live-connection/live-connection.ts";
import { SentimentMark } from "../marks/sentiment-mark.tsx";
import { latestCallerSentiment } from "./board-rank.ts";

const alertWindowMs = 10 * 60_000;

/** The four numbers above the board; each opens the calls behind it. */
export function BoardSummary() {
  useCallIds();
  const now = useNow();
  const alerts = useAlerts();
  const up = liveStore
    .callIds()
    .flatMap((id) => liveStore.call(id) ?? [])
    .filter((call) => call.ended === null);
  let waiting: (typeof up)[number] | null = null;
  let worst: { call: (typeof up)[number]; score: number } | null = null;
  for (const call of up) {
    if ((call.conversation?.currentSilenceMs ?? 0) > (waiting?.conversation?.currentSilenceMs ?? 0)) waiting = call;
    const score = latestCallerSentiment(call);
    if (score !== null && (worst === null || score < worst.score)) worst = { call, score };
  }
  const waitMs = waiting?.conversation?.currentSilenceMs ?? 0;
  const recent = alerts.filter((alert) => now - Date.parse(alert.raisedAt) < alertWindowMs);
  const needing = up.filter((call) => attentionTone(call.attention) === "negative").length;
  const critical = recent.filter((alert) => alert.severity === "critical").length;
  return (
    <dl className="board-summary">
      <Figure
        label="Calls up"
        to="/calls?live=true"
        value={String(up.length)}
        note={
          up.length === 0
            ? "Waiting for the first"
            : needing === 0
              ? "None needs somebody now"
              : `${plural(needing, "needs", "need")} somebody now`
        }
      />
      <Figure
        label="Longest wait"
        to={waitMs >= 1000 && waiting !== null ? `/live/${waiting.id}` : null}
        value={waitMs >= 1000 ? duration(waitMs) : "–"}
        note={waitMs >= 1000 && waiting !== null ? `Silence with ${agentOf(waiting)}` : "Nobody waits in silence"}
        title={waitMs >= 1000 ? `${spokenDuration(waitMs)} in which neither side spoke, until now` : undefined}
      />
      <Figure
        label="Worst sentiment"
        to={worst === null ? null : `/live/${worst.call.id}`}
        value={worst === null ? "–" : signed(worst.score)}
        mark={worst === null ? undefined : <SentimentMark score={worst.score} />}
        note={worst === null ? "No words yet" : `Caller of ${agentOf(worst.call)}`}
      />
      <Figure
        label="Alerts, last 10 min"
        to={
          recent.length === 0
            ? null
            : `/calls?hasAlerts=true&from=${encodeURIComponent(new Date(Math.floor((now - 3_600_000) / 60_000) * 60_000).toISOString())}`
        }
        value={String(recent.length)}
        note={recent.length === 0 ? "None" : critical === 0 ? "None critical" : `${critical} critical`}
      />
    </dl>
  );
}

interface FigureProps {
  label: string;
  value: string;
  note: string;
  to: string | null;
  mark?: ReactNode;
  title?: string | undefined;
}

function Figure({ label, value, note, to, mark, title }: FigureProps) {
  return (
    <div className="summary-cell">
      <dt>{label}</dt>
      <dd title={title}>
        <b>{value}</b>
        {mark}
        <span className="faint clip" title={note}>
          {note}
        </span>
        {to !== null && <Link to={to} className="summary-link" aria-label={`${label}: ${value}. Show the calls`} />}
      </dd>
    </div>
  );
}
