import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { evaluationFile } from "../testing/evaluation-data.ts";
import { type ConversationInput, measureConversation } from "./conversation.ts";
import { SpeechIntervals } from "./speech-intervals.ts";

const base: ConversationInput = {
  agent: [],
  caller: [],
  separate: true,
  durationMs: 20_000,
  silenceThresholdMs: 3000,
  overtalkThresholdMs: 1000,
  agentWords: 0,
  callerWords: 0,
};

describe("conversation metrics", () => {
  it("measures talk, silence, turns, answers and words", () => {
    const measured = measureConversation({
      ...base,
      agent: [0, 2000, 2500, 4000, 8000, 10_000],
      caller: [5000, 7000, 14_000, 16_000],
      agentWords: 11,
      callerWords: 8,
    });
    expect(measured).toMatchObject({
      agentSpeechMs: 5500,
      callerSpeechMs: 4000,
      talkRatio: 5500 / 9500,
      silenceMs: 10_500,
      silenceCount: 2,
      longestSilenceMs: 4000,
      currentSilenceMs: 4000,
      overtalkMs: 0,
      agentTurns: 2,
      callerTurns: 2,
      longestAgentMonologueMs: 4000,
      longestCallerMonologueMs: 2000,
      responseLatencyMs: 1000,
      agentWordsPerMinute: 120,
      callerWordsPerMinute: 120,
    });
  });

  it("counts overtalk over the threshold, and who began to speak while the other did", () => {
    const measured = measureConversation({
      ...base,
      agent: [0, 5000, 9000, 12_000, 15_000, 15_500],
      caller: [3500, 10_500, 15_200, 18_000],
    });
    expect(measured).toMatchObject({ overtalkMs: 3000, overtalkCount: 2, callerInterruptions: 1, agentInterruptions: 1 });
  });

  it("gives no ratio where nobody has spoken, and none on a mixed stream", () => {
    expect(measureConversation(base)).toMatchObject({ talkRatio: -1, responseLatencyMs: -1, agentWordsPerMinute: -1, silenceMs: 20_000 });
    expect(measureConversation({ ...base, agent: [0, 9000], separate: false })).toMatchObject({
      talkRatio: -1,
      silenceMs: 11_000,
      agentTurns: 0,
    });
  });

  const rttm = evaluationFile("overlap/pyannote/sample.rttm");
  const truth = evaluationFile("overlap/pyannote/EXPECTED_INTERACTION.json");
  it.skipIf(rttm === undefined || truth === undefined)("agrees with the published seconds of a real conversation", () => {
    const expected = JSON.parse(readFileSync(truth!, "utf8")).sample;
    const sides = { speaker90: new SpeechIntervals(), speaker91: new SpeechIntervals() };
    for (const line of readFileSync(rttm!, "utf8").trim().split("\n")) {
      const fields = line.split(/\s+/);
      const from = Math.round(Number(fields[3]) * 1000);
      sides[fields[7] as keyof typeof sides].add(from, from + Math.round(Number(fields[4]) * 1000), 0);
    }
    const measured = measureConversation({
      ...base,
      durationMs: expected.durationSec * 1000,
      agent: sides.speaker90.bounds,
      caller: sides.speaker91.bounds,
      silenceThresholdMs: 1000,
      overtalkThresholdMs: 0,
    });
    expect(measured.agentSpeechMs).toBe(expected.talkSec.speaker90 * 1000);
    expect(measured.callerSpeechMs).toBe(expected.talkSec.speaker91 * 1000);
    expect(measured.silenceMs).toBe(expected.silenceSec * 1000);
    expect(measured.overtalkMs).toBe(expected.overtalkSec * 1000);
    expect(measured.overtalkCount).toBe(expected.overtalkSegments.length);
    expect(measured.silenceCount).toBe(expected.silencesOver1s.length);
    expect(measured.longestSilenceMs).toBe((expected.silencesOver1s[0][1] - expected.silencesOver1s[0][0]) * 1000);
    expect(measured.longestAgentMonologueMs).toBe(expected.longestTurnSec.speaker90 * 1000);
    expect(measured.longestCallerMonologueMs).toBe(expected.longestTurnSec.speaker91 * 1000);
  });
});
