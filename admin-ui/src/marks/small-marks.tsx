import { attentionTone } from "../format/sentiment.ts";
import { outcomeName, percent, stageNames, stageTitle } from "../format/words.ts";
import type { AttentionReason, LedgerStage } from "./types.ts";
import "./marks.css";

/** The attention score: how much a call needs a supervisor, 0..100. */
export function AttentionMark({ score }: { score: number }) {
  return (
    <span className={`attention-mark tone-${attentionTone(score)}`} title={`Attention ${Math.round(score)} of 100`}>
      {Math.round(score)}
    </span>
  );
}

/** The strongest reasons as chips. */
export function ReasonChips({ reasons, limit }: { reasons: readonly AttentionReason[]; limit: number }) {
  const strongest = [...reasons].sort((a, b) => b.points - a.points).slice(0, limit);
  return (
    <>
      {strongest.map((reason) => (
        <span
          key={reason.code}
          className={`chip ${reason.points >= 25 ? "tone-negative" : reason.points >= 12 ? "tone-uneasy" : ""}`}
          title={`${reason.label}: ${Math.round(reason.points)} points`}
        >
          <span>{reason.label}</span>
        </span>
      ))}
    </>
  );
}

/** Who speaks how much: the agent's share of all speech. */
export function TalkBalance({ ratio }: { ratio: number | null }) {
  if (ratio === null) return <span className="faint">–</span>;
  const agent = Math.round(ratio * 100);
  return (
    <span
      className="balance"
      role="img"
      aria-label={`Agent speaks ${percent(ratio)} of all speech`}
      title="Agent's and caller's share of all speech; silence left out"
    >
      <span className="balance-bar">
        <i style={{ width: `${agent}%` }} />
        <i style={{ width: `${100 - agent}%` }} />
      </span>
      <span className="balance-text">
        <span>A {agent}</span>
        <span>{100 - agent} C</span>
      </span>
    </span>
  );
}

const outcomeTone = { pending: "line-strong", running: "accent", done: "positive", failed: "negative", skipped: "uneasy" } as const;

/** Five dots: which stages of the ledger are done; the shape tells failed (cross) and skipped (ring) apart. */
export function StageDots({ stages }: { stages: readonly LedgerStage["outcome"][] }) {
  const said = stageNames
    .map((stage, index) => `${stageTitle[stage]}: ${outcomeName[stages[index] ?? "pending"].toLowerCase()}`)
    .join(", ");
  return (
    <span className="stage-dots" role="img" aria-label={said} title={said}>
      {stages.map((outcome, index) => (
        <StageShape key={stageNames[index]} outcome={outcome} size={9} />
      ))}
    </span>
  );
}

export function StageShape({ outcome, size }: { outcome: LedgerStage["outcome"]; size: number }) {
  const colour = `var(--${outcomeTone[outcome]})`;
  return (
    <svg width={size} height={size} viewBox="0 0 10 10" aria-hidden="true" focusable="false">
      {outcome === "done" && <circle cx="5" cy="5" r="4" fill={colour} />}
      {outcome === "failed" && <path d="M1.5 1.5l7 7m0-7-7 7" stroke={colour} strokeWidth="2.2" strokeLinecap="round" />}
      {outcome === "skipped" && <circle cx="5" cy="5" r="3.4" fill="none" stroke={colour} strokeWidth="1.5" strokeDasharray="2 1.5" />}
      {outcome === "running" && (
        <>
          <circle cx="5" cy="5" r="3.6" fill="none" stroke={colour} strokeWidth="1.5" />
          <circle cx="5" cy="5" r="1.5" fill={colour} />
        </>
      )}
      {outcome === "pending" && <circle cx="5" cy="5" r="3.6" fill="none" stroke={colour} strokeWidth="1.5" />}
    </svg>
  );
}
