/** What the REST API says about calls. Times are ISO 8601 with zone; `...Ms` counts from the start of the call. */
import { z } from "zod";

export const speaker = z.enum(["agent", "caller", "mixed"]);
export type Speaker = z.infer<typeof speaker>;

export const termination = z.enum([
  "bye",
  "cancel",
  "session_timer",
  "media_timeout",
  "restart",
  "shutdown",
  "rejected",
  "signalling_error",
  "max_duration",
  "gateway_lost",
  "stopped",
]);
export type Termination = z.infer<typeof termination>;

export const leg = z.object({
  index: z.number().int(),
  label: z.string(),
  speaker,
  speakerReason: z.string().describe("extension-map, short-extension, label-order, single-stream or corrected"),
  name: z.string(),
  address: z.string(),
  agentName: z.string(),
  codec: z.string(),
  state: z.enum(["active", "paused", "removed"]),
});
export type Leg = z.infer<typeof leg>;

export const stageName = z.enum(["record", "media", "transcript", "insight", "score"]);
export const ledgerStage = z.object({
  stage: stageName,
  outcome: z.enum(["pending", "running", "done", "failed", "skipped"]),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  detail: z.string(),
  remedy: z.string(),
});
export type LedgerStage = z.infer<typeof ledgerStage>;

export const conversation = z.object({
  durationMs: z.number(),
  agentSpeechMs: z.number(),
  callerSpeechMs: z.number(),
  talkRatio: z.number().nullable().describe("agent speech / all speech; null = nobody spoke, or one mixed stream"),
  silenceMs: z.number(),
  silenceCount: z.number(),
  silenceThresholdMs: z.number(),
  longestSilenceMs: z.number(),
  currentSilenceMs: z.number(),
  overtalkMs: z.number(),
  overtalkCount: z.number(),
  overtalkThresholdMs: z.number(),
  agentInterruptions: z.number(),
  callerInterruptions: z.number(),
  agentTurns: z.number(),
  callerTurns: z.number(),
  longestAgentMonologueMs: z.number(),
  longestCallerMonologueMs: z.number(),
  responseLatencyMs: z.number().nullable(),
  agentWordsPerMinute: z.number().nullable(),
  callerWordsPerMinute: z.number().nullable(),
});
export type Conversation = z.infer<typeof conversation>;

export const lineQuality = z.object({
  leg: z.number(),
  fromMs: z.number(),
  toMs: z.number(),
  mos: z.number(),
  rFactor: z.number(),
  lossPercent: z.number(),
  packetsExpected: z.number(),
  packetsLost: z.number(),
  packetsLate: z.number(),
  jitterMs: z.number(),
  burstRatio: z.number(),
  driftPpm: z.number(),
  codec: z.string(),
  silent: z.boolean().describe("packets as expected but nothing ever heard: one-way audio"),
});
export type LineQuality = z.infer<typeof lineQuality>;

export const evidence = z.object({ segmentId: z.string(), atSeconds: z.number() });
export const attentionReason = z.object({ code: z.string(), label: z.string(), points: z.number(), evidence: z.array(evidence) });
export const attention = z.object({ score: z.number().min(0).max(100), reasons: z.array(attentionReason), version: z.string() });
export type Attention = z.infer<typeof attention>;

export const alert = z.object({
  alertId: z.string(),
  callId: z.string(),
  ruleId: z.string(),
  ruleName: z.string(),
  kind: z.enum(["said", "not_said"]),
  phrase: z.string(),
  severity: z.enum(["info", "warning", "critical"]),
  atMs: z.number(),
  raisedAt: z.iso.datetime(),
  speaker: speaker.nullable(),
  evidence: z.array(evidence),
});
export type Alert = z.infer<typeof alert>;

export const word = z.object({ text: z.string(), startMs: z.number(), endMs: z.number(), confidence: z.number().nullable() });
export const segment = z.object({
  segmentId: z.string(),
  leg: z.number().int(),
  speaker,
  startMs: z.number(),
  endMs: z.number(),
  text: z.string(),
  words: z.array(word),
  final: z.boolean(),
  revision: z.number().int(),
  engine: z.string(),
  confidence: z.number().nullable(),
  lostMs: z.number().describe("audio inside the segment that never arrived"),
  sentiment: z.number().min(-1).max(1).nullable(),
  error: z.string().describe("why the words are missing, where recognition failed"),
});
export type Segment = z.infer<typeof segment>;

