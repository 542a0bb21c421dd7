import { type KeyboardEvent, type ReactNode, useState } from "react";
import { signed, toneOf } from "../format/sentiment.ts";
import { dayName, duration, spokenDuration, timeZone } from "../format/time.ts";
import { percent, plural } from "../format/words.ts";
import { ErrorNote } from "../frame/error-note.tsx";
import { Bar } from "../frame/skeleton.tsx";
import { SentimentMark } from "../marks/sentiment-mark.tsx";
import { dayBounds } from "./day-bounds.ts";
import type { CallStatistics } from "./types.ts";

interface Props {
  statistics: CallStatistics | undefined;
  error: unknown;
  set: (changes: Record<string, string | null>) => void;
}

/** The numbers of all calls behind the filters, with their denominators, and calls per day; each opens the calls behind it. */
export function CallStatisticsStrip({ statistics, error, set }: Props) {
  if (error !== null && statistics === undefined)
    return <ErrorNote title="The numbers above the list could not be computed." error={error} loss="The list below is not concerned." />;
  if (statistics === undefined) {
    return (
      <div className="call-statistics" aria-hidden="true">
        {["calls", "duration", "sentiment", "line", "alerts"].map((name) => (
          <div key={name} className="summary-cell">
            <Bar width={72} />
            <Bar width={56} height={24} />
          </div>
        ))}
        <Bar width="100%" height={56} />
      </div>
    );
  }
  return (
    <div className="call-statistics">
      <Figure
        label="Calls"
        value={statistics.calls.toLocaleString("en-GB")}
        note={statistics.calls === 0 ? "none" : `${spokenDuration(statistics.totalDurationMs)} in all`}
        onClick={() => set({ sort: "startedAt", order: null })}
      />
      <Figure
        label="Mean duration"
        value={duration(statistics.meanDurationMs)}
        note="of ended calls"
        onClick={() => set({ sort: "durationMs", order: null })}
      />
      <Figure
        label="Callers' sentiment"
        value={signed(statistics.meanCallerSentiment)}
        note={statistics.meanCallerSentiment === null ? "no words" : <SentimentMark score={statistics.meanCallerSentiment} />}
        onClick={() => set({ sort: "callerSentiment", order: "asc" })}
      />
      <Figure
        label="Mean MOS"
        value={statistics.meanMos?.toFixed(2) ?? "–"}
        note="4.41 is best"
        title="Mean over the calls of the mean opinion score of each call's worst leg; G.711 reaches 4.41 at best"
        onClick={() => set({ sort: "mos", order: "asc" })}
      />
      <Figure
        label="With alerts"
        value={statistics.withAlerts.toLocaleString("en-GB")}
        note={statistics.calls === 0 ? "none" : `${percent(statistics.withAlerts / statistics.calls)} of calls`}
        onClick={() => set({ hasAlerts: "true" })}
      />
      <DayChart days={statistics.perDay} onDay={(day) => set(dayBounds(day, timeZone()))} />
    </div>
  );
}

interface FigureProps {
  label: string;
  value: string;
  note: ReactNode;
  title?: string;
  onClick: () => void;
}

function Figure({ label, value, note, title, onClick }: FigureProps) {
  return (
    <button type="button" className="plain-button stat-cell" onClick={onClick} title={title}>
      <span className="stat-label">{label}</span>
      <b>{value}</b>
      <span className="faint small clip">{note}</span>
    </button>
  );
}

const daysShown = 31;

function DayChart({ days, onDay }: { days: CallStatistics["perDay"]; onDay: (day: string) => void }) {
  const shown = days.slice(-daysShown);
  const most = Math.max(1, ...shown.map((day) => day.calls));
  const first = shown[0];
  const last = shown[shown.length - 1];
  const [at, setAt] = useState(Number.POSITIVE_INFINITY);
  // The last day's name stands under the last day, few as they may be.
  const width = { maxWidth: Math.max(shown.length * 26, 96) };
  const tabStop = Math.min(at, shown.length - 1);
  // One stop for the Tab key, not thirty: arrows move along the days.
  const onKey = (event: KeyboardEvent<HTMLDivElement>) => {
    const steps: Record<string, number> = { ArrowRight: tabStop + 1, ArrowLeft: tabStop - 1, Home: 0, End: shown.length - 1 };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(shown.length - 1, to));
    setAt(index);
    (event.currentTarget.children[index] as HTMLElement | undefined)?.focus();
  };
  return (
    <figure className="day-chart">
      <figcaption className="row">
        <span className="stat-label">Calls per day</span>
        <span className="faint small">{shown.length === 0 ? "none" : `at most ${most.toLocaleString("en-GB")}`}</span>
      </figcaption>
      <div
        className="day-bars"
        hidden={shown.length === 0}
        style={width}
        role="toolbar"
        aria-label="Calls per day; arrow keys move, Enter shows a day"
        onKeyDown={onKey}
      >
        {shown.map((day, index) => (
          <button
            key={day.day}
            type="button"
            className="day-bar"
            tabIndex={index === tabStop ? 0 : -1}
            onFocus={() => setAt(index)}
            onClick={() => onDay(day.day)}
            aria-label={`${dayName(day.day)}: ${plural(day.calls, "call")}. Show them`}
            title={`${dayName(day.day)}: ${plural(day.calls, "call")}${day.meanCallerSentiment === null ? "" : `, callers' sentiment ${signed(day.meanCallerSentiment)}`}`}
          >
            <i
              className={`bar-${toneOf(day.meanCallerSentiment)}`}
              style={{ height: `${Math.max(day.calls === 0 ? 0 : 6, (day.calls / most) * 100)}%` }}
            />
          </button>
        ))}
      </div>
      <div className="spread faint small" style={width} aria-hidden="true">
        <span>{first === undefined ? "" : dayName(first.day)}</span>
        <span>{last === undefined || last === first ? "" : dayName(last.day)}</span>
      </div>
    </figure>
  );
}
