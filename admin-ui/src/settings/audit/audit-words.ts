/** The audit log in words: what was done, to what, and what changed. */
import type { AuditEntry } from "../types.ts";

const things: Record<string, string> = {
  api_key: "API key",
  dead_letter: "record",
  extension: "extension",
  phrase_rule: "phrase rule",
  trunk: "trunk",
};
const deeds: Record<string, string> = {
  change: "Changed",
  create: "Made",
  delete: "Deleted",
  discard: "Discarded",
  import: "Imported",
  replay: "Replayed",
};
const sentences: Record<string, string> = {
  "api_key.delete": "Withdrew an API key",
  "call.listen.start": "Began to listen",
  "call.listen.stop": "Stopped listening",
  "call.pause": "Paused the recording",
  "call.recording.download": "Downloaded the recording",
  "call.recording.listen": "Listened to the recording",
  "call.resume": "Resumed the recording",
  "call.speakers": "Corrected who is who",
  "call.stop": "Stopped the recording",
  "calls.delete": "Deleted calls past their time",
  "demo_call.place": "Placed a demo call",
  "extension.import": "Imported extensions",
  "session.begin": "Signed in",
  "session.end": "Signed out",
  "session.password": "Changed their password",
  "session.refused": "Was refused: wrong password",
  "tenant.change": "Changed the tenant",
};

/** `Changed a trunk`; an action that this page does not know is shown as it is. */
export function deedOf({ action }: AuditEntry): string {
  const [thing = "", verb = ""] = action.split(".");
  const name = things[thing];
  const deed = deeds[verb];
  if (sentences[action] !== undefined) return sentences[action];
  return name === undefined || deed === undefined ? action : `${deed} ${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}

/** The call that it was done to, for a link; null for anything else. */
export const callOf = ({ action, subject, details }: AuditEntry): string | null => {
  if (action.startsWith("call.")) return subject;
  return action.startsWith("dead_letter.") && typeof details.key === "string" ? details.key : null;
};

/** By what name people know it: its own, or what the subject says where that is no bare id. */
export function subjectOf({ subject, details }: AuditEntry): string {
  const { name, number, agentName } = part(details.after) ?? part(details.before) ?? details;
  for (const known of [name, number, agentName]) if (typeof known === "string" && known !== "") return known;
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(subject) ? "" : subject;
}

/** What changed, `[name, words]` each: of a change only the fields that differ, `before → after`; of the rest what is not its name. */
export function changesOf({ action, subject, details }: AuditEntry): [string, string][] {
  const before = part(details.before);
  const after = part(details.after);
  if (before !== null && after !== null) {
    const differ = Object.keys(after).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
    return differ.map((name) => [words(name), `${textOf(before[name])} → ${textOf(after[name])}`]);
  }
  if (action.endsWith(".create")) return [];
  const told = new Set(["name", "id", "key", subject]);
  return Object.entries(details)
    .filter(([name, value]) => !told.has(name) && value !== subject && name !== "legs")
    .map(([name, value]) => [words(name), textOf(value)]);
}

const part = (value: unknown) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null);

/** `maxCalls` as `max calls` */
const words = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function textOf(value: unknown): string {
  if (value === undefined || value === null || value === "") return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "nothing" : value.map(textOf).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
