import type { Service } from "@earshot/proto/api/administration.ts";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { request } from "../../api-client/request.ts";
import { exactTime, spokenDuration } from "../../format/time.ts";
import { addressName, plural } from "../../format/words.ts";
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
          <Processes />
          <Part title="Speech engine">
            <Row name="Engine">
              {status.speech.engine}{" "}
              <span className={`chip ${status.speech.usable ? "tone-positive" : "tone-uneasy"}`}>
                {status.speech.usable ? "In use" : "Not usable"}
              </span>
            </Row>
            <Row name="Why this one">{sentence(status.speech.reason)}</Row>
            {status.speech.remedy !== "" && (
              <Row name={status.speech.usable ? "For a better one" : "What to do"}>{sentence(status.speech.remedy)}</Row>
            )}
          </Part>
          <Part title="Addresses">
            {Object.entries(status.addresses).map(([name, address]) => (
              <Row key={name} name={addressName(name)}>
                <code>{address}</code>
              </Row>
            ))}
          </Part>
          <Part title="Adapters">
            {Object.entries(status.adapters).map(([name, adapter]) => (
              <Row key={name} name={name}>
                {adapter.replace(/:$/, "")}
              </Row>
            ))}
          </Part>
        </div>
      )}
    </>
  );
}

/** As a sentence: the parts of a reason come without a beginning and an end. */
const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

const states = {
  up: { text: "Up", tone: "tone-positive" },
  degraded: { text: "Degraded", tone: "tone-uneasy" },
  down: { text: "Not serving", tone: "tone-negative" },
  gone: { text: "Gone", tone: "tone-negative" },
} as const;

/** The installation's own administrators see its processes; others are told of none. */
function Processes() {
  const services = useQuery({
    queryKey: ["services"],
    queryFn: ({ signal }) => request<{ data: Service[] }>("/services", { query: { perPage: 100 }, signal }),
    refetchInterval: 5000,
  });
  if (services.error !== null)
    return <ErrorNote title="The processes could not be loaded." error={services.error} retry={() => void services.refetch()} />;
  if (services.data === undefined || services.data.data.length === 0) return null;
  return (
    <Part title="Processes">
      {services.data.data.map(({ service, instance, version, startedAt, heardAt, state, reasons }) => (
        <Row key={instance} name={service}>
          <span className={`chip ${states[state].tone}`}>{states[state].text}</span> <code>{instance}</code>{" "}
          <span className="faint">
            {state === "gone"
              ? `last heard of ${spokenDuration(Date.now() - Date.parse(heardAt))} ago`
              : `version ${version}, for ${spokenDuration(Date.now() - Date.parse(startedAt))}`}
          </span>
          {state === "gone" && <div>Nothing to do if somebody stopped it; else start it again, and its log tells why it went.</div>}
          {state !== "gone" && reasons.map(({ part, detail }) => <div key={part}>{`${part}: ${detail}`}</div>)}
        </Row>
      ))}
    </Part>
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
