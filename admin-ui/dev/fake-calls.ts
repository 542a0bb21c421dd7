/** Scripted calls for the fake API: two voices, their mood, their line; every figure follows from the script. */
import type { Alert, CallDetail, LedgerStage, LineQuality, Segment } from "@earshot/proto/api/calls.ts";
import type { LiveCall } from "@earshot/proto/api/live.ts";

export type Line = readonly ["agent" | "caller", string, number];

export const billing: readonly Line[] = [
  ["agent", "Thank you for calling Northwind Energy, this is Dana speaking. How can I help you today?", 0.4],
  ["caller", "Hi, yes, I have a bill here for four hundred and twelve dollars and that cannot be right.", -0.3],
  ["agent", "I am sorry to hear that. Let me have a look at your account. Could you give me the customer number?", 0.1],
  ["caller", "It is on the top, seven seven three, zero four, nine one.", 0],
  ["agent", "Thank you. I see the bill from the third of November. It covers two months.", 0.05],
  ["caller", "Two months? Nobody told me that. I have always paid every month, for six years.", -0.55],
  ["agent", "You are right, the reading in October failed, so the system put both months into one bill.", -0.1],
  ["caller", "This is the third time I call about this. Honestly, I am about to cancel the whole contract.", -0.8],
  ["agent", "I understand, and I am sorry that you had to call again. I can split it into two payments right now.", 0.2],
  ["caller", "And who tells me that it does not happen again next month?", -0.45],
  ["agent", "I have ordered a new meter reading for Tuesday, and I will send you the confirmation by email.", 0.25],
  ["caller", "All right. That sounds better.", 0.35],
  ["agent", "Is there anything else I can do for you?", 0.3],
  ["caller", "No, that is all. Thank you, you have been very helpful.", 0.75],
];

export const service: readonly Line[] = [
  ["agent", "Northwind Energy, my name is Marcus. What can I do for you?", 0.35],
  ["caller", "Good morning. We are moving house next week and I would like to take the contract with us.", 0.2],
  ["agent", "Congratulations! I am happy to set that up. What is the new address?", 0.7],
  ["caller", "Fourteen Linden Street, second floor.", 0],
  ["agent", "Perfect. The contract goes on without a gap. You only need to send us the meter reading.", 0.4],
  ["caller", "Oh, that is easy. Great.", 0.65],
];

export const badLine: readonly Line[] = [
  ["agent", "Northwind Energy, Priya here. Hello?", 0.1],
  ["caller", "Hello? I can hardly hear you, you keep breaking up.", -0.4],
  ["agent", "I am sorry, can you hear me now?", 0],
  ["caller", "Every second word. This is useless.", -0.65],
  ["agent", "Shall I call you back on another number?", 0.1],
];

export const scripts = [billing, service, badLine];

/** A long call: the dispute told clause by clause, over and over; 3,000 turns last some two hours and have 17,000 words. */
export function longScript(turns: number): readonly Line[] {
  const clauses = billing.flatMap(([speaker, text, mood]) => text.split(/(?<=[.,?]) /).map((clause): Line => [speaker, clause, mood]));
  return Array.from({ length: turns }, (_, index) => clauses[index % clauses.length] as Line);
}

const msPerWord = 330;
const pauseMs = 620;

export interface ScriptedCall {
  script: readonly Line[];
  segments: Segment[];
  durationMs: number;
}

/** Lays a script on the time line, word by word. */
export function scripted(callId: string, script: readonly Line[]): ScriptedCall {
  let at = 1200;
  const segments = script.map(([speaker, text, sentiment], index): Segment => {
    const startMs = at;
    const words = text.split(" ").map((word) => {
      const start = at;
      at += msPerWord * (0.5 + word.length / 9);
      return { text: word, startMs: Math.round(start), endMs: Math.round(at), confidence: word.length > 9 ? 0.44 : 0.9 };
    });
    const endMs = Math.round(at);
    at += index === 5 ? 4200 : pauseMs;
    const leg = speaker === "agent" ? 0 : 1;
    return {
      segmentId: `${callId}-${leg}-${startMs}`,
      leg,
      speaker,
      startMs: Math.round(startMs),
      endMs,
      text,
      words,
      final: true,
      revision: 9,
      engine: "scripted 1",
      confidence: 0.88,
      lostMs: 0,
      sentiment,
      error: "",
    };
  });
  return { script, segments, durationMs: Math.round(at + 800) };
}

