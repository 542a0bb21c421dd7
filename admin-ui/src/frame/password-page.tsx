import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router-dom";
import { currentSession, rememberSession } from "../api-client/auth-provider.ts";
import { request } from "../api-client/request.ts";
import { DoorPicture } from "./door-picture.tsx";
import { ErrorNote } from "./error-note.tsx";
import { Logo } from "./logo.tsx";
import "./frame.css";

const shortest = 12;

/** Changes the person's own password; where it must be changed, the console opens only afterwards. */
export default function PasswordPage() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const fault = next.length < shortest ? `At least ${shortest} characters.` : next !== again ? "The two new passwords differ." : "";
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (fault !== "") {
      setError(new Error(fault));
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await request("/session/password", { method: "POST", body: { current, next } });
      rememberSession(null);
      queries.setQueryData(["session"], await currentSession());
      navigate("/live", { replace: true });
    } catch (failure) {
      setError(failure);
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
        <h1>Choose your own password</h1>
        <p className="muted">The one you signed in with was made by Earshot or by somebody else.</p>
        <form onSubmit={(event) => void submit(event)}>
          <div className="field">
            <label htmlFor="current">Password until now</label>
            <TextField
              id="current"
              type="password"
              value={current}
              onChange={(event) => setCurrent(event.target.value)}
              autoComplete="current-password"
              required
              autoFocus
            />
          </div>
          <div className="field">
            <label htmlFor="next">New password</label>
            <TextField
              id="next"
              type="password"
              value={next}
              onChange={(event) => setNext(event.target.value)}
              autoComplete="new-password"
              required
            />
            <span className="help">At least {shortest} characters; a few words in a row are easy to keep in mind.</span>
          </div>
          <div className="field">
            <label htmlFor="again">New password again</label>
            <TextField
              id="again"
              type="password"
              value={again}
              onChange={(event) => setAgain(event.target.value)}
              autoComplete="new-password"
              required
            />
          </div>
          {error !== null && <ErrorNote title="The password was not changed." error={error} loss="The old one still works." />}
          <Button type="submit" variant="contained" size="medium" disabled={busy}>
            {busy ? "Changing" : "Change password"}
          </Button>
        </form>
      </main>
      <DoorPicture />
    </div>
  );
}
