import Button from "@mui/material/Button";
import { useState } from "react";
import { useGetList } from "react-admin";
import { exactTime } from "../../format/time.ts";
import { plural } from "../../format/words.ts";
import { ErrorNote } from "../../frame/error-note.tsx";
import { SkeletonRows } from "../../frame/skeleton.tsx";
import type { AuditEntry } from "../types.ts";

const perPage = 50;

export default function AuditPage() {
  const [page, setPage] = useState(1);
  const {
    data,
    total = 0,
    error,
    isPending,
    refetch,
  } = useGetList<AuditEntry>("audit", { pagination: { page, perPage }, sort: { field: "id", order: "DESC" }, filter: {} });
  return (
    <>
      <div className="page-head">
        <h1>Audit log</h1>
      </div>
      <p className="settings-intro">Who did what, newest first: settings, listening, corrections, recordings that were heard.</p>
      <div className="panel">
        {error !== null && (
          <div style={{ padding: 16 }}>
            <ErrorNote title="The audit log could not be loaded." error={error} retry={() => void refetch()} />
          </div>
        )}
        {isPending && <SkeletonRows rows={10} height={41} />}
        {data !== undefined && data.length === 0 && (
          <div className="empty">
            <h2>Nothing has been done yet</h2>
          </div>
        )}
        {data !== undefined && data.length > 0 && (
          <div className="table-scroll">
            <table className="table">
              <caption className="sr-only">Audit log</caption>
              <thead>
                <tr>
                  <th scope="col">When</th>
                  <th scope="col">Who</th>
                  <th scope="col">Did</th>
                  <th scope="col">To</th>
                  <th scope="col">Details</th>
                </tr>
              </thead>
              <tbody>
                {data.map((entry) => (
                  <tr key={entry.id}>
                    <td className="nowrap">{exactTime(entry.at)}</td>
                    <td>{entry.actor}</td>
                    <td>
                      <code>{entry.action}</code>
                    </td>
                    <td className="break">{entry.subject}</td>
                    <td className="muted break">
                      {Object.keys(entry.details).length === 0 ? (
                        ""
                      ) : (
                        <code className="audit-details">{JSON.stringify(entry.details)}</code>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
      {total > perPage && (
        <div className="pager">
          <span className="muted small">
            {plural(total, "entry", "entries")}, page {page} of {Math.ceil(total / perPage)}
          </span>
          <span className="grow" />
          <Button variant="outlined" disabled={page === 1} onClick={() => setPage(page - 1)}>
            Newer
          </Button>
          <Button variant="outlined" disabled={page * perPage >= total} onClick={() => setPage(page + 1)}>
            Older
          </Button>
        </div>
      )}
    </>
  );
}