export const agents = ["Dana Whitfield", "Marcus Oyelaran", "Priya Raman", "Jonas Lindqvist", "Amélie Fournier", "Tomasz Zieliński"];
const callers = ["+1 415 555 0132", "+49 30 5550 1874", "Helen Brookes", "+44 20 7946 0991", "+33 1 55 50 02 47", "R. Okafor"];
const queues = ["Billing", "Service", "Retention", "Sales"];

/** A number in 0..1 that is the same for the same call. */
export function chance(seed: number): number {
  const x = Math.sin(seed * 12.9898 + 4.1414) * 43_758.5453;
  return x - Math.floor(x);
}

export function measure(segments: readonly Segment[], durationMs: number): NonNullable<LiveCall["conversation"]> {
  const speech = (speaker: string) =>
    segments.filter((segment) => segment.speaker === speaker).reduce((sum, segment) => sum + segment.endMs - segment.startMs, 0);
  const agent = speech("agent");
  const caller = speech("caller");
  const count = (speaker: string) => segments.filter((segment) => segment.speaker === speaker).length;
  const words = (speaker: string) =>
    segments.filter((segment) => segment.speaker === speaker).reduce((sum, segment) => sum + segment.words.length, 0);
  const last = segments.reduce((end, segment) => Math.max(end, segment.endMs), 0);
  return {
    durationMs,
    agentSpeechMs: agent,
    callerSpeechMs: caller,
    talkRatio: agent + caller === 0 ? null : agent / (agent + caller),
    silenceMs: Math.max(0, durationMs - agent - caller - segments.length * 600),
    silenceCount: durationMs > 30_000 ? 1 : 0,
    silenceThresholdMs: 3000,
    longestSilenceMs: 4200,
    currentSilenceMs: Math.max(0, durationMs - last),
    overtalkMs: 1400,
    overtalkCount: 1,
    overtalkThresholdMs: 1000,
    agentInterruptions: 0,
    callerInterruptions: 1,
    agentTurns: count("agent"),
    callerTurns: count("caller"),
    longestAgentMonologueMs: 7100,
    longestCallerMonologueMs: 6200,
    responseLatencyMs: 640,
    agentWordsPerMinute: agent === 0 ? null : (words("agent") / agent) * 60_000,
    callerWordsPerMinute: caller === 0 ? null : (words("caller") / caller) * 60_000,
  };
}

export function lineAt(leg: number, fromMs: number, bad: boolean): LineQuality {
  const dip = bad && leg === 1 ? 1 : leg === 1 && Math.floor(fromMs / 5000) % 7 === 4 ? 0.35 : 0;
  const loss = dip * (4 + chance(fromMs) * 6);
  return {
    leg,
    fromMs,
    toMs: fromMs + 5000,
    mos: Math.max(1.4, 4.41 - loss * 0.19),
    rFactor: 93.2 - loss * 5,
    lossPercent: loss,
    packetsExpected: 250,
    packetsLost: Math.round(loss * 2.5),
    packetsLate: 0,
    jitterMs: 2 + loss * 3,
    burstRatio: 1.1,
    driftPpm: 12,
    codec: leg === 0 ? "G722" : "PCMU",
    silent: false,
  };
}

