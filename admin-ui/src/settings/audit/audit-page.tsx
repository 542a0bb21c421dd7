import { useState } from "react";
import { useGetList } from "react-admin";
import { Link } from "react-router-dom";
import { exactTime, secondTime } from "../../format/time.ts";
import { plural } from "../../format/words.ts";
import { ListPanel, type PanelColumn } from "../list-panel.tsx";
import { Pager } from "../pager.tsx";
import type { AuditEntry } from "../types.ts";
import { callOf, changesOf, deedOf, subjectOf } from "./audit-words.ts";

const perPage = 50;

const columns: readonly PanelColumn<AuditEntry>[] = [
  { label: "When", className: "nowrap", title: (entry) => exactTime(entry.at), cell: (entry) => secondTime(entry.at) },
  { label: "Who", className: "break", cell: (entry) => entry.actor },
  { label: "Did", title: (entry) => entry.action, cell: (entry) => <b className="strong">{deedOf(entry)}</b> },
  { label: "To", className: "break", title: (entry) => entry.subject, cell: Subject },
  { label: "Details", className: "break", cell: Changes },
];

function Subject(entry: AuditEntry) {
  const call = callOf(entry);
  if (call !== null) return <Link to={`/calls/${encodeURIComponent(call)}`}>The call</Link>;
  return subjectOf(entry) || <span className="faint">–</span>;
}

function Changes(entry: AuditEntry) {
  const changes = changesOf(entry);
  if (changes.length === 0) return <span className="faint">–</span>;
  return changes.map(([name, words]) => (
    <div key={name}>
      <span className="faint">{name}</span> {words}
    </div>
  ));
}

export default function AuditPage() {
  const [page, setPage] = useState(1);
  const entries = useGetList<AuditEntry>("audit", { pagination: { page, perPage }, sort: { field: "id", order: "DESC" }, filter: {} });
  const { total = 0 } = entries;
  return (
    <>
      <div className="page-head">
        <h1>Audit log</h1>
      </div>
      <p className="settings-intro">
        Who did what, newest first: signing in, settings, listening, corrections, and what was done to calls.
      </p>
      <ListPanel
        caption="Audit log"
        failure="The audit log could not be loaded."
        list={entries}
        skeleton={{ rows: 10, height: 37 }}
        empty={
          <div className="empty">
            <h2>Nothing has been done yet</h2>
            <p>What people change, hear and correct is written here, and cannot be taken out.</p>
          </div>
        }
        columns={columns}
        keyOf={(entry) => String(entry.id)}
      />
      <Pager
        page={page}
        perPage={perPage}
        total={total}
        text={`${plural(total, "entry", "entries")}, page ${page} of ${Math.ceil(total / perPage)}`}
        back="Newer"
        on="Older"
        onPage={setPage}
      />
    </>
  );
}
