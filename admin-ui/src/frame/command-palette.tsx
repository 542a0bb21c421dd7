import type { CallListItem } from "@earshot/proto/api/calls.ts";
import BoltOutlined from "@mui/icons-material/BoltOutlined";
import GraphicEq from "@mui/icons-material/GraphicEqOutlined";
import HistoryOutlined from "@mui/icons-material/HistoryOutlined";
import SearchOutlined from "@mui/icons-material/SearchOutlined";
import SubdirectoryArrowRight from "@mui/icons-material/SubdirectoryArrowRightOutlined";
import Dialog from "@mui/material/Dialog";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useDeferredValue, useEffect, useRef, useState } from "react";
import { useLogout } from "react-admin";
import { useNavigate } from "react-router-dom";
import { request } from "../api-client/request.ts";
import { dayTime } from "../format/time.ts";
import { agentOf, callerOf } from "../format/words.ts";
import { liveStore } from "../live-connection/live-connection.ts";
import { chooseTheme, currentMode } from "../theme/theme-mode.ts";
import { useDemoCall, useStatus } from "./demo-call.ts";
import { maySet, useSession } from "./session-context.ts";

interface Command {
  id: string;
  group: string;
  label: string;
  hint?: string;
  icon: ReactNode;
  run(): void;
}

const pages: [string, string][] = [
  ["Live board", "/live"],
  ["Calls", "/calls"],
];
const settingsPages: [string, string][] = [
  ["Trunks", "/settings/trunks"],
  ["Extensions", "/settings/extensions"],
  ["Phrase rules", "/settings/phrase-rules"],
  ["API keys", "/settings/api-keys"],
  ["Tenant", "/settings/tenant"],
  ["System status", "/settings/status"],
  ["Queue", "/settings/queue"],
  ["Audit log", "/settings/audit"],
];

/** Ctrl-K: a call, a page, an action. Arrows move, Enter goes. */
export default function CommandPalette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [active, setActive] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const commands = useCommands(text.trim(), onClose);
  const index = Math.min(active, commands.length - 1);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  });
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive((index + step + commands.length) % Math.max(commands.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      commands[index]?.run();
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      className="palette"
      fullWidth
      maxWidth="sm"
      slotProps={{ paper: { "aria-label": "Find a call, a page, an action" } }}
    >
      <div className="palette-input">
        <SearchOutlined className="faint" />
        <input
          // the palette is opened to type into
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={commands[index]?.id}
          aria-label="Find a call, a page, an action"
          placeholder="Agent, caller, words said, page or action"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setActive(0);
          }}
          onKeyDown={onKey}
        />
        <kbd>Esc</kbd>
      </div>
      <div className="palette-list" id="palette-list" role="listbox" aria-label="Results" ref={list}>
        {commands.length === 0 && (
          <p className="muted" style={{ padding: 16 }}>
            Nothing by that name.
          </p>
        )}
        {commands.map((command, place) => (
          <div key={command.id} role="presentation">
            {commands[place - 1]?.group !== command.group && <h3 role="presentation">{command.group}</h3>}
            <div
              id={command.id}
              role="option"
              tabIndex={-1}
              aria-selected={place === index}
              className="palette-option"
              onMouseMove={() => setActive(place)}
              onClick={command.run}
              onKeyDown={() => undefined}
            >
              {command.icon}
              <span className="clip">{command.label}</span>
              {command.hint !== undefined && <span className="hint">{command.hint}</span>}
            </div>
          </div>
        ))}
      </div>
    </Dialog>
  );
}

function useCommands(text: string, onClose: () => void): Command[] {
  const navigate = useNavigate();
  const session = useSession();
  const logout = useLogout();
  const demo = useDemoCall();
  const { data: status } = useStatus();
  const asked = useDeferredValue(text);
  const { data: found } = useQuery({
    queryKey: ["palette", asked],
    enabled: asked.length >= 2,
    queryFn: async ({ signal }) => {
      const ask = (field: "agent" | "caller") =>
        request<{ data: CallListItem[] }>("/calls", { query: { perPage: 4, [field]: asked }, signal });
      const [byAgent, byCaller] = await Promise.all([ask("agent"), ask("caller")]);
      const seen = new Set<string>();
      return [...byAgent.data, ...byCaller.data].filter((call) => !seen.has(call.id) && seen.add(call.id)).slice(0, 6);
    },
  });
  const go = (path: string) => () => {
    onClose();
    navigate(path);
  };
  const act = (run: () => void) => () => {
    onClose();
    run();
  };
  const wanted = text.toLowerCase();
  const fits = (label: string) => wanted === "" || label.toLowerCase().includes(wanted);
  const commands: Command[] = [];
  for (const id of liveStore.callIds()) {
    const call = liveStore.call(id);
    if (call === undefined || call.ended !== null || wanted === "" || commands.length >= 5) continue;
    const label = `${agentOf(call)} and ${callerOf(call)}`;
    if (fits(`${label} ${call.queue}`))
      commands.push({ id: `live-${id}`, group: "Live now", label, hint: call.queue, icon: <GraphicEq />, run: go(`/live/${id}`) });
  }
  for (const [label, path] of [...pages, ...(maySet(session) ? settingsPages : [])]) {
    if (fits(label)) commands.push({ id: `page-${path}`, group: "Pages", label, icon: <SubdirectoryArrowRight />, run: go(path) });
  }
  const action = (id: string, label: string, run: () => void) => {
    if (fits(label)) commands.push({ id: `do-${id}`, group: "Actions", label, icon: <BoltOutlined />, run: act(run) });
  };
  if (status?.demo.available) {
    for (const scenario of status.demo.scenarios.slice(0, wanted === "" ? 1 : 12)) {
      action(`demo-${scenario.id}`, `Place a demo call: ${scenario.title}`, () => demo.mutate(scenario.id));
    }
  }
  const other = currentMode() === "dark" ? "light" : "dark";
  action("theme", `Switch to the ${other} theme`, () => chooseTheme(other));
  action("password", "Change password", () => navigate("/password"));
  action("out", "Sign out", () => void logout({}, undefined, false));
  if (wanted !== "") {
    commands.push({
      id: "words",
      group: "Calls",
      label: `Calls in which “${text}” was said`,
      icon: <SearchOutlined />,
      run: go(`/calls?q=${encodeURIComponent(text)}`),
    });
    for (const call of found ?? []) {
      commands.push({
        id: `call-${call.id}`,
        group: "Calls",
        label: `${agentOf(call)} and ${callerOf(call)}`,
        hint: dayTime(call.startedAt),
        icon: <HistoryOutlined />,
        run: go(`/calls/${call.id}`),
      });
    }
  }
  return commands;
}
