import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useCreate, useDelete, useNotify, useRefresh, useUpdate } from "react-admin";
import { ApiFailure } from "../api-client/request.ts";
import { ErrorNote } from "../frame/error-note.tsx";
import { AskTwice } from "./ask-twice.tsx";
import { type Field, FieldInput, faultsOf, inputOf } from "./fields.tsx";

interface Props {
  resource: string;
  noun: string;
  fields: readonly Field[];
  item: Record<string, unknown> | null;
  name: string;
  blank: Record<string, unknown>;
  onClose: () => void;
}

/** The form of one setting. What was typed stays when the server refuses it, with the fault beside the field. */
export function EditDialog({ resource, noun, fields, item, name, blank, onClose }: Props) {
  const [values, setValues] = useState<Record<string, unknown>>(() => ({ ...blank, ...item }));
  const [error, setError] = useState<unknown>(null);
  const [asking, setAsking] = useState(false);
  const [create, creating] = useCreate();
  const [update, updating] = useUpdate();
  const [remove, removing] = useDelete();
  const notify = useNotify();
  const refresh = useRefresh();
  const form = useRef<HTMLFormElement>(null);
  // The first field that was refused may be out of sight, and so may the note below the last one.
  useEffect(() => {
    if (error === null) return;
    const wrong = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]');
    if (wrong) wrong.focus();
    else form.current?.querySelector(".note.error")?.scrollIntoView({ block: "nearest" });
  }, [error]);
  const busy = creating.isPending || updating.isPending || removing.isPending;
  const faults = error instanceof ApiFailure ? faultsOf(error.details) : {};
  const done = (message: string) => {
    notify(message, { type: "info" });
    refresh();
    onClose();
  };
  const save = (event: FormEvent) => {
    event.preventDefault();
    setError(null);
    const data = inputOf(
      fields.filter((field) => field.when?.(values) ?? true),
      values,
    );
    const label = String(data.name ?? data.number ?? name);
    if (item === null) void create(resource, { data }, { onSuccess: () => done(`${label} is saved.`), onError: setError });
    else
      void update(
        resource,
        { id: String(item.id), data, previousData: item as never },
        { onSuccess: () => done(`${label} is saved.`), onError: setError, mutationMode: "pessimistic" },
      );
  };
  const drop = () => {
    if (item === null) return;
    setError(null);
    void remove(
      resource,
      { id: String(item.id), previousData: item as never },
      { onSuccess: () => done(`${name} is deleted.`), onError: setError, mutationMode: "pessimistic" },
    );
  };
  const title = item === null ? `New ${noun}` : name;
  return (
    <Dialog open onClose={busy ? undefined : onClose} fullWidth maxWidth="sm" slotProps={{ paper: { "aria-label": title } }}>
      <form onSubmit={save} className="edit-form" ref={form}>
        <h2 className="edit-title">{title}</h2>
        <div className="edit-fields">
          {fields
            .filter((field) => field.when?.(values) ?? true)
            .map((field, index) => (
              <FieldInput
                key={field.name}
                field={field}
                value={values[field.name]}
                fault={faults[field.name]}
                autoFocus={index === 0 && item === null}
                onChange={(value) => setValues((before) => ({ ...before, [field.name]: value }))}
              />
            ))}
          {error !== null && (
            <ErrorNote title={asking ? "It was not deleted." : "It was not saved."} error={error} loss="What you typed is still here." />
          )}
        </div>
        <div className="edit-actions">
          {item !== null && (
            <AskTwice verb="Delete" question={`Delete ${name} for good?`} asking={asking} busy={busy} onAsk={setAsking} onConfirm={drop} />
          )}
          <span className="grow" />
          <Button variant="text" onClick={onClose} disabled={busy}>
            Cancel
          </Button>
          <Button type="submit" variant="contained" disabled={busy}>
            {busy ? "Saving" : "Save"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
