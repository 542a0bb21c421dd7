import type { Alert, CallDetail } from "@earshot/proto/api/calls.ts";
import { duration } from "../format/time.ts";
import { speakerName } from "../format/words.ts";
import { AlertIcon } from "./alert-icon.tsx";
import "./marks.css";

/** Leads to a moment of the call, and to the words there when they are known. */
type Show = (atMs: number, segmentId?: string) => void;

/** Why a call asks for attention, the heaviest reason first; each leads to the newest words behind it. */
export function ReasonList({ reasons, none, onShow }: { reasons: CallDetail["attentionReasons"]; none: string; onShow: Show }) {
  if (reasons.length === 0) return <p className="faint small">{none}</p>;
  return (
    <ul>
      {reasons
        .toSorted((a, b) => b.points - a.points)
        .map((reason) => {
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
              <span className="reason-points" title={`${Math.round(reason.points)} of 100 points`}>
                +{Math.round(reason.points)}
              </span>
              <span className="reason-bar" style={{ width: `${Math.min(100, reason.points * 2)}%` }} aria-hidden="true" />
            </li>
          );
        })}
    </ul>
  );
}

/** The alerts in the order given. What was not said has no words behind it: it leads to the moment it was due. */
export function AlertList({ alerts, none, onShow }: { alerts: readonly Alert[]; none: string; onShow: Show }) {
  if (alerts.length === 0) return <p className="faint small">{none}</p>;
  return (
    <ul>
      {alerts.map((alert) => {
        const evidence = alert.evidence[0];
        return (
          <li key={alert.alertId}>
            <button
              type="button"
              className="alert-line plain-button"
              onClick={() => onShow(evidence === undefined ? alert.atMs : evidence.atSeconds * 1000, evidence?.segmentId)}
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
        );
      })}
    </ul>
  );
}
