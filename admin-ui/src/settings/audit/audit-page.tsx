import { useState } from "react";
import { useGetList } from "react-admin";
import { exactTime } from "../../format/time.ts";
import { plural } from "../../format/words.ts";
import { ListPanel } from "../list-panel.tsx";
import { Pager } from "../pager.tsx";
import type { AuditEntry } from "../types.ts";

const perPage = 50;
const columns = ["When", "Who", "Did", "To", "Details"].map((label) => ({ label }));

export default function AuditPage() {
  const [page, setPage] = useState(1);
  const entries = useGetList<AuditEntry>("audit", { pagination: { page, perPage }, sort: { field: "id", order: "DESC" }, filter: {} });
  const { total = 0 } = entries;
  return (
    <>
      <div className="page-head">
        <h1>Audit log</h1>
      </div>
      <p className="settings-intro">Who did what, newest first: settings, listening, corrections, recordings that were heard.</p>
      <ListPanel
        caption="Audit log"
        failure="The audit log could not be loaded."
        list={entries}
        skeleton={{ rows: 10, height: 41 }}
        empty={
          <div className="empty">
            <h2>Nothing has been done yet</h2>
          </div>
        }
        columns={columns}
        row={(entry) => (
          <tr key={entry.id}>
            <td className="nowrap">{exactTime(entry.at)}</td>
            <td>{entry.actor}</td>
            <td>
              <code>{entry.action}</code>
            </td>
            <td className="break">{entry.subject}</td>
            <td className="muted break">
              {Object.keys(entry.details).length === 0 ? "" : <code className="audit-details">{JSON.stringify(entry.details)}</code>}
            </td>
          </tr>
        )}
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