export function alertsOf(callId: string, segments: readonly Segment[], startedAt: number): Alert[] {
  const found = segments.find((segment) => segment.text.includes("cancel the whole contract"));
  const alerts: Alert[] = [];
  if (found !== undefined) {
    alerts.push({
      alertId: `${callId}-cancel`,
      callId,
      ruleId: "rule-1",
      ruleName: "Threatens to cancel",
      kind: "said",
      phrase: "cancel the whole contract",
      severity: "critical",
      atMs: found.startMs,
      raisedAt: new Date(startedAt + found.endMs).toISOString(),
      speaker: "caller",
      evidence: [{ segmentId: found.segmentId, atSeconds: found.startMs / 1000 }],
    });
  }
  const helpful = segments.find((segment) => segment.text.includes("third time"));
  if (helpful !== undefined) {
    alerts.push({
      alertId: `${callId}-recorded`,
      callId,
      ruleId: "rule-2",
      ruleName: "Recording not announced",
      kind: "not_said",
      phrase: "",
      severity: "warning",
      atMs: 15_000,
      raisedAt: new Date(startedAt + 15_000).toISOString(),
      speaker: null,
      evidence: [],
    });
  }
  return alerts;
}

/** A whole call, as the list, the board and its page show it; `upTo` cuts it off there. */
export function makeCall(id: string, seed: number, startedAt: number, script: readonly Line[], upTo: number | null): CallDetail & LiveCall {
  const whole = scripted(id, script);
  const durationMs = upTo ?? whole.durationMs;
  const segments = whole.segments.filter((segment) => segment.endMs <= durationMs);
  const bad = script === badLine;
  const mean = (side: string) => {
    const scores = segments.filter((segment) => segment.speaker === side).map((segment) => segment.sentiment ?? 0);
    return scores.length === 0 ? null : scores.reduce((sum, score) => sum + score, 0) / scores.length;
  };
  const curve = (side: string) =>
    segments.filter((segment) => segment.speaker === side).map((segment): [number, number] => [segment.startMs, segment.sentiment ?? 0]);
  const upset = segments.find((segment) => (segment.sentiment ?? 0) < -0.5);
  const alerts = alertsOf(id, segments, startedAt);
  const reasons = [
    ...(upset === undefined
      ? []
      : [
          {
            code: "caller_negative",
            label: "Caller upset",
            points: 31,
            evidence: [{ segmentId: upset.segmentId, atSeconds: upset.startMs / 1000 }],
          },
        ]),
    ...alerts.slice(0, 1).map((alert) => ({ code: "alert", label: alert.ruleName, points: 26, evidence: alert.evidence })),
    ...(bad ? [{ code: "line", label: "Bad line", points: 18, evidence: [] }] : []),
    ...(durationMs > 40_000 ? [{ code: "silence", label: "Long silence", points: 8, evidence: [] }] : []),
  ];
  const lineQuality = Array.from({ length: Math.floor(durationMs / 5000) }, (_, step) => [
    lineAt(0, step * 5000, bad),
    lineAt(1, step * 5000, bad),
  ]).flat();
  const last = segments[segments.length - 1];
  const live = upTo !== null;
  const caller = callers[seed % callers.length] ?? "";
  const agent = agents[seed % agents.length] ?? "";
  const leg = (index: number, speaker: "agent" | "caller", name: string, address: string, codec: string) => ({
    index,
    label: String(index + 1),
    speaker,
    speakerReason: index === 0 ? "extension-map" : "short-extension",
    name,
    address,
    agentName: speaker === "agent" ? name : "",
    codec,
    state: "active" as const,
  });
  return {
    id,
    startedAt: new Date(startedAt).toISOString(),
    endedAt: live ? null : new Date(startedAt + durationMs).toISOString(),
    durationMs: live ? null : durationMs,
    termination: live ? null : seed % 9 === 8 ? "media_timeout" : "bye",
    terminationDetail: live ? "" : "BYE from the recording client",
    direction: "inbound",
    queue: queues[seed % queues.length] ?? "",
    trunkId: "trunk-1",
    trunkName: "Head office PBX",
    source: "10.20.0.8:5060",
    agent,
    caller,
    legs: [
      leg(0, "agent", agent, `sip:21${seed % 90}@pbx.example`, "G722"),
      leg(1, "caller", caller, `sip:${seed}@carrier.example`, "PCMU"),
    ],
    recordingPaused: false,
    agentSentiment: mean("agent"),
    callerSentiment: mean("caller"),
    attention: Math.min(
      100,
      reasons.reduce((sum, reason) => sum + reason.points, 4),
    ),
    talkRatio: measure(segments, durationMs).talkRatio,
    mos: lineQuality.length === 0 ? null : Math.min(...lineQuality.map((line) => line.mos)) * 0.3 + 4.41 * 0.7,
    alertCount: alerts.length,
    stages: live
      ? ["running", "running", "running", "pending", "pending"]
      : seed % 9 === 8
        ? ["done", "done", "failed", "skipped", "done"]
        : ["done", "done", "done", "done", "done"],
    conversation: measure(segments, durationMs),
    attentionReasons: reasons,
    alerts,
    lineQuality,
    sentimentCurve: { agent: curve("agent"), caller: curve("caller") },
    lastWords: last === undefined ? null : { speaker: last.speaker, text: last.text, final: true },
    externalCallId: `pbx-${1000 + seed}`,
    sipCallId: `${id}@10.20.0.8`,
    peer: "10.20.0.8",
    userAgent: "FakePBX 4.2",
    recording: live
      ? null
      : {
          durationMs,
          sampleRate: 16_000,
          channels: 2,
          bytes: durationMs * 64,
          peakMs: 20,
          peaks: [peaksOf(segments, 0, durationMs), peaksOf(segments, 1, durationMs)],
          channelLegs: [0, 1],
        },
    dtmfCount: seed % 4 === 1 ? 4 : 0,
  };
}

