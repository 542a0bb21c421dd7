import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { currentSession, rememberSession } from "../api-client/auth-provider.ts";
import { request } from "../api-client/request.ts";
import { Door, DoorField } from "./door.tsx";

const shortest = 12;

/** Changes the person's own password; where it must be changed, the console opens only afterwards. */
export default function PasswordPage() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const navigate = useNavigate();
  const queries = useQueryClient();
  const submit = async () => {
    if (next.length < shortest) throw new Error(`At least ${shortest} characters.`);
    if (next !== again) throw new Error("The two new passwords differ.");
    await request("/session/password", { method: "POST", body: { current, next } });
    rememberSession(null);
    queries.setQueryData(["session"], await currentSession());
    navigate("/live", { replace: true });
  };
  return (
    <Door
      title="Choose your own password"
      intro={<p className="muted">The one you signed in with was made by Earshot or by somebody else.</p>}
      action={["Change password", "Changing"]}
      submit={submit}
      failure={{ title: "The password was not changed.", loss: "The old one still works." }}
    >
      <DoorField id="current" label="Password until now" value={current} onChange={setCurrent} autoComplete="current-password" autoFocus />
      <DoorField
        id="next"
        label="New password"
        value={next}
        onChange={setNext}
        autoComplete="new-password"
        help={`At least ${shortest} characters; a few words in a row are easy to keep in mind.`}
      />
      <DoorField id="again" label="New password again" value={again} onChange={setAgain} autoComplete="new-password" />
    </Door>
  );
}