export const callSummary = z.object({
  id: z.string(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  durationMs: z.number().nullable(),
  termination: termination.nullable().describe("null while the call is up"),
  terminationDetail: z.string(),
  direction: z.enum(["inbound", "outbound", "internal", "unknown"]),
  queue: z.string(),
  trunkId: z.string(),
  trunkName: z.string(),
  source: z.string(),
  agent: z.string(),
  caller: z.string(),
  legs: z.array(leg),
  recordingPaused: z.boolean(),
  /** Mean of final segments, -1..1; null = no words. */
  agentSentiment: z.number().nullable(),
  callerSentiment: z.number().nullable(),
  attention: z.number(),
  talkRatio: z.number().nullable(),
  mos: z.number().nullable().describe("worst leg's mean"),
  alertCount: z.number(),
  /** Which stages are done / failed, in the order of `stageName`, for the list's five dots. */
  stages: z.array(ledgerStage.shape.outcome).length(5),
});
export type CallSummary = z.infer<typeof callSummary>;

export const callDetail = callSummary.extend({
  externalCallId: z.string(),
  sipCallId: z.string(),
  peer: z.string(),
  userAgent: z.string(),
  conversation: conversation.nullable(),
  attentionReasons: z.array(attentionReason),
  alerts: z.array(alert),
  lineQuality: z.array(lineQuality),
  recording: z
    .object({
      durationMs: z.number(),
      sampleRate: z.number(),
      channels: z.number(),
      bytes: z.number(),
      peakMs: z.number(),
      peaks: z.array(z.string()).describe("base64, one byte per peakMs"),
      channelLegs: z.array(z.number()),
    })
    .nullable(),
  dtmfCount: z.number(),
});
export type CallDetail = z.infer<typeof callDetail>;

export const list = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item), total: z.number().int() });

/** GET /api/v1/calls */
export const callQuery = z.object({
  page: z.coerce.number().int().min(1).default(1),
  perPage: z.coerce.number().int().min(1).max(200).default(25),
  sort: z.enum(["startedAt", "durationMs", "attention", "callerSentiment", "agentSentiment", "mos"]).default("startedAt"),
  order: z.enum(["asc", "desc"]).default("desc"),
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
  agent: z.string().max(200).optional(),
  caller: z.string().max(200).optional(),
  queue: z.string().max(200).optional(),
  trunkId: z.string().max(100).optional(),
  termination: termination.optional(),
  direction: callSummary.shape.direction.optional(),
  minAttention: z.coerce.number().optional(),
  minDurationMs: z.coerce.number().optional(),
  maxDurationMs: z.coerce.number().optional(),
  sentiment: z.enum(["negative", "neutral", "positive"]).optional(),
  hasAlerts: z.stringbool().optional(),
  live: z.stringbool().optional(),
  q: z.string().max(200).optional().describe('words said in the call; every word must occur; "quoted words" in that order'),
});
export type CallQuery = z.infer<typeof callQuery>;

/** A hit of `q`: the segment and where the words are in its text. */
export const searchHit = z.object({
  segmentId: z.string(),
  speaker,
  startMs: z.number(),
  text: z.string(),
  matches: z.array(z.tuple([z.number(), z.number()])),
});
export const callListItem = callSummary.extend({ hits: z.array(searchHit).optional() });
export type CallListItem = z.infer<typeof callListItem>;

/** GET /api/v1/calls/statistics: the numbers and the chart above the list; same filters as the list. */
export const callStatistics = z.object({
  calls: z.number(),
  totalDurationMs: z.number(),
  meanDurationMs: z.number().nullable(),
  meanCallerSentiment: z.number().nullable(),
  meanMos: z.number().nullable(),
  withAlerts: z.number(),
  perDay: z.array(z.object({ day: z.string(), calls: z.number(), meanCallerSentiment: z.number().nullable() })),
});

/** POST /api/v1/calls/{id}/speakers */
export const setSpeakers = z.object({
  legs: z
    .array(z.object({ index: z.number().int(), speaker }))
    .min(1)
    .max(16),
});

/** Error body of every endpoint. */
export const apiError = z.object({
  error: z.object({
    code: z.string(),
    category: z.string(),
    message: z.string(),
    remedy: z.string(),
    details: z.unknown().optional(),
    requestId: z.string(),
  }),
});
