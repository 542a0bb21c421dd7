import type { CallDetail, LedgerStage } from "@earshot/proto/api/calls.ts";
import { duration } from "../format/time.ts";
import { speakerName, speakerReasonText } from "../format/words.ts";
import { ErrorNote } from "../frame/error-note.tsx";
import { Bar } from "../frame/skeleton.tsx";
import { AlertIcon } from "../marks/alert-icon.tsx";
import { Ledger } from "./ledger.tsx";
import { LineChart } from "./line-chart.tsx";
import { Measures } from "./measures.tsx";

interface Props {
  call: CallDetail;
  ledger: LedgerStage[] | undefined;
  ledgerError: unknown;
  onShow: (atMs: number, segmentId?: string) => void;
}

/** One column to scroll, nothing behind tabs: what matters, measures, alerts, line, ledger. */
export function CallColumn({ call, ledger, ledgerError, onShow }: Props) {
  const reasons = [...call.attentionReasons].sort((a, b) => b.points - a.points);
  return (
    <aside className="call-column" aria-label="About this call">
      <section>
        <h2>What matters</h2>
        {reasons.length === 0 && <p className="faint small">Nothing asked for attention in this call.</p>}
        <ul>
          {reasons.map((reason) => {
            const evidence = reason.evidence[reason.evidence.length - 1];
            return (
              <li key={reason.code} className="reason">
                {evidence === undefined ? (
                  <span>{reason.label}</span>
                ) : (
                  <button
                    type="button"
                    className="plain-button reason-label"
                    onClick={() => onShow(evidence.atSeconds * 1000, evidence.segmentId)}
                  >
                    {reason.label} <span className="faint small">{duration(evidence.atSeconds * 1000)}</span>
                  </button>
                )}
                <span className="reason-points">+{Math.round(reason.points)}</span>
                <span className="reason-bar" style={{ width: `${Math.min(100, reason.points * 2)}%` }} aria-hidden="true" />
              </li>
            );
          })}
        </ul>
      </section>
      <section>
        <h2>Measures</h2>
        <Measures call={call} />
      </section>
      <section>
        <h2>Alerts</h2>
        {call.alerts.length === 0 && <p className="faint small">No phrase rule was met.</p>}
        <ul>
          {call.alerts.map((alert) => (
            <li key={alert.alertId}>
              <button
                type="button"
                className="alert-line plain-button"
                onClick={() =>
                  onShow(alert.evidence[0] === undefined ? alert.atMs : alert.evidence[0].atSeconds * 1000, alert.evidence[0]?.segmentId)
                }
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
      <section>
        <h2>Line quality, every 5 s</h2>
        {call.lineQuality.length === 0 ? (
          <p className="faint small">The call was too short to be measured, or no audio came.</p>
        ) : (
          call.legs.map((leg) => (
            <LineChart
              key={leg.index}
              leg={leg}
              points={call.lineQuality.filter((line) => line.leg === leg.index)}
              durationMs={call.durationMs ?? 0}
              onSeek={onShow}
            />
          ))
        )}
      </section>
      <section>
        <h2>Ledger</h2>
        {ledgerError !== null && ledger === undefined && <ErrorNote title="The ledger could not be loaded." error={ledgerError} />}
        {ledgerError === null && ledger === undefined && <Bar width="100%" height={160} />}
        {ledger !== undefined && <Ledger stages={ledger} />}
      </section>
      <section>
        <h2>From the PBX</h2>
        <dl className="facts">
          {call.legs.map((leg) => (
            <div key={leg.index} className="facts-pair">
              <dt>{speakerName[leg.speaker]}</dt>
              <dd>
                {[leg.agentName || leg.name, leg.address, leg.codec].filter((part) => part !== "").join(", ")}
                <span className="faint small" style={{ display: "block" }}>
                  by {speakerReasonText(leg)}
                </span>
              </dd>
            </div>
          ))}
          <Fact label="Trunk" value={call.trunkName} />
          <Fact label="From" value={[call.source, call.userAgent].filter((part) => part !== "").join(", ")} />
          <Fact label="Ended" value={call.terminationDetail} />
          <Fact label="Call id" value={call.externalCallId || call.sipCallId} code />
          <Fact label="Digits" value={call.dtmfCount === 0 ? "" : `${call.dtmfCount} pressed; never transcribed`} />
        </dl>
      </section>
    </aside>
  );
}

function Fact({ label, value, code = false }: { label: string; value: string; code?: boolean }) {
  if (value === "") return null;
  return (
    <div className="facts-pair">
      <dt>{label}</dt>
      <dd className="fact-value">{code ? <code>{value}</code> : value}</dd>
    </div>
  );
}