/** Loudness of one side: words swell and fall, pauses are nearly still. */
function peaksOf(segments: readonly Segment[], leg: number, durationMs: number): string {
  const bytes = Buffer.alloc(Math.ceil(durationMs / 20));
  const words = segments.filter((segment) => segment.leg === leg).flatMap((segment) => segment.words);
  let next = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    const at = index * 20;
    while ((words[next]?.endMs ?? Number.POSITIVE_INFINITY) <= at) next += 1;
    const here = words[next];
    const word = here !== undefined && here.startMs <= at ? here : undefined;
    const swell =
      word === undefined
        ? 0.015
        : 0.25 + 0.6 * Math.sin(((at - word.startMs) / (word.endMs - word.startMs)) * Math.PI) * (0.5 + chance(word.startMs) * 0.5);
    bytes[index] = Math.min(255, Math.round((swell + chance(index + leg * 7919) * 0.12 * swell) * 255));
  }
  return bytes.toString("base64");
}

export function ledgerOf(call: CallDetail): LedgerStage[] {
  const start = Date.parse(call.startedAt);
  const end = call.endedAt === null ? null : Date.parse(call.endedAt);
  const names = ["record", "media", "transcript", "insight", "score"] as const;
  const details = [
    "CDR written",
    "2 streams, 1 recording",
    `${call.conversation?.agentTurns ?? 0} and ${call.conversation?.callerTurns ?? 0} turns by scripted 1`,
    "Sentiment and phrase rules",
    "Attention, weights of version 1",
  ];
  return names.map((stage, index) => {
    const outcome = call.stages[index] ?? "pending";
    const failed = outcome === "failed" || outcome === "skipped";
    return {
      stage,
      outcome,
      startedAt: outcome === "pending" ? null : new Date(end === null ? start : end + index * 240).toISOString(),
      finishedAt: outcome === "pending" || outcome === "running" || end === null ? null : new Date(end + index * 240 + 180).toISOString(),
      detail:
        outcome === "failed"
          ? "The speech engine did not answer three times in a row."
          : outcome === "skipped"
            ? "There were no words to look at."
            : (details[index] ?? ""),
      remedy: failed && outcome === "failed" ? "See Settings, System status for the engine; then run the transcript again." : "",
    };
  });
}
