import type { Trunk } from "@earshot/proto/api/administration.ts";
import AddOutlined from "@mui/icons-material/AddOutlined";
import CloseOutlined from "@mui/icons-material/CloseOutlined";
import Button from "@mui/material/Button";
import Menu from "@mui/material/Menu";
import MenuItem from "@mui/material/MenuItem";
import Popover from "@mui/material/Popover";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { request } from "../api-client/request.ts";
import { type FilterField, type Filters, filterFields, filterText } from "./filters.ts";

interface Props {
  filters: Filters;
  set: (changes: Record<string, string | null>) => void;
}

/** Filters as chips: a click changes one, the cross takes it away. */
export function FilterChips({ filters, set }: Props) {
  const [menu, setMenu] = useState<HTMLElement | null>(null);
  const [editing, setEditing] = useState<{ field: FilterField; anchor: HTMLElement } | null>(null);
  const { data: trunks } = useQuery({
    queryKey: ["trunk-names"],
    queryFn: () => request<{ data: Trunk[] }>("/trunks", { query: { perPage: 200 } }),
    staleTime: 60_000,
    retry: false,
  });
  const { data: facets } = useQuery({
    queryKey: ["call-facets"],
    queryFn: () => request<{ agents: string[]; queues: string[] }>("/calls/facets"),
    staleTime: 60_000,
    retry: false,
  });
  const names = new Map(trunks?.data.map((trunk) => [trunk.id, trunk.name]));
  const begin = (field: FilterField, anchor: HTMLElement) => {
    setMenu(null);
    if (field.kind === "flag") set({ [field.name]: "true" });
    else setEditing({ field, anchor });
  };
  const active = filterFields.filter((field) => filters[field.name] !== undefined);
  return (
    <div className="filter-chips">
      {active.map((field) => {
        const text = filterText(field, filters[field.name] ?? "", names);
        return (
          <span key={field.name} className="chip accent filter-chip">
            <button
              type="button"
              className="plain-button"
              onClick={(event) => field.kind !== "flag" && setEditing({ field, anchor: event.currentTarget })}
            >
              {text}
            </button>
            <button
              type="button"
              className="plain-button chip-close"
              aria-label={`Remove ${text}`}
              onClick={() => set({ [field.name]: null })}
            >
              <CloseOutlined />
            </button>
          </span>
        );
      })}
      <Button variant="text" startIcon={<AddOutlined />} onClick={(event) => setMenu(event.currentTarget)} aria-haspopup="menu">
        Filter
      </Button>
      {active.length > 1 && (
        <Button variant="text" onClick={() => set(Object.fromEntries(active.map((field) => [field.name, null])))}>
          Clear
        </Button>
      )}
      <Menu open={menu !== null} anchorEl={menu} onClose={() => setMenu(null)}>
        {filterFields
          .filter((field) => filters[field.name] === undefined)
          .map((field) => (
            <MenuItem key={field.name} onClick={() => menu !== null && begin(field, menu)}>
              {field.label}
            </MenuItem>
          ))}
      </Menu>
      {editing !== null && (
        <Popover open anchorEl={editing.anchor} onClose={() => setEditing(null)} anchorOrigin={{ vertical: "bottom", horizontal: "left" }}>
          <FilterEditor
            field={editing.field}
            value={filters[editing.field.name] ?? ""}
            trunks={names}
            suggestions={editing.field.name === "agent" ? facets?.agents : editing.field.name === "queue" ? facets?.queues : undefined}
            onSet={(value) => {
              set({ [editing.field.name]: value });
              setEditing(null);
            }}
          />
        </Popover>
      )}
    </div>
  );
}

function FilterEditor({
  field,
  value,
  trunks,
  suggestions = [],
  onSet,
}: {
  field: FilterField;
  value: string;
  trunks: ReadonlyMap<string, string>;
  suggestions: readonly string[] | undefined;
  onSet: (value: string) => void;
}) {
  const [text, setText] = useState(
    field.kind === "seconds" && value !== ""
      ? String(Number(value) / 1000)
      : field.kind === "time" && value !== ""
        ? localValue(value)
        : value,
  );
  const choices = field.kind === "trunk" ? [...trunks.entries()] : field.choices;
  if (choices !== undefined) {
    return (
      <ul className="filter-choices">
        {choices.map(([key, label]) => (
          <li key={key}>
            <button type="button" className="filter-choice" aria-pressed={key === value} onClick={() => onSet(key)}>
              {label}
            </button>
          </li>
        ))}
        {choices.length === 0 && <li className="faint small">None</li>}
      </ul>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text === "") onSet("");
    else if (field.kind === "seconds") onSet(String(Math.round(Number(text) * 1000)));
    else if (field.kind === "time") onSet(new Date(text).toISOString());
    else onSet(text.trim());
  };
  const type = field.kind === "text" ? "text" : field.kind === "time" ? "datetime-local" : "number";
  return (
    <form className="filter-form" onSubmit={submit}>
      <label className="field">
        <span className="label">
          {field.label}
          {field.kind === "seconds" && " (seconds)"}
          {field.kind === "time" && " (this computer's time)"}
        </span>
        <input
          className="plain-input"
          // biome-ignore lint/a11y/noAutofocus: the editor was opened to type into
          autoFocus
          type={type}
          min={0}
          value={text}
          onChange={(event) => setText(event.target.value)}
          list="filter-suggestions"
        />
      </label>
      <datalist id="filter-suggestions">
        {suggestions.map((suggestion) => (
          <option key={suggestion} value={suggestion} />
        ))}
      </datalist>
      <Button type="submit" variant="contained">
        Apply
      </Button>
    </form>
  );
}

function localValue(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
