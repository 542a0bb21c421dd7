import Switch from "@mui/material/Switch";
import TextField from "@mui/material/TextField";
import { useId } from "react";

export interface Field {
  name: string;
  label: string;
  kind: "text" | "lines" | "number" | "flag" | "choice";
  help?: string;
  required?: boolean;
  choices?: readonly (readonly [string, string])[];
  /** Shown only while this holds. */
  when?: (values: Record<string, unknown>) => boolean;
  min?: number;
  max?: number;
}

interface Props {
  field: Field;
  value: unknown;
  fault: string | undefined;
  autoFocus: boolean;
  onChange: (value: unknown) => void;
}

/** One field of a form: label above, help below, a fault in its place. */
export function FieldInput({ field, value, fault, autoFocus, onChange }: Props) {
  const id = useId();
  const helpId = `${id}-help`;
  const described = field.help !== undefined || fault !== undefined ? helpId : undefined;
  if (field.kind === "flag") {
    return (
      <div className="field">
        <label className="flag-field" htmlFor={id}>
          <Switch
            checked={value === true}
            onChange={(event) => onChange(event.target.checked)}
            slotProps={{ input: { id, "aria-describedby": described } }}
          />
          {field.label}
        </label>
        {field.help !== undefined && (
          <span className="help flag-help" id={helpId}>
            {field.help}
          </span>
        )}
      </div>
    );
  }
  return (
    <div className="field">
      <label htmlFor={id}>{field.label}</label>
      {field.kind === "choice" ? (
        <select
          id={id}
          className="plain-input"
          value={String(value ?? "")}
          aria-describedby={described}
          onChange={(event) => onChange(event.target.value)}
        >
          {field.choices?.map(([key, label]) => (
            <option key={key} value={key}>
              {label}
            </option>
          ))}
        </select>
      ) : (
        <TextField
          id={id}
          value={field.kind === "lines" ? (Array.isArray(value) ? value.join("\n") : String(value ?? "")) : String(value ?? "")}
          type={field.kind === "number" ? "number" : "text"}
          multiline={field.kind === "lines"}
          minRows={2}
          maxRows={8}
          autoFocus={autoFocus}
          required={field.required ?? false}
          error={fault !== undefined}
          onChange={(event) => onChange(field.kind === "lines" ? event.target.value.split("\n") : event.target.value)}
          slotProps={{ htmlInput: { min: field.min, max: field.max, "aria-describedby": described } }}
        />
      )}
      {(fault !== undefined || field.help !== undefined) && (
        <span className={fault === undefined ? "help" : "help tone-negative"} id={helpId}>
          {fault ?? field.help}
        </span>
      )}
    </div>
  );
}

/** What the form holds, as the API takes it: lines without the empty ones, numbers as numbers. */
export function inputOf(fields: readonly Field[], values: Record<string, unknown>): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.name];
    if (field.kind === "lines")
      input[field.name] = (Array.isArray(value) ? value : []).map((line) => String(line).trim()).filter((line) => line !== "");
    else if (field.kind === "number") input[field.name] = Number(value ?? 0);
    else if (field.kind === "text") input[field.name] = String(value ?? "").trim();
    else input[field.name] = value;
  }
  return input;
}

/** Faults by field name out of an error's details (`{fields: [{field: "phrases/0", problem}]}`), so that each stands where it belongs. */
export function faultsOf(details: unknown): Record<string, string> {
  const faults: Record<string, string> = {};
  const fields = (details as { fields?: unknown } | null | undefined)?.fields;
  if (!Array.isArray(fields)) return faults;
  for (const { field, problem } of fields as { field?: unknown; problem?: unknown }[]) {
    if (typeof field !== "string" || typeof problem !== "string") continue;
    const [name = "", index] = field.split("/");
    // A line of a list is named by its number, as people count.
    faults[name] ??= index === undefined ? problem : `Line ${Number(index) + 1}: ${problem}`;
  }
  return faults;
}
