/** Extensions from a spreadsheet: number, agent name, agent id, team; with or without a heading; comma, semicolon or tab. */
import { extensionInput } from "@earshot/proto/api/administration.ts";
import type { z } from "zod";

export type CsvLine =
  | { line: number; text: string; input: z.infer<typeof extensionInput> }
  | { line: number; text: string; problem: string };

const headings: Record<string, keyof z.infer<typeof extensionInput>> = {
  number: "number",
  extension: "number",
  ext: "number",
  agentname: "agentName",
  agent: "agentName",
  name: "agentName",
  agentid: "agentId",
  id: "agentId",
  team: "team",
  group: "team",
};
const defaultColumns = ["number", "agentName", "agentId", "team"] as const;

/** Every line that is not empty comes back: read, or with what is wrong with it. Lines count from 1. */
export function readExtensionCsv(csv: string): CsvLine[] {
  const lines = csv.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const first = lines.find((line) => line.trim() !== "") ?? "";
  const separator = [";", "\t", ","].find((candidate) => first.includes(candidate)) ?? ",";
  const heads = (cells(first, separator) ?? []).map((cell) => headings[cell.toLowerCase().replace(/[^a-z]/g, "")]);
  const hasHeading = heads.includes("number") && heads.includes("agentName");
  const columns = hasHeading ? heads : defaultColumns;
  const result: CsvLine[] = [];
  const seen = new Map<string, number>();
  let skipHeading = hasHeading;
  for (const [index, text] of lines.entries()) {
    const line = index + 1;
    if (text.trim() === "") continue;
    if (skipHeading) {
      skipHeading = false;
      continue;
    }
    const values = cells(text, separator);
    if (values === undefined) {
      result.push({ line, text, problem: "A quotation mark is not closed." });
      continue;
    }
    const row: Record<string, string> = {};
    columns.forEach((column, position) => {
      if (column !== undefined) row[column] = values[position] ?? "";
    });
    const parsed = extensionInput.safeParse(row);
    if (!parsed.success) {
      const problem = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
      result.push({ line, text, problem });
      continue;
    }
    const before = seen.get(parsed.data.number);
    if (before !== undefined) {
      result.push({ line, text, problem: `The number stands on line ${before} already.` });
      continue;
    }
    seen.set(parsed.data.number, line);
    result.push({ line, text, input: parsed.data });
  }
  return result;
}

/** @returns undefined where a quotation mark is not closed */
function cells(line: string, separator: string): string[] | undefined {
  const found: string[] = [];
  let position = 0;
  for (;;) {
    if (line[position] === '"') {
      let cell = "";
      for (position += 1; ; position += 1) {
        if (position >= line.length) return undefined;
        if (line[position] !== '"') cell += line[position];
        else if (line[position + 1] === '"') {
          cell += '"';
          position += 1;
        } else break;
      }
      const end = line.indexOf(separator, position);
      found.push(cell.trim());
      if (end < 0) return found;
      position = end + 1;
    } else {
      const end = line.indexOf(separator, position);
      found.push(line.slice(position, end < 0 ? undefined : end).trim());
      if (end < 0) return found;
      position = end + 1;
    }
  }
}
