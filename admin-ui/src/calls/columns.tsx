import type { CallListItem } from "@earshot/proto/api/calls.ts";
import type { ReactNode } from "react";
import { dayTime, duration, exactTime } from "../format/time.ts";
import { agentOf, callerOf, directionName, percent, terminationName } from "../format/words.ts";
import { LineMark } from "../marks/line-mark.tsx";
import { SentimentMark } from "../marks/sentiment-mark.tsx";
import { AttentionMark, StageDots } from "../marks/small-marks.tsx";

export interface Column {
  id: string;
  label: string;
  /** What the API can sort this column by. */
  sort?: "startedAt" | "durationMs" | "attention" | "callerSentiment" | "agentSentiment" | "mos";
  numeric?: boolean;
  /** Shown unless chosen otherwise. */
  usual: boolean;
  cell(call: CallListItem): ReactNode;
}

export const columns: readonly Column[] = [
  {
    id: "startedAt",
    label: "Started",
    sort: "startedAt",
    usual: true,
    cell: (call) => (
      <time dateTime={call.startedAt} title={exactTime(call.startedAt)} className="nowrap">
        {dayTime(call.startedAt)}
      </time>
    ),
  },
  { id: "agent", label: "Agent", usual: true, cell: (call) => <b className="strong">{agentOf(call)}</b> },
  { id: "caller", label: "Caller", usual: true, cell: (call) => callerOf(call) },
  { id: "queue", label: "Queue", usual: true, cell: (call) => <span className="muted">{call.queue || "–"}</span> },
  { id: "direction", label: "Direction", usual: false, cell: (call) => directionName[call.direction] },
  { id: "trunk", label: "Trunk", usual: false, cell: (call) => call.trunkName },
  {
    id: "durationMs",
    label: "Duration",
    sort: "durationMs",
    numeric: true,
    usual: true,
    cell: (call) => (call.endedAt === null ? <span className="chip accent">Up now</span> : duration(call.durationMs)),
  },
  { id: "attention", label: "Attention", sort: "attention", usual: true, cell: (call) => <AttentionMark score={call.attention} /> },
  {
    id: "callerSentiment",
    label: "Caller sentiment",
    sort: "callerSentiment",
    usual: true,
    cell: (call) => <SentimentMark score={call.callerSentiment} prefix="Caller's sentiment: " />,
  },
  {
    id: "agentSentiment",
    label: "Agent sentiment",
    sort: "agentSentiment",
    usual: false,
    cell: (call) => <SentimentMark score={call.agentSentiment} prefix="Agent's sentiment: " />,
  },
  { id: "talk", label: "Agent talks", numeric: true, usual: true, cell: (call) => percent(call.talkRatio) },
  { id: "mos", label: "Line", sort: "mos", usual: true, cell: (call) => <LineMark mos={call.mos} word={false} /> },
  {
    id: "alerts",
    label: "Alerts",
    numeric: true,
    usual: true,
    cell: (call) => (call.alertCount === 0 ? <span className="faint">0</span> : <b className="strong">{call.alertCount}</b>),
  },
  {
    id: "termination",
    label: "Ended by",
    usual: false,
    cell: (call) => (call.termination === null ? "–" : <span title={call.terminationDetail}>{terminationName[call.termination]}</span>),
  },
  { id: "stages", label: "Ledger", usual: true, cell: (call) => <StageDots stages={call.stages} /> },
];
