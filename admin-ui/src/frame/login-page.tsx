import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useLogin } from "react-admin";
import { DoorPicture } from "./door-picture.tsx";
import { ErrorNote } from "./error-note.tsx";
import { Logo } from "./logo.tsx";
import "./frame.css";

export function LoginPage() {
  const login = useLogin();
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    // Nothing that another person has seen on this page may be seen by the next.
    queries.clear();
    try {
      await login({ email: email.trim(), password });
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
        <h1>Sign in</h1>
        <form onSubmit={(event) => void submit(event)}>
          <div className="field">
            <label htmlFor="email">Email</label>
            <TextField
              id="email"
              value={email}
              onChange={(event) => setEmail(event.target.value)}
              autoComplete="username"
              autoFocus
              required
            />
          </div>
          <div className="field">
            <label htmlFor="password">Password</label>
            <TextField
              id="password"
              type="password"
              value={password}
              onChange={(event) => setPassword(event.target.value)}
              autoComplete="current-password"
              required
            />
          </div>
          {error !== null && <ErrorNote title="You are not signed in." error={error} loss="" />}
          <Button type="submit" variant="contained" size="medium" disabled={busy}>
            {busy ? "Signing in" : "Sign in"}
          </Button>
        </form>
        <p className="faint small">The first administrator is admin@localhost; the first start printed the password to the terminal.</p>
      </main>
      <DoorPicture />
    </div>
  );
}
