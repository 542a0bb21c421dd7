/** One made-up call as the events that the services would have published for it. */
import type { Event } from "@earshot/proto/event.ts";
import { callId, segmentId } from "@earshot/proto/ids.ts";
import { type Line, makeDialogue } from "./dialogues.ts";
import { makeEvent, type PayloadInit } from "./make-event.ts";
import type { Random } from "./random.ts";

export type Staff = { readonly name: string; readonly extension: string };
export type CallPlan = {
  readonly tenant: string;
  readonly id: string;
  readonly startMs: number;
  readonly agent: Staff;
  readonly badLine: boolean;
};

type Utterance = Line & { readonly segmentId: string; readonly leg: number; readonly startMs: number; readonly endMs: number };

const engine = "seed";

export function makeCall(random: Random, plan: CallPlan): Event[] {
  const dialogue = makeDialogue(random, plan.agent.name);
  const utterances = timed(random, plan.id, dialogue.lines);
  const durationMs = utterances.at(-1)!.endMs + random.whole(500, 3000);
  const endMs = plan.startMs + durationMs;
  const events: Event[] = [];
  const at = (offsetMs: number, payload: PayloadInit) => events.push(makeEvent(plan.tenant, plan.id, plan.startMs + offsetMs, payload));
  const inbound = dialogue.topic !== "sale" || random.chance(0.6);

  at(0, {
    case: "callStarted",
    value: {
      startedAtMs: plan.startMs,
      trunkId: "seed",
      trunkName: "Seeded history",
      legs: [
        {
          index: 0,
          label: "1",
          speaker: 1,
          speakerReason: "extension-map",
          participant: { name: plan.agent.name, address: `sip:${plan.agent.extension}@pbx.example` },
          agentName: plan.agent.name,
          codec: 1,
          state: "active",
        },
        // +49 30 23125 000 to 999 are set aside for film and print, and reach nobody.
        {
          index: 1,
          label: "2",
          speaker: 2,
          speakerReason: "extension-map",
          participant: { name: "", address: `sip:+493023125${random.whole(100, 999)}@pbx.example` },
          codec: 1,
          state: "active",
        },
      ],
      sipCallId: `${plan.id}@pbx.example`,
      externalCallId: plan.id,
      direction: inbound ? "inbound" : "outbound",
      queue: dialogue.queue,
      source: "seed",
      peer: "192.0.2.10:5060",
      userAgent: "Earshot seeder",
    },
  });
  for (const said of utterances) {
    at(said.endMs + 700, { case: "transcriptSegment", value: segmentOf(said, random) });
    at(said.endMs + 720, {
      case: "sentiment",
      value: {
        segmentId: said.segmentId,
        leg: said.leg,
        score: said.sentiment,
        trend: said.sentiment,
        analyser: engine,
        analyserVersion: "1",
        startMs: said.startMs,
      },
    });
  }
  const alerts = alertsOf(plan.id, utterances);
  for (const alert of alerts) at(alert.atMs + 800, { case: "alert", value: alert });
  const mos = quality(random, plan, durationMs, at);
  at(durationMs, { case: "conversationMetrics", value: conversationOf(utterances, durationMs) });
  at(durationMs, { case: "attention", value: attentionOf(utterances, alerts, mos) });
  at(durationMs, {
    case: "callEnded",
    value: {
      endedAtMs: endMs,
      startedAtMs: plan.startMs,
      termination: plan.badLine && random.chance(0.3) ? "media_timeout" : "bye",
      detail: "",
      packetsReceived: Math.round(durationMs / 10),
      packetsLost: mos < 3.6 ? Math.round(durationMs / 250) : 0,
    },
  });
  const stage = (name: string, outcome: string, detail = "") =>
    at(durationMs + 1000, { case: "stageReached", value: { stage: name, outcome, detail, startedAtMs: plan.startMs } });
  stage("record", "skipped", "Made by the seeder: there is no audio.");
  for (const name of ["media", "transcript", "insight", "score"]) stage(name, "done");
  return events;
}

