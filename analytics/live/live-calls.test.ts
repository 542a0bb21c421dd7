import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { type LiveEvent, liveCall, liveEvent } from "@earshot/proto/api/live.ts";
import { decodeEvent, type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { callEnded, callStarted, startedAtMs, words } from "../api/testing/example-events.ts";
import { LiveCalls } from "./live-calls.ts";
import { liveSettings } from "./settings.ts";

const tenant = tenantId("one");
const other = tenantId("two");
const { values } = readSettings({ live: liveSettings }, {});

let clock: ManualClock;
let live: LiveCalls;
let told: { tenant: string; event: LiveEvent }[];

beforeEach(() => {
  clock = new ManualClock();
  live = new LiveCalls({ eventLog: {} as EventLog, clock, log: silentLog, metrics: createMetrics(), settings: values.live });
  told = [];
  live.onEvent((to, event) => told.push({ tenant: to, event: structuredClone(event) }));
});

const apply = (event: EventInit) => live.apply(decodeEvent(encodeEvent(event)));
const payload = (callId: string, value: EventInit["payload"], occurredAtMs = startedAtMs): EventInit => ({
  id: "x",
  tenantId: tenant,
  callId,
  occurredAtMs,
  payload: value,
});

describe("a call", () => {
  test("is up from its start until a while after its end", () => {
    apply(callStarted(tenant, "a"));
    expect(live.count(tenant)).toBe(1);
    expect(live.list(tenant)[0]).toMatchObject({ id: "a", agent: "Ada", caller: "Grace", endedAt: null });
    apply(callEnded(tenant, "a"));
    expect(live.count(tenant)).toBe(0);
    expect(live.get(tenant, "a")).toMatchObject({ termination: "bye", durationMs: expect.any(Number) });
    clock.advance(values.live.endedCallMs);
    expect(live.list(tenant)).toEqual([]);
    expect(told.map(({ event }) => event.type)).toEqual(["call.started", "call.ended"]);
  });

  test("of another tenant is another call, whatever its id", () => {
    apply(callStarted(tenant, "same"));
    apply(callStarted(other, "same"));
    apply(words(other, "same", "secret of two"));
    expect(live.get(tenant, "same")?.lastWords).toBeNull();
    expect(live.get(other, "same")?.lastWords?.text).toBe("secret of two");
    expect(told.filter(({ tenant: to }) => to === tenant).map(({ event }) => event.type)).toEqual(["call.started"]);
  });

  test("started twice (redelivery) keeps what it has gathered", () => {
    apply(callStarted(tenant, "a"));
    apply(words(tenant, "a", "hello"));
    apply(callStarted(tenant, "a"));
    expect(live.get(tenant, "a")?.lastWords?.text).toBe("hello");
    expect(told).toHaveLength(2);
  });

  test("takes what was read before its start", () => {
    apply(payload("a", { case: "stageReached", value: { stage: "record", outcome: "running", startedAtMs } }));
    apply(words(tenant, "a", "early words"));
    apply(callStarted(tenant, "a"));
    expect(live.get(tenant, "a")).toMatchObject({
      lastWords: { text: "early words" },
      stages: ["running", "pending", "pending", "pending", "pending"],
    });
  });
});

describe("words", () => {
  beforeEach(() => apply(callStarted(tenant, "a")));

  test("a lower revision, or a partial after the final, changes nothing", () => {
    apply(words(tenant, "a", "good", { revision: 1 }));
    apply(words(tenant, "a", "good morning", { revision: 3 }));
    apply(words(tenant, "a", "good mo", { revision: 2 }));
    apply(words(tenant, "a", "good morning", { revision: 3 }));
    apply(words(tenant, "a", "Good morning.", { revision: 4, final: true }));
    apply(words(tenant, "a", "good mourning", { revision: 9 }));
    apply(words(tenant, "a", "Good morning.", { revision: 4, final: true }));
    const texts = told.flatMap(({ event }) => ("segment" in event ? [event.segment.text] : []));
    expect(texts).toEqual(["good", "good morning", "Good morning."]);
    expect(live.get(tenant, "a")?.lastWords).toEqual({ speaker: "caller", text: "Good morning.", final: true });
  });

  test("of two finals of one segment the higher revision counts, whichever comes first", () => {
    const final = (text: string, revision: number, startMs: number) => apply(words(tenant, "a", text, { revision, final: true, startMs }));
    final("by the worker that was cut off", 3, 1000);
    final("by its successor", 100_002, 1000);
    final("by the successor of another", 100_001, 5000);
    final("by the other that was cut off", 4, 5000);
    const texts = (startMs: number) =>
      told.flatMap(({ event }) => ("segment" in event && event.segment.startMs === startMs ? [event.segment.text] : []));
    expect(texts(1000)).toEqual(["by the worker that was cut off", "by its successor"]);
    expect(texts(5000)).toEqual(["by the successor of another"]);
  });

  test("an utterance that could not be recognised is told, and does not blank the last words", () => {
    apply(words(tenant, "a", "hello", { final: true }));
    const failed = words(tenant, "a", "", { final: true, startMs: 5000 });
    failed.payload.value.error = "engine failed";
    apply(failed);
    expect(told.at(-1)?.event).toMatchObject({ type: "transcript.final", segment: { text: "", error: "engine failed" } });
    expect(live.get(tenant, "a")?.lastWords?.text).toBe("hello");
  });
});

describe("what is known of a call", () => {
  beforeEach(() => apply(callStarted(tenant, "a")));

  test("sentiment: mean and curve per side, each segment once", () => {
    const feel = (leg: number, startMs: number, score: number) =>
      apply(payload("a", { case: "sentiment", value: { segmentId: `s${leg}-${startMs}`, leg, score, trend: score, startMs } }));
    feel(1, 2000, -1);
    feel(1, 1000, 0);
    feel(1, 2000, -1);
    feel(0, 1500, 0.5);
    expect(live.get(tenant, "a")).toMatchObject({
      callerSentiment: -0.5,
      agentSentiment: 0.5,
      sentimentCurve: {
        agent: [[1500, 0.5]],
        caller: [
          [1000, 0],
          [2000, -1],
        ],
      },
    });
    for (let i = 0; i < 40; i++) feel(1, 10_000 + i, 0);
    expect(live.get(tenant, "a")?.sentimentCurve.caller).toHaveLength(30);
    expect(told.filter(({ event }) => event.type === "sentiment")).toHaveLength(43);
  });

  test("line quality: the newest per leg, and the worst leg's mean", () => {
    const hear = (leg: number, toMs: number, mos: number) =>
      apply(
        payload("a", {
          case: "lineQuality",
          value: { leg, fromMs: toMs - 5000, toMs, mos, packetsExpected: 250, packetsReceived: 245, packetsLost: 5, codec: "PCMA" },
        }),
      );
    hear(0, 5000, 4.4);
    hear(1, 5000, 3);
    hear(1, 10_000, 2);
    hear(1, 5000, 3);
    const call = live.get(tenant, "a")!;
    expect(call.mos).toBeCloseTo(2.5);
    expect(call.lineQuality.map(({ leg, toMs, lossPercent }) => [leg, toMs, lossPercent])).toEqual([
      [0, 5000, 2],
      [1, 10_000, 2],
    ]);
  });

  test("measures, attention, alerts, ledger, corrected sides", () => {
    apply(
      payload("a", {
        case: "conversationMetrics",
        value: { durationMs: 5000, talkRatio: -1, responseLatencyMs: -1, agentWordsPerMinute: -1, callerWordsPerMinute: 120 },
      }),
    );
    apply(
      payload("a", {
        case: "attention",
        value: { score: 140, reasons: [{ code: "alert", label: "Alert", points: 20, evidence: [] }], version: "1" },
      }),
    );
    const alert = payload("a", {
      case: "alert",
      value: { alertId: "al", ruleId: "r", ruleName: "Cancel", kind: "said", phrase: "cancel", severity: "odd", atMs: 1, leg: 1 },
    });
    apply(alert);
    apply(alert);
    apply(payload("a", { case: "stageReached", value: { stage: "media", outcome: "done", startedAtMs } }, startedAtMs + 10));
    apply(payload("a", { case: "stageReached", value: { stage: "media", outcome: "running", startedAtMs } }));
    apply(payload("a", { case: "stageReached", value: { stage: "magic", outcome: "done" } }));
    const call = live.get(tenant, "a")!;
    expect(call).toMatchObject({
      conversation: { talkRatio: null, responseLatencyMs: null, agentWordsPerMinute: null, callerWordsPerMinute: 120 },
      attention: 100,
      attentionReasons: [{ code: "alert", points: 20 }],
      alertCount: 1,
      alerts: [{ alertId: "al", severity: "warning", speaker: "caller" }],
      stages: ["pending", "done", "pending", "pending", "pending"],
    });
    expect(live.recentAlerts(tenant).map(({ alertId }) => alertId)).toEqual(["al"]);
    expect(live.recentAlerts(other)).toEqual([]);
    const legs = [
      { index: 0, speaker: 2, speakerReason: "corrected", participant: { name: "Ada" }, state: "active" },
      { index: 1, speaker: 1, speakerReason: "corrected", participant: { name: "Grace" }, state: "paused" },
    ];
    apply(payload("a", { case: "callUpdated", value: { legs, recordingPaused: true, reason: "command" } }));
    expect(live.get(tenant, "a")).toMatchObject({ agent: "Grace", caller: "Ada", recordingPaused: true, queue: "support" });
  });

  test("fits the contract, state and events alike", () => {
    apply(words(tenant, "a", "hello"));
    apply(payload("a", { case: "conversationMetrics", value: { durationMs: 1 } }));
    apply(payload("a", { case: "lineQuality", value: { leg: 0, toMs: 5000, mos: 4 } }));
    apply(payload("a", { case: "attention", value: { score: 3, version: "1" } }));
    apply(payload("a", { case: "alert", value: { alertId: "x", kind: "not_said", severity: "info" } }));
    apply(payload("a", { case: "sentiment", value: { segmentId: "s", score: 0.1 } }));
    apply(payload("a", { case: "stageReached", value: { stage: "record", outcome: "failed", detail: "full", remedy: "free" } }));
    apply(payload("a", { case: "callUpdated", value: {} }));
    apply(callEnded(tenant, "a"));
    for (const { event } of told) expect(() => liveEvent.parse(event), event.type).not.toThrow();
    expect(new Set(told.map(({ event }) => event.type)).size).toBe(10);
    for (const call of live.list(tenant)) expect(() => liveCall.parse(call)).not.toThrow();
  });
});

test("events without tenant or call, and for calls never heard of, leave nothing behind", () => {
  apply({ ...callStarted(tenant, "a"), tenantId: "" });
  apply({ ...callStarted(tenant, ""), callId: "" });
  for (let i = 0; i < 3000; i++) apply(words(tenant, `ghost-${i}`, "boo"));
  expect(live.list(tenant)).toEqual([]);
  expect(told).toEqual([]);
});
