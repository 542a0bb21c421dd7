/**
 * Settings: each service declares its own table, `main` reads them all from the environment at once and reports every fault together.
 * A limit is a setting whose `atLimit` says what happens when it is reached.
 */
import { z } from "zod";

/** The one zod every settings table is written with. */
export { z };

export type SettingSpec<T = unknown> = {
  readonly env: string;
  readonly schema: z.ZodType<T>;
  readonly default: T;
  /** What the documents say of a default that depends on the machine. */
  readonly defaultText?: string;
  readonly describe: string;
  /** What happens when this limit is reached; absent = not a limit. */
  readonly atLimit?: string;
  /** Shown as "***" wherever settings are printed. */
  readonly secret?: boolean;
};
export type SettingsTable = Readonly<Record<string, SettingSpec>>;
export type SettingsOf<T extends SettingsTable> = { readonly [K in keyof T]: T[K] extends SettingSpec<infer V> ? V : never };

export type SettingFault = { readonly env: string; readonly given: string; readonly problem: string; readonly expects: string };

/** Keeps each setting's own type; use it once per setting. */
export function setting<T>(spec: SettingSpec<T>): SettingSpec<T> {
  return spec;
}

/**
 * Reads every table from the environment. An empty variable counts as absent.
 * @returns the values by table, and every fault found (values are then incomplete and must not be used)
 */
export function readSettings<T extends Readonly<Record<string, SettingsTable>>>(
  tables: T,
  env: Readonly<Record<string, string | undefined>>,
): { values: { readonly [K in keyof T]: SettingsOf<T[K]> }; faults: SettingFault[] } {
  const faults: SettingFault[] = [];
  const values: Record<string, Record<string, unknown>> = {};
  const known = new Set<string>();
  for (const [tableName, table] of Object.entries(tables)) {
    const read: Record<string, unknown> = {};
    for (const [name, spec] of Object.entries(table)) {
      known.add(spec.env);
      const given = env[spec.env];
      if (given === undefined || given === "") {
        read[name] = spec.default;
        continue;
      }
      const parsed = spec.schema.safeParse(given);
      if (parsed.success) read[name] = parsed.data;
      else
        faults.push({
          env: spec.env,
          given: spec.secret === true ? "***" : given,
          problem: parsed.error.issues.map((issue) => issue.message).join("; "),
          expects: spec.describe,
        });
    }
    values[tableName] = read;
  }
  for (const [name, given] of Object.entries(env)) {
    if (name.startsWith("EARSHOT_") && !known.has(name) && given !== undefined)
      faults.push({ env: name, given: "***", problem: "no such setting", expects: closest(name, known) });
  }
  return { values: values as { readonly [K in keyof T]: SettingsOf<T[K]> }, faults };
}

/** The known name that takes the fewest edits to reach, where that is few enough to be a slip of the keyboard. */
function closest(name: string, known: ReadonlySet<string>): string {
  let best = "";
  let fewest = Math.ceil((name.length - "EARSHOT_".length) / 2);
  for (const candidate of known) {
    const edits = editDistance(name, candidate);
    if (edits < fewest) {
      best = candidate;
      fewest = edits;
    }
  }
  return best === "" ? "see deploy/docs/settings.md" : `did you mean ${best}?`;
}

/** Levenshtein: insertions, deletions and substitutions from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