/** Turns one after the other at a speaker's pace, with pauses, and a few that begin before the other has ended. */
function timed(random: Random, id: string, lines: readonly Line[]): Utterance[] {
  let clock = random.whole(600, 2500);
  return lines.map((line) => {
    const startMs = Math.max(0, clock);
    const endMs = startMs + line.text.split(" ").length * random.whole(300, 420) + 300;
    clock = endMs + (random.chance(0.12) ? -random.whole(200, 900) : random.whole(300, random.chance(0.08) ? 9000 : 1800));
    const leg = line.side === "agent" ? 0 : 1;
    return { ...line, leg, startMs, endMs, segmentId: segmentId(callId(id), leg, startMs) };
  });
}

function segmentOf(said: Utterance, random: Random) {
  const texts = said.text.split(" ");
  const each = (said.endMs - said.startMs) / texts.length;
  return {
    segmentId: said.segmentId,
    leg: said.leg,
    startMs: said.startMs,
    endMs: said.endMs,
    text: said.text,
    words: texts.map((text, index) => ({
      text,
      startMs: Math.round(said.startMs + index * each),
      endMs: Math.round(said.startMs + (index + 0.9) * each),
      confidence: -1,
    })),
    final: true,
    revision: 1,
    engine,
    engineVersion: "1",
    language: "en",
    confidence: Math.round((0.75 + random.next() * 0.24) * 100) / 100,
    speaker: said.side === "agent" ? 1 : 2,
  };
}

const alertPhrases = [
  { rule: "Asks for a supervisor", phrase: "supervisor", severity: "warning" },
  { rule: "Legal action", phrase: "my lawyer", severity: "critical" },
  { rule: "Cancellation", phrase: "want to cancel my", severity: "warning" },
  { rule: "Cancellation", phrase: "cancel my contract", severity: "warning" },
] as const;

function alertsOf(id: string, utterances: readonly Utterance[]) {
  return utterances.flatMap((said) => {
    const found = said.side === "caller" ? alertPhrases.find(({ phrase }) => said.text.toLowerCase().includes(phrase)) : undefined;
    if (found === undefined) return [];
    return [
      {
        alertId: `${id}-${found.rule}-${said.startMs}`,
        ruleId: `seed-${found.rule.toLowerCase().replaceAll(" ", "-")}`,
        ruleName: found.rule,
        kind: "said",
        phrase: found.phrase,
        severity: found.severity,
        atMs: said.startMs,
        leg: said.leg,
        evidence: [{ segmentId: said.segmentId, atSeconds: said.startMs / 1000 }],
      },
    ];
  });
}

/** Line quality every 30 s per leg. @returns the worst leg's mean MOS */
function quality(random: Random, plan: CallPlan, durationMs: number, at: (offsetMs: number, payload: PayloadInit) => void): number {
  let worst = 5;
  for (const leg of [0, 1]) {
    const means: number[] = [];
    const loss = plan.badLine && leg === 1 ? 2 + random.next() * 8 : random.next() * 0.3;
    for (let fromMs = 0; fromMs < durationMs; fromMs += 30_000) {
      const toMs = Math.min(durationMs, fromMs + 30_000);
      const packetsExpected = Math.max(1, Math.round((toMs - fromMs) / 20));
      const packetsLost = Math.round((packetsExpected * loss * (0.5 + random.next())) / 100);
      const percent = (100 * packetsLost) / packetsExpected;
      // Reduced E-model, G.711 with concealment, 40 ms one way: ITU-T G.107, G.113.
      const rFactor = 93.2 - 0.024 * 40 - (95 * percent) / (percent + 25.1);
      const mos = 1 + 0.035 * rFactor + rFactor * (rFactor - 60) * (100 - rFactor) * 7e-6;
      means.push(mos);
      at(toMs, {
        case: "lineQuality",
        value: {
          leg,
          fromMs,
          toMs,
          packetsExpected,
          packetsReceived: packetsExpected - packetsLost,
          packetsLost,
          jitterMs: 1 + random.next() * (loss + 1) * 4,
          burstRatio: 1 + loss / 10,
          driftPpm: (random.next() - 0.5) * 20,
          rFactor,
          mos,
          delayMs: 40,
          codec: "PCMA",
        },
      });
    }
    worst = Math.min(worst, means.reduce((sum, mos) => sum + mos, 0) / means.length);
  }
  return worst;
}

