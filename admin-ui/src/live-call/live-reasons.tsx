import { duration } from "../format/time.ts";
import { speakerName } from "../format/words.ts";
import type { BoardCall } from "../live-connection/live-store.ts";
import { AlertIcon } from "../marks/alert-icon.tsx";

interface Props {
  call: BoardCall;
  onShow: (segmentId: string | undefined, atSeconds: number) => void;
}

/** Why somebody should look: reasons with their points, and alerts; each leads to the words behind it. */
export function LiveReasons({ call, onShow }: Props) {
  const reasons = [...call.attentionReasons].sort((a, b) => b.points - a.points);
  const alerts = [...call.alerts].sort((a, b) => b.atMs - a.atMs);
  return (
    <aside className="live-reasons" aria-label="Attention and alerts">
      <section>
        <h2>Attention {Math.round(call.attention)} of 100</h2>
        {reasons.length === 0 && <p className="faint small">Nothing asks for you here.</p>}
        <ul>
          {reasons.map((reason) => (
            <li key={reason.code} className="reason">
              <ReasonButton label={reason.label} evidence={reason.evidence[reason.evidence.length - 1]} onShow={onShow} />
              <span className="reason-points" title={`${Math.round(reason.points)} of 100 points`}>
                +{Math.round(reason.points)}
              </span>
              <span className="reason-bar" style={{ width: `${Math.min(100, reason.points * 2)}%` }} aria-hidden="true" />
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h2>Alerts</h2>
        {alerts.length === 0 && <p className="faint small">No phrase rule has been met.</p>}
        <ul>
          {alerts.map((alert) => (
            <li key={alert.alertId}>
              <button
                type="button"
                className="alert-line plain-button"
                onClick={() => onShow(alert.evidence[0]?.segmentId, alert.evidence[0]?.atSeconds ?? alert.atMs / 1000)}
              >
                <AlertIcon severity={alert.severity} />
                <span className="clip">
                  {alert.ruleName}
                  <span className="faint small clip" style={{ display: "block" }}>
                    {alert.kind === "said"
                      ? `“${alert.phrase}”${alert.speaker === null ? "" : `, ${speakerName[alert.speaker].toLowerCase()}`}`
                      : "Not said in time"}
                  </span>
                </span>
                <span className="faint small">{duration(alert.atMs)}</span>
              </button>
            </li>
          ))}
        </ul>
      </section>
    </aside>
  );
}

function ReasonButton({
  label,
  evidence,
  onShow,
}: {
  label: string;
  evidence: { segmentId: string; atSeconds: number } | undefined;
  onShow: Props["onShow"];
}) {
  if (evidence === undefined) return <span>{label}</span>;
  return (
    <button type="button" className="plain-button reason-label" onClick={() => onShow(evidence.segmentId, evidence.atSeconds)}>
      {label} <span className="faint small">{duration(evidence.atSeconds * 1000)}</span>
    </button>
  );
}
