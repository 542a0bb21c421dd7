import type { ReactNode } from "react";
import { exactTime, spokenDuration } from "../../format/time.ts";
import { plural } from "../../format/words.ts";
import { useStatus } from "../../frame/demo-call.ts";
import { ErrorNote } from "../../frame/error-note.tsx";
import { SkeletonRows } from "../../frame/skeleton.tsx";

/** What runs, on which adapters, at which addresses, with which speech engine. */
export default function StatusPage() {
  const { data: status, error, isPending, refetch } = useStatus();
  return (
    <>
      <div className="page-head">
        <h1>System status</h1>
      </div>
      {error !== null && <ErrorNote title="The status could not be loaded." error={error} retry={() => void refetch()} />}
      {isPending && <SkeletonRows rows={8} height={41} />}
      {status !== undefined && (
        <div className="settings-stack">
          <Part title="Earshot">
            <Row name="State">
              <span className={`chip ${status.ready ? "tone-positive" : "tone-negative"}`}>{status.ready ? "Ready" : "Not ready"}</span>
            </Row>
            <Row name="Version">{status.version}</Row>
            <Row name="Started">
              {exactTime(status.startedAt)} <span className="faint">({spokenDuration(Date.now() - Date.parse(status.startedAt))} ago)</span>
            </Row>
            <Row name="Calls up">{plural(status.liveCalls, "call")}</Row>
          </Part>
          <Part title="Speech engine">
            <Row name="Engine">
              {status.speech.engine}{" "}
              <span className={`chip ${status.speech.usable ? "tone-positive" : "tone-uneasy"}`}>
                {status.speech.usable ? "In use" : "Not usable"}
              </span>
            </Row>
            <Row name="Why this one">{status.speech.reason}</Row>
            {status.speech.remedy !== "" && (
              <Row name={status.speech.usable ? "For a better one" : "What to do"}>{status.speech.remedy}</Row>
            )}
          </Part>
          <Part title="Addresses">
            {Object.entries(status.addresses).map(([name, address]) => (
              <Row key={name} name={name}>
                <code>{address}</code>
              </Row>
            ))}
          </Part>
          <Part title="Adapters">
            {Object.entries(status.adapters).map(([name, adapter]) => (
              <Row key={name} name={name}>
                {adapter}
              </Row>
            ))}
          </Part>
        </div>
      )}
    </>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h2 className="section-title">{title}</h2>
      <dl className="panel status-list">{children}</dl>
    </section>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