const overtalkThresholdMs = 1000;

function conversationOf(utterances: readonly Utterance[], durationMs: number) {
  const of = (side: Line["side"]) => utterances.filter((said) => said.side === side);
  const speech = (side: Line["side"]) => of(side).reduce((sum, said) => sum + said.endMs - said.startMs, 0);
  const words = (side: Line["side"]) => of(side).reduce((sum, said) => sum + said.text.split(" ").length, 0);
  const longest = (side: Line["side"]) => Math.max(0, ...of(side).map((said) => said.endMs - said.startMs));
  const gaps = utterances
    .slice(1)
    .map((said, index) => ({ said, gapMs: said.startMs - utterances[index]!.endMs, before: utterances[index]! }));
  const silences = gaps.filter(({ gapMs }) => gapMs >= 3000).map(({ gapMs }) => gapMs);
  const overlaps = gaps.filter(({ gapMs }) => gapMs < 0);
  // As the pipeline counts: every quiet moment is silence, but only a long overlap is overtalk.
  const overtalks = overlaps.filter(({ gapMs }) => gapMs <= -overtalkThresholdMs);
  const latencies = gaps
    .filter(({ said, before, gapMs }) => said.side === "agent" && before.side === "caller" && gapMs >= 0)
    .map(({ gapMs }) => gapMs);
  const agentSpeechMs = speech("agent");
  const callerSpeechMs = speech("caller");
  return {
    final: true,
    durationMs,
    agentSpeechMs,
    callerSpeechMs,
    talkRatio: agentSpeechMs / (agentSpeechMs + callerSpeechMs),
    silenceMs: gaps.reduce((sum, { gapMs }) => sum + Math.max(0, gapMs), 0),
    silenceCount: silences.length,
    silenceThresholdMs: 3000,
    longestSilenceMs: Math.max(0, ...gaps.map(({ gapMs }) => gapMs)),
    overtalkMs: overtalks.reduce((sum, { gapMs }) => sum - gapMs, 0),
    overtalkCount: overtalks.length,
    agentInterruptions: overlaps.filter(({ said }) => said.side === "agent").length,
    callerInterruptions: overlaps.filter(({ said }) => said.side === "caller").length,
    agentTurns: of("agent").length,
    callerTurns: of("caller").length,
    longestAgentMonologueMs: longest("agent"),
    longestCallerMonologueMs: longest("caller"),
    responseLatencyMs: latencies.length === 0 ? -1 : (latencies.sort((a, b) => a - b)[latencies.length >> 1] ?? -1),
    agentWordsPerMinute: (words("agent") * 60_000) / agentSpeechMs,
    callerWordsPerMinute: (words("caller") * 60_000) / callerSpeechMs,
    overtalkThresholdMs,
  };
}

function attentionOf(utterances: readonly Utterance[], alerts: ReturnType<typeof alertsOf>, mos: number) {
  const caller = utterances.filter((said) => said.side === "caller");
  const worst = caller.toSorted((a, b) => a.sentiment - b.sentiment)[0];
  const reasons = [];
  if (worst !== undefined && worst.sentiment < -0.4)
    reasons.push({
      code: "caller_negative",
      label: "The caller is upset",
      points: Math.round(-worst.sentiment * 40),
      evidence: [{ segmentId: worst.segmentId, atSeconds: worst.startMs / 1000 }],
    });
  if (alerts.length > 0) reasons.push({ code: "alert", label: "A phrase alert", points: 30, evidence: alerts[0]!.evidence });
  if (mos < 3.6) reasons.push({ code: "bad_line", label: "The line is bad", points: 15, evidence: [] });
  return {
    score: Math.min(
      100,
      reasons.reduce((sum, reason) => sum + reason.points, 0),
    ),
    reasons,
    version: "seed-1",
  };
}
