/** The call list's filters, as they stand in the URL: the names are those of `GET /api/v1/calls`. */

import { dayTime, duration } from "../format/time.ts";
import { directionName, terminationName } from "../format/words.ts";

export type FilterName =
  | "from"
  | "to"
  | "agent"
  | "caller"
  | "queue"
  | "trunkId"
  | "direction"
  | "termination"
  | "sentiment"
  | "minAttention"
  | "minDurationMs"
  | "maxDurationMs"
  | "hasAlerts"
  | "live";

export interface FilterField {
  name: FilterName;
  label: string;
  kind: "text" | "choice" | "number" | "seconds" | "flag" | "time" | "trunk";
  choices?: readonly (readonly [string, string])[];
}

export const filterFields: readonly FilterField[] = [
  { name: "agent", label: "Agent", kind: "text" },
  { name: "caller", label: "Caller", kind: "text" },
  { name: "queue", label: "Queue", kind: "text" },
  { name: "trunkId", label: "Trunk", kind: "trunk" },
  { name: "from", label: "From", kind: "time" },
  { name: "to", label: "Until", kind: "time" },
  {
    name: "sentiment",
    label: "Caller's sentiment",
    kind: "choice",
    choices: [
      ["negative", "negative"],
      ["neutral", "neutral"],
      ["positive", "positive"],
    ],
  },
  { name: "minAttention", label: "Attention at least", kind: "number" },
  { name: "minDurationMs", label: "Longer than", kind: "seconds" },
  { name: "maxDurationMs", label: "Shorter than", kind: "seconds" },
  { name: "hasAlerts", label: "With alerts", kind: "flag" },
  { name: "live", label: "Up now", kind: "flag" },
  { name: "direction", label: "Direction", kind: "choice", choices: Object.entries(directionName) },
  { name: "termination", label: "Ended by", kind: "choice", choices: Object.entries(terminationName) },
];

export type Filters = Partial<Record<FilterName | "q", string>>;

export function readFilters(params: URLSearchParams): Filters {
  const filters: Filters = {};
  for (const { name } of filterFields) {
    const value = params.get(name);
    if (value !== null && value !== "") filters[name] = value;
  }
  const q = params.get("q");
  if (q !== null && q !== "") filters.q = q;
  return filters;
}

/** A filter in words, for its chip. */
export function filterText(field: FilterField, value: string, trunks: ReadonlyMap<string, string>): string {
  switch (field.kind) {
    case "flag":
      return value === "true" ? field.label : `Not ${field.label.toLowerCase()}`;
    case "choice":
      return `${field.label}: ${field.choices?.find(([key]) => key === value)?.[1] ?? value}`;
    case "seconds":
      return `${field.label} ${duration(Number(value))}`;
    case "time":
      return `${field.label} ${Number.isNaN(Date.parse(value)) ? value : dayTime(value)}`;
    case "trunk":
      return `Trunk: ${trunks.get(value) ?? value}`;
    case "number":
      return `${field.label} ${value}`;
    default:
      return `${field.label}: ${value}`;
  }
}
