import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLogin } from "react-admin";
import { useLocation } from "react-router-dom";
import { Door, DoorField } from "./door.tsx";

export function LoginPage() {
  const login = useLogin();
  const queries = useQueryClient();
  const over = new URLSearchParams(useLocation().search).has("over");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const submit = async () => {
    // Nothing that another person has seen on this page may be seen by the next.
    queries.clear();
    await login({ email: email.trim(), password });
  };
  return (
    <Door
      title="Sign in"
      intro={over && <p className="muted">Your session is over. Sign in again to go on where you were.</p>}
      action={["Sign in", "Signing in"]}
      submit={submit}
      failure={{ title: "You are not signed in.", loss: "" }}
      foot={
        <p className="faint small">The first administrator is admin@localhost; the first start printed the password to the terminal.</p>
      }
    >
      <DoorField id="email" label="Email" type="text" value={email} onChange={setEmail} autoComplete="username" autoFocus />
      <DoorField id="password" label="Password" value={password} onChange={setPassword} autoComplete="current-password" />
    </Door>
  );
}
