/** Rows of measurements that are kept in bench/results, as JSON with the machine that they are of. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { MachineUse } from "./cpu-watch.ts";

/** Of one number of workers and of calls there is one row. */
export type SizedRow = MachineUse & { readonly workers: number; readonly calls: number };

type Kept<Row> = { readonly machine: string; readonly rows: readonly Row[] };

export const resultFile = (name: string): URL => new URL(`../results/${name}`, import.meta.url);

/** @returns nothing where nothing was kept yet */
export function keptRows<Row extends SizedRow>(name: string): Kept<Row> {
  const path = resultFile(`${name}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Kept<Row>) : { machine: "", rows: [] };
}

/** Of several measurements of one size the one is kept that other programs disturbed least, of two alike the newer. @returns all that are kept now */
export function keepRows<Row extends SizedRow>(name: string, rows: readonly Row[]): Kept<Row> {
  const best = new Map<string, Row>();
  for (const row of [...keptRows<Row>(name).rows, ...rows]) {
    const size = `${row.workers} ${row.calls}`;
    if (row.othersPercent <= (best.get(size)?.othersPercent ?? 100)) best.set(size, row);
  }
  const kept = {
    machine: `${cpus().length} cores, ${cpus()[0]?.model ?? "unknown"}`,
    rows: [...best.values()].sort((a, b) => a.workers - b.workers || a.calls - b.calls),
  };
  writeFileSync(resultFile(`${name}.json`), `${JSON.stringify(kept, undefined, 2)}\n`);
  return kept;
}

/** A table as Markdown has it, its columns to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (each: readonly (string | number)[]): string => `| ${each.join(" | ")} |`;
  return [line(head), line(head.map(() => "---:")), ...rows.map(line)].join("\n");
}
