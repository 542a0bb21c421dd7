import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useRefresh } from "react-admin";
import { request } from "../../api-client/request.ts";
import { plural } from "../../format/words.ts";
import { ErrorNote } from "../../frame/error-note.tsx";
import { AlertIcon } from "../../marks/alert-icon.tsx";
import type { ImportAnswer } from "../types.ts";

/** A file, or pasted lines; what can be read is taken, and the rest comes back line by line. */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const refresh = useRefresh();
  const run = useMutation({
    mutationFn: () => request<ImportAnswer>("/extensions/import", { method: "POST", text: { type: "text/csv", content: text } }),
    onSuccess: refresh,
  });
  const answer = run.data;
  return (
    <Dialog open onClose={onClose} fullWidth maxWidth="sm" slotProps={{ paper: { "aria-label": "Import extensions" } }}>
      <div className="edit-form">
        <h2 className="edit-title">Import extensions</h2>
        <div className="edit-fields">
          <p className="muted small">
            Columns: <code>number, agentName, agentId, team</code>, with or without a heading; comma, semicolon or tab between them. A known
            number is updated.
          </p>
          <div className="field">
            <label htmlFor="csv-file">File</label>
            <input
              id="csv-file"
              type="file"
              accept=".csv,text/csv,text/plain"
              onChange={(event) => {
                run.reset();
                void event.target.files?.[0]?.text().then(setText);
              }}
            />
          </div>
          <div className="field">
            <label htmlFor="csv-text">Lines</label>
            <textarea
              id="csv-text"
              className="plain-input csv-text"
              rows={8}
              value={text}
              placeholder={"2101,Dana Whitfield,a-17,Billing\n2102,Marcus Oyelaran,a-18,Service"}
              onChange={(event) => {
                run.reset();
                setText(event.target.value);
              }}
            />
          </div>
          {run.error !== null && <ErrorNote title="Nothing was imported." error={run.error} loss="The lines are still here." />}
          {answer !== undefined && (
            <div className={`note ${answer.errors.length === 0 ? "info" : "warn"}`} role="status">
              <AlertIcon severity={answer.errors.length === 0 ? "info" : "warning"} />
              <div>
                <strong>
                  {plural(answer.created, "new extension")}, {answer.updated.toLocaleString("en-GB")} updated.
                </strong>{" "}
                {answer.errors.length > 0 &&
                  `${plural(answer.errors.length, "line was", "lines were")} not taken; mend them above and import again:`}
                {answer.errors.length > 0 && (
                  <ul className="csv-errors">
                    {answer.errors.slice(0, 50).map((fault) => (
                      <li key={fault.line}>
                        <b className="strong">Line {fault.line}</b> {fault.problem} <code className="faint clip">{fault.text}</code>
                      </li>
                    ))}
                    {answer.errors.length > 50 && <li>and {answer.errors.length - 50} more</li>}
                  </ul>
                )}
              </div>
            </div>
          )}
        </div>
        <div className="edit-actions">
          <span className="grow" />
          <Button variant="text" onClick={onClose}>
            {answer === undefined ? "Cancel" : "Close"}
          </Button>
          <Button variant="contained" disabled={text.trim() === "" || run.isPending} onClick={() => run.mutate()}>
            {run.isPending ? "Importing" : "Import"}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
