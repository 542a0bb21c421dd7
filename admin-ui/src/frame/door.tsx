import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import { type FormEvent, type ReactNode, useState } from "react";
import { DoorPicture } from "./door-picture.tsx";
import { ErrorNote } from "./error-note.tsx";
import { Logo } from "./logo.tsx";
import "./frame.css";

interface DoorProps {
  title: string;
  intro?: ReactNode;
  /** What stands under the form. */
  foot?: ReactNode;
  /** The button's words, at rest and while the answer is awaited. */
  action: readonly [rest: string, busy: string];
  /** Leads on to another page, or throws what is to be told. */
  submit(): Promise<void>;
  /** What an error means here, and what it does not touch. */
  failure: { title: string; loss: string };
  /** The fields of the form. */
  children: ReactNode;
}

/** A page before the frame: one form beside a picture. What was typed stays when it is refused. */
export function Door({ title, intro, foot, action, submit, failure, children }: DoorProps) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await submit();
    } catch (refused) {
      setError(refused);
      setBusy(false);
    }
  };
  return (
    <div className="door">
      <main className="door-form">
        <div className="brand">
          <Logo size={32} />
          Earshot
        </div>
        <h1>{title}</h1>
        {intro}
        <form onSubmit={(event) => void onSubmit(event)}>
          {children}
          {error !== null && <ErrorNote title={failure.title} error={error} loss={failure.loss} />}
          <Button type="submit" variant="contained" size="medium" disabled={busy}>
            {action[busy ? 1 : 0]}
          </Button>
        </form>
        {foot}
      </main>
      <DoorPicture />
    </div>
  );
}

interface DoorFieldProps {
  id: string;
  label: string;
  value: string;
  onChange(value: string): void;
  type?: "text" | "password";
  autoComplete: string;
  autoFocus?: boolean;
  help?: string;
}

/** One field of such a form; all of them must be filled in. */
export function DoorField({ id, label, value, onChange, type = "password", autoComplete, autoFocus = false, help }: DoorFieldProps) {
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <TextField
        id={id}
        type={type}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        autoComplete={autoComplete}
        autoFocus={autoFocus}
        required
      />
      {help !== undefined && <span className="help">{help}</span>}
    </div>
  );
}
