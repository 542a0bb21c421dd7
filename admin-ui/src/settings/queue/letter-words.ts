/** What kept a record from being handled, and what it was, in the words of an administrator. */
import type { DeadLetter } from "@earshot/proto/api/queue.ts";

const contents: Record<string, string> = {
  "calls.v1": "Call events",
  "media.v1": "Audio",
  "line-quality.v1": "Line quality",
  "transcripts.v1": "Words",
  "conversation.v1": "Conversation measures",
  "recordings.v1": "Recording",
  "insights.v1": "Insights",
  "ledger.v1": "Ledger",
  "commands.v1": "Command",
  "settings.v1": "Settings",
};

const reasons: Record<string, string> = {
  event_schema_newer: "It comes from a newer Earshot",
  event_payload_unknown: "It is of a kind that this version does not know",
  event_undecodable: "Its bytes are damaged",
};

const categories: Record<string, string> = {
  corrupt: "Its bytes are damaged",
  bug: "A fault of Earshot's own",
  unavailable: "What it needs stayed away",
  timeout: "What it needs did not answer in time",
};

export const contentOf = (letter: DeadLetter): string => contents[letter.topic] ?? letter.topic;

export const reasonOf = (letter: DeadLetter): string =>
  reasons[letter.errorCode] ?? categories[letter.errorCategory] ?? "It could not be handled";

export const stateName: Record<DeadLetter["state"], string> = { waiting: "Waiting", replayed: "Replayed", discarded: "Discarded" };
