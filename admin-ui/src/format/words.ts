/** Names of things in the words people use. */
import type { CallSummary, LedgerStage, Leg, Speaker, Termination } from "@earshot/proto/api/calls.ts";

export const speakerName: Record<Speaker, string> = { agent: "Agent", caller: "Caller", mixed: "Both sides" };

export const terminationName: Record<Termination, string> = {
  bye: "Hung up",
  cancel: "Cancelled",
  session_timer: "Session timer ran out",
  media_timeout: "No audio any more",
  restart: "Earshot restarted",
  shutdown: "Earshot was shut down",
  rejected: "Rejected",
  signalling_error: "Signalling error",
  max_duration: "Longest duration reached",
  gateway_lost: "Gateway lost",
  stopped: "Recording stopped",
};

export const directionName: Record<CallSummary["direction"], string> = {
  inbound: "Inbound",
  outbound: "Outbound",
  internal: "Internal",
  unknown: "Unknown",
};

export const stageTitle: Record<LedgerStage["stage"], string> = {
  record: "Record",
  media: "Media",
  transcript: "Transcript",
  insight: "Insight",
  score: "Score",
};

export const stageNames: readonly LedgerStage["stage"][] = ["record", "media", "transcript", "insight", "score"];

export const outcomeName: Record<LedgerStage["outcome"], string> = {
  pending: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  skipped: "Skipped",
};

const reasons: Record<string, string> = {
  "extension-map": "known extension",
  "short-extension": "short number against an external one",
  "label-order": "the trunk's order of streams",
  "single-stream": "one mixed stream",
  corrected: "corrected by hand",
};

/** Why Earshot takes this leg for the side it shows. */
export const speakerReasonText = (leg: Leg): string => reasons[leg.speakerReason] ?? leg.speakerReason;

const addressNames: Record<string, string> = {
  web: "Console and API",
  "sip/udp": "SIP over UDP",
  "sip/tcp": "SIP over TCP",
  "sip/tls": "SIP over TLS",
  rtp: "Audio (RTP)",
  grpc: "Call control (gRPC)",
};

/** What listens at an address, by its name in the system status. */
export const addressName = (name: string): string => addressNames[name] ?? name;

export const agentOf = (call: { agent: string }): string => call.agent || "Unknown agent";
export const callerOf = (call: { caller: string }): string => call.caller || "Unknown caller";

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;
}

export const percent = (ratio: number | null): string => (ratio === null ? "–" : `${Math.round(ratio * 100)} %`);
