import type { CallDetail, LedgerStage, LineQuality } from "@earshot/proto/api/calls.ts";
import { memo, useMemo } from "react";
import { speakerName, speakerReasonText } from "../format/words.ts";
import { ErrorNote } from "../frame/error-note.tsx";
import { Bar } from "../frame/skeleton.tsx";
import { AlertList, ReasonList } from "../marks/reasons-and-alerts.tsx";
import { Ledger } from "./ledger.tsx";
import { LineChart } from "./line-chart.tsx";
import { Measures } from "./measures.tsx";

interface Props {
  call: CallDetail;
  ledger: LedgerStage[] | undefined;
  ledgerError: unknown;
  onShow: (atMs: number, segmentId?: string) => void;
}

const noLines: LineQuality[] = [];

/** One column to scroll, nothing behind tabs: what matters, measures, alerts, line, ledger. */
export const CallColumn = memo(function CallColumn({ call, ledger, ledgerError, onShow }: Props) {
  const byLeg = useMemo(() => Map.groupBy(call.lineQuality, (line) => line.leg), [call.lineQuality]);
  return (
    <aside className="call-column" aria-label="About this call">
      <section>
        <h2>What matters</h2>
        <ReasonList reasons={call.attentionReasons} none="Nothing asked for attention in this call." onShow={onShow} />
      </section>
      <section>
        <h2>Measures</h2>
        <Measures call={call} />
      </section>
      <section>
        <h2>Alerts</h2>
        <AlertList alerts={call.alerts} none="No phrase rule was met." onShow={onShow} />
      </section>
      <section>
        <h2>Line quality</h2>
        {call.lineQuality.length === 0 ? (
          <p className="faint small">The call was too short to be measured, or no audio came.</p>
        ) : (
          call.legs.map((leg) => (
            <LineChart
              key={leg.index}
              leg={leg}
              points={byLeg.get(leg.index) ?? noLines}
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
});

function Fact({ label, value, code = false }: { label: string; value: string; code?: boolean }) {
  if (value === "") return null;
  return (
    <div className="facts-pair">
      <dt>{label}</dt>
      <dd className="fact-value">{code ? <code>{value}</code> : value}</dd>
    </div>
  );
}
