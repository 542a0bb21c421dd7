/** The calls of one page as a CSV file (RFC 4180), made in the browser. */
import type { CallListItem } from "@earshot/proto/api/calls.ts";

const fields: [string, (call: CallListItem) => string | number | null][] = [
  ["id", (call) => call.id],
  ["started", (call) => call.startedAt],
  ["ended", (call) => call.endedAt],
  ["duration_s", (call) => (call.durationMs === null ? null : call.durationMs / 1000)],
  ["agent", (call) => call.agent],
  ["caller", (call) => call.caller],
  ["queue", (call) => call.queue],
  ["direction", (call) => call.direction],
  ["termination", (call) => call.termination],
  ["attention", (call) => call.attention],
  ["agent_sentiment", (call) => call.agentSentiment],
  ["caller_sentiment", (call) => call.callerSentiment],
  ["talk_ratio", (call) => call.talkRatio],
  ["mos", (call) => call.mos],
  ["alerts", (call) => call.alertCount],
];

export function callsAsCsv(calls: readonly CallListItem[]): string {
  const lines = [fields.map(([name]) => name).join(",")];
  for (const call of calls) lines.push(fields.map(([, read]) => cell(read(call))).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  // A spreadsheet would run what begins like a formula: names come from the network.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function exportCsv(calls: readonly CallListItem[]): void {
  const url = URL.createObjectURL(new Blob([callsAsCsv(calls)], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "calls.csv";
  link.click();
  URL.revokeObjectURL(url);
}
