import type { LedgerStage } from "@earshot/proto/api/calls.ts";
import { clockTime, exactTime } from "../format/time.ts";
import { outcomeName, stageNames, stageTitle } from "../format/words.ts";
import { StageShape } from "../marks/small-marks.tsx";

/** Five steps, each with its time; where one is missing, why, and what to do. */
export function Ledger({ stages }: { stages: readonly LedgerStage[] }) {
  return (
    <ol className="ledger">
      {stageNames.map((name) => {
        const stage = stages.find((each) => each.stage === name);
        const outcome = stage?.outcome ?? "pending";
        return (
          <li key={name} className={`ledger-step outcome-${outcome}`}>
            <StageShape outcome={outcome} size={12} />
            <div>
              <div className="spread">
                <b>{stageTitle[name]}</b>
                <span className="small muted">
                  {outcomeName[outcome]}
                  {stage?.finishedAt != null && <time title={exactTime(stage.finishedAt)}> {clockTime(stage.finishedAt)}</time>}
                  {took(stage) !== "" && <span className="faint"> · {took(stage)}</span>}
                </span>
              </div>
              {stage !== undefined && stage.detail !== "" && <p className="small muted">{stage.detail}</p>}
              {stage !== undefined && stage.remedy !== "" && outcome !== "done" && <p className="small ledger-remedy">{stage.remedy}</p>}
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function took(stage: LedgerStage | undefined): string {
  if (stage?.startedAt == null || stage.finishedAt === null) return "";
  const ms = Date.parse(stage.finishedAt) - Date.parse(stage.startedAt);
  if (ms < 1000) return `${Math.max(0, ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
