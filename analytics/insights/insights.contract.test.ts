import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import type { EventLog, SubscribeOptions } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import type { PhraseRule } from "@earshot/proto/api/administration.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, type Event, type EventInit, encodeEvent, type PayloadCase, type PayloadOf } from "@earshot/proto/event.ts";
import { allTopics, topics } from "@earshot/proto/topics.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createInsights } from "./insights.ts";
import { type InsightsSettings, insightsSettings } from "./settings.ts";

const settings = Object.fromEntries(
  Object.entries(insightsSettings).map(([name, spec]) => [name, spec.default]),
) as unknown as InsightsSettings;
const agent = { index: 0, speaker: 1 };
const caller = { index: 1, speaker: 2 };

let directory: string;
let clock: ManualClock;
let eventLog: EventLog;
let insights: Component;
let rules: PhraseRule[];

async function open(): Promise<void> {
  eventLog = createEmbeddedEventLog({
    directory,
    clock,
    log: silentLog,
    metrics: createMetrics(),
    settings: { ...defaultPlatformSettings(), writeDelayMs: 0 },
  });
  await eventLog.start();
  await eventLog.declare(allTopics);
  await startInsights();
}

async function startInsights(more: Partial<InsightsSettings> = {}): Promise<void> {
  insights = createInsights({
    eventLog,
    log: silentLog,
    metrics: createMetrics(),
    clock,
    settings: { ...settings, ...more },
    rulesOf: async (tenant) => (tenant === "acme" ? rules : []),
  });
  await insights.start();
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "earshot-insights-"));
  clock = new ManualClock();
  rules = [];
  await open();
});
afterEach(async () => {
  await insights.stop(1000);
  await eventLog.stop(1000);
  await rm(directory, { recursive: true, force: true });
});

const topicOf: Partial<Record<PayloadCase, string>> = {
  transcriptSegment: topics.transcripts.name,
  conversationMetrics: topics.conversation.name,
  lineQuality: topics.lineQuality.name,
};

function publish(callId: string, payload: EventInit["payload"], tenantId = "acme"): Promise<unknown> {
  const topic = topicOf[payload!.case!] ?? topics.calls.name;
  return eventLog.publish(topic, callId, encodeEvent({ id: "x", tenantId, callId, occurredAtMs: clock.now(), payload }));
}
const started = (callId: string, tenantId = "acme") =>
  publish(callId, { case: "callStarted", value: { startedAtMs: clock.now(), legs: [agent, caller] } }, tenantId);
const ended = (callId: string) => publish(callId, { case: "callEnded", value: { endedAtMs: clock.now(), termination: "bye" } });
/** The pipeline has told all words of the call. */
const allSaid = (callId: string) => publish(callId, { case: "conversationMetrics", value: { durationMs: 60_000, final: true } });
const said = (callId: string, leg: number, startMs: number, text: string, more: object = {}) =>
  publish(callId, {
    case: "transcriptSegment",
    value: { segmentId: `${callId}-${leg}-${startMs}`, leg, startMs, endMs: startMs + 1500, text, final: true, revision: 1, ...more },
  });

/** Everything on a topic, oldest first. */
async function events(topic: string): Promise<Event[]> {
  await eventLog.flush();
  const out: Event[] = [];
  for (const { partition, next } of await eventLog.bounds(topic)) {
    for (const record of await eventLog.read(topic, partition, 0, next)) {
      const event = decodeEvent(record.value);
      expect(record.key).toBe(event.callId);
      out.push(event);
    }
  }
  return out;
}
async function payloads<C extends PayloadCase>(which: C, topic: string = topics.insights.name): Promise<PayloadOf<C>[]> {
  return (await events(topic)).filter((event) => event.payload.case === which).map((event) => event.payload.value as PayloadOf<C>);
}
/** Waits until what is expected is on the log. */
async function eventually<C extends PayloadCase>(which: C, count: number, topic: string = topics.insights.name): Promise<PayloadOf<C>[]> {
  let found: PayloadOf<C>[] = [];
  await expect
    .poll(
      async () => {
        found = await payloads(which, topic);
        return found.length;
      },
      { timeout: 5000, interval: 10 },
    )
    .toBeGreaterThanOrEqual(count);
  return found;
}
/** Long enough for anything wrong to have shown itself. */
const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));

const phrase = (more: Partial<PhraseRule>): PhraseRule => ({
  id: "r1",
  name: "Cancellation",
  enabled: true,
  kind: "said",
  phrases: ["cancel ... contract"],
  speaker: "caller",
  withinSeconds: 30,
  severity: "critical",
  ...more,
});

describe("insights", () => {
  test("each final segment gets its sentiment, partials and failed ones none", async () => {
    await started("c1");
    await said("c1", 1, 1000, "this is", { final: false, revision: 0 });
    await said("c1", 1, 1000, "This is a terrible service");
    await said("c1", 0, 4000, "", { error: "engine_unavailable" });
    await said("c1", 1, 6000, "It is not working");
    const found = await eventually("sentiment", 2);
    await quiet();
    expect(await payloads("sentiment")).toHaveLength(2);
    expect(found.map(({ segmentId, leg, startMs }) => ({ segmentId, leg, startMs }))).toEqual([
      { segmentId: "c1-1-1000", leg: 1, startMs: 1000 },
      { segmentId: "c1-1-6000", leg: 1, startMs: 6000 },
    ]);
    for (const one of found) expect(one.score).toBeLessThan(-0.3);
    expect(found[0]!.trend).toBeCloseTo(found[0]!.score);
    expect(found[0]!.analyserVersion).not.toBe("");
  });

  test("a phrase alert is raised once per rule and call, with its evidence, and moves attention", async () => {
    rules = [phrase({})];
    await started("c1");
    await said("c1", 0, 1000, "do you want to cancel your contract");
    await said("c1", 1, 5000, "Yes, I'd like to cancel this contract.");
    await said("c1", 1, 9000, "cancel my contract I said");
    const [alert] = await eventually("alert", 1);
    await eventually("sentiment", 3);
    expect(alert).toMatchObject({ alertId: "c1-r1", ruleId: "r1", ruleName: "Cancellation", kind: "said", severity: "critical", leg: 1 });
    expect(alert!.evidence.map((one) => one.segmentId)).toEqual(["c1-1-5000"]);
    const attention = (await eventually("attention", 1)).at(-1)!;
    expect(attention.reasons.map((reason) => reason.code)).toContain("alert");
    await quiet();
    expect(await payloads("alert")).toHaveLength(1);
  });

  test("a quiet call is judged by the clock: what was not said in time raises the alert", async () => {
    rules = [phrase({ kind: "not_said", phrases: ["this call is recorded"], speaker: "agent", withinSeconds: 20, severity: "warning" })];
    await started("quiet");
    await started("told");
    await eventually("stageReached", 2, topics.ledger.name);
    await said("told", 0, 3000, "Hello, this call is recorded.");
    await eventually("sentiment", 1);
    clock.advance(20_000 + settings.notSaidGraceMs - 1);
    await quiet();
    expect(await payloads("alert")).toEqual([]);
    clock.advance(1);
    expect((await eventually("alert", 1)).map(({ alertId, kind, atMs, evidence }) => ({ alertId, kind, atMs, evidence }))).toEqual([
      { alertId: "quiet-r1", kind: "not_said", atMs: 20_000, evidence: [] },
    ]);
    clock.advance(60_000);
    await quiet();
    expect(await payloads("alert")).toHaveLength(1);
  });

  test("the side of a leg may be corrected in mid-call: from then on the other one is the caller", async () => {
    await started("c1");
    await said("c1", 0, 1000, "this is terrible and awful, I am very angry");
    await eventually("sentiment", 1);
    await quiet();
    expect(await payloads("attention")).toEqual([]);
    await publish("c1", {
      case: "callUpdated",
      value: {
        legs: [
          { index: 0, speaker: 2 },
          { index: 1, speaker: 1 },
        ],
        reason: "command",
      },
    });
    const [attention] = await eventually("attention", 1);
    expect(attention!.reasons[0]).toMatchObject({ code: "caller_negative", evidence: [{ segmentId: "c1-0-1000", atSeconds: 1 }] });
  });

  test("attention is published when it changes, at most once a second, and the last state is never lost", async () => {
    await started("c1");
    const line = (mos: number, fromMs: number) =>
      publish("c1", { case: "lineQuality", value: { leg: 1, mos, fromMs, toMs: fromMs + 5000 } });
    await line(3, 0);
    await eventually("attention", 1);
    await line(2.8, 5000);
    await line(2.6, 10_000);
    await line(2.4, 15_000);
    await quiet();
    expect((await payloads("attention")).map((one) => one.score)).toEqual([6]);
    clock.advance(1000);
    expect((await eventually("attention", 2)).map((one) => one.score)).toEqual([6, 12]);
    await line(2.4, 20_000);
    clock.advance(5000);
    await quiet();
    expect(await payloads("attention")).toHaveLength(2);
    await line(4.4, 25_000);
    const cleared = (await eventually("attention", 3)).at(-1)!;
    expect([cleared.score, cleared.reasons]).toEqual([0, []]);
  });

  test("the ledger tells the stages: running, and done when the late words are in", async () => {
    await started("c1");
    await said("c1", 1, 1000, "hello there");
    await eventually("sentiment", 1);
    await ended("c1");
    await quiet();
    clock.advance(settings.lateWordsMs - 1);
    await said("c1", 1, 3000, "a late word");
    await eventually("sentiment", 2);
    clock.advance(settings.lateWordsMs - 1);
    await allSaid("c1");
    await quiet();
    clock.advance(settings.endGraceMs - 1);
    await quiet();
    const stages = async () => (await payloads("stageReached", topics.ledger.name)).map(({ stage, outcome }) => `${stage} ${outcome}`);
    expect(await stages()).toEqual(["score running", "insight running"]);
    clock.advance(1);
    await expect.poll(stages).toEqual(["score running", "insight running", "insight done", "score done"]);
  });

  test("of a call whose words are never all told the stages end too, and words after that leave none running", async () => {
    await started("c1");
    await said("c1", 1, 1000, "hello there");
    await eventually("sentiment", 1);
    await ended("c1");
    await quiet();
    clock.advance(settings.lateWordsMs);
    const stages = async () => (await payloads("stageReached", topics.ledger.name)).map(({ stage, outcome }) => `${stage} ${outcome}`);
    const told = ["score running", "insight running", "insight done", "score done"];
    await expect.poll(stages).toEqual(told);
    await said("c1", 1, 3000, "far too late");
    await eventually("sentiment", 2);
    clock.advance(settings.endGraceMs);
    await quiet();
    expect(await stages()).toEqual(told);
  });

  test("what comes late of a call whose stages are told begins it not anew, in the process that told them or in the next one", async () => {
    rules = [phrase({ kind: "not_said", phrases: ["my name is"], speaker: "agent", withinSeconds: 20 })];
    const startedAtMs = clock.now();
    await started("c1");
    await said("c1", 0, 1000, "hello, my name is Sarah");
    await eventually("sentiment", 1);
    await ended("c1");
    await allSaid("c1");
    await quiet();
    clock.advance(settings.endGraceMs);
    await eventually("stageReached", 4, topics.ledger.name);
    const before = [...(await events(topics.ledger.name)), ...(await events(topics.insights.name))].map(({ id }) => id);
    for (const restarts of [false, true]) {
      if (restarts) {
        await insights.stop(1000);
        await startInsights();
      }
      // As a gateway tells it that was cut off, when another one has ended its call.
      await publish("c1", { case: "callStarted", value: { startedAtMs, legs: [agent, caller] } });
      await publish("c1", { case: "callUpdated", value: { legs: [agent, caller] } });
      await publish("c1", { case: "callEnded", value: { startedAtMs, endedAtMs: clock.now(), termination: "bye", legs: [agent, caller] } });
      await allSaid("c1");
      await quiet();
      clock.advance(settings.lateWordsMs);
      await quiet();
      expect([...(await events(topics.ledger.name)), ...(await events(topics.insights.name))].map(({ id }) => id)).toEqual(before);
    }
  });

  test("a call without words says so in the ledger; one whose words could not be recognised has failed", async () => {
    await started("silent");
    await started("deaf");
    await said("deaf", 1, 1000, "", { error: "engine_unavailable" });
    await ended("silent");
    await ended("deaf");
    await allSaid("silent");
    await allSaid("deaf");
    await eventually("stageReached", 2, topics.ledger.name);
    await quiet();
    clock.advance(settings.endGraceMs);
    await expect
      .poll(async () =>
        (await events(topics.ledger.name))
          .flatMap((event) =>
            event.payload.case === "stageReached" && event.payload.value.stage === "insight"
              ? [`${event.callId} ${event.payload.value.outcome}`]
              : [],
          )
          .sort(),
      )
      .toEqual(["deaf failed", "silent skipped"]);
  });

  test("one tenant's rules do not hear another's calls, though their calls have one id", async () => {
    rules = [phrase({})];
    await started("c1");
    await started("c1", "other");
    await publish(
      "c1",
      {
        case: "transcriptSegment",
        value: { segmentId: "o", leg: 1, startMs: 0, endMs: 1, text: "cancel my contract", final: true, revision: 1 },
      },
      "other",
    );
    await eventually("sentiment", 1);
    await quiet();
    expect(await payloads("alert")).toEqual([]);
    expect(new Set((await events(topics.insights.name)).map((event) => event.tenantId))).toEqual(new Set(["other"]));
  });

  test("the same record again makes nothing again; a second try at a segment makes a second sentiment, under its own id", async () => {
    rules = [phrase({})];
    await started("c1");
    for (let i = 0; i < 3; i++) await said("c1", 1, 1000, "cancel my contract");
    await started("c1");
    await said("c1", 1, 1000, "cancel my contact", { revision: 2 });
    // Late, of a worker that was cut off.
    await said("c1", 1, 1000, "cancel my contract");
    await eventually("sentiment", 2);
    await quiet();
    const found = await events(topics.insights.name);
    expect(found.map((event) => event.id).filter((id) => !id.startsWith("attention"))).toEqual([
      "sentiment-c1-1-1000-1",
      "alert-c1-r1",
      "sentiment-c1-1-1000-2",
    ]);
    expect(new Set(found.map((event) => event.id)).size).toBe(found.length);
  });

  test("a damaged record is put aside and the ones around it are analysed once", async () => {
    await started("c1");
    await Promise.all([
      said("c1", 1, 1000, "one"),
      eventLog.publish(topics.transcripts.name, "c1", Uint8Array.of(255, 255, 255)),
      said("c1", 1, 3000, "two"),
    ]);
    await eventually("sentiment", 2);
    await expect.poll(async () => (await eventLog.bounds(topics.deadLetter.name))[0]!.next).toBe(1);
    await quiet();
    expect((await payloads("sentiment")).map((one) => one.segmentId)).toEqual(["c1-1-1000", "c1-1-3000"]);
  });

  test("a second instance takes calls over in mid-call, and gives them back: nothing twice, nothing missed", async () => {
    rules = [phrase({})];
    const ids = Array.from({ length: 12 }, (_, i) => `moving-${i}`);
    await Promise.all(ids.map((id) => started(id)));
    await Promise.all(ids.map((id) => said(id, 1, 1000, "this is terrible")));
    await eventually("sentiment", 12);

    const first = insights;
    await startInsights();
    const second = insights;
    await Promise.all(ids.map((id) => said(id, 1, 4000, "cancel the contract")));
    await eventually("sentiment", 24);
    await first.stop(1000);
    await Promise.all(ids.map((id) => said(id, 1, 8000, "thank you, wonderful")));
    await eventually("sentiment", 36);
    await Promise.all(ids.map((id) => ended(id)));
    await quiet();

    const all = await events(topics.insights.name);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect((await payloads("alert")).map(({ alertId }) => alertId).sort()).toEqual(ids.map((id) => `${id}-r1`).sort());
    // The running mean of each call goes on over both moves: three segments, three points that depend on one another.
    for (const id of ids) {
      const trend = (await payloads("sentiment")).filter(({ segmentId }) => segmentId.startsWith(`${id}-`)).map((one) => one.trend);
      expect(trend).toHaveLength(3);
      expect(trend[2]).toBeLessThan((await payloads("sentiment")).find(({ segmentId }) => segmentId === `${id}-1-8000`)!.score);
    }
    insights = second;
  });

  test("a process that another one may have taken over from says nothing more, withdraws what waits, and leaves the rest to the next", async () => {
    rules = [phrase({ kind: "not_said", phrases: ["this call is recorded"], speaker: "agent", withinSeconds: 20 })];
    await insights.stop(1000);
    let isOurs = true;
    let isHeldUp = false;
    let subscriber: SubscribeOptions | undefined;
    const release: (() => void)[] = [];
    // The log of a process that is cut off: what it publishes waits in memory, and is sent or withdrawn when the network is back.
    const doubtful: EventLog = Object.create(eventLog, {
      publish: {
        value: async (topic: string, key: string, value: Uint8Array, isDue?: () => boolean) => {
          if (isHeldUp) await new Promise<void>((resolve) => release.push(resolve));
          if (isDue?.() === false) throw new EarshotError("cancelled", "record_withdrawn", "Another process may have it.");
          return eventLog.publish(topic, key, value);
        },
      },
      subscribe: {
        value: (options: SubscribeOptions) => {
          subscriber = options;
          return eventLog.subscribe({ ...options, assigned: (taken, _, from) => options.assigned?.(taken, () => isOurs, from) });
        },
      },
      bounds: { value: (topic: string) => eventLog.bounds(topic) },
      read: { value: (...args: Parameters<EventLog["read"]>) => eventLog.read(...args) },
      flush: { value: () => eventLog.flush() },
    });
    const metrics = createMetrics();
    insights = createInsights({ eventLog: doubtful, log: silentLog, metrics, clock, settings, rulesOf: async () => rules });
    await insights.start();
    await started("c1");
    await said("c1", 1, 1000, "hello there");
    await eventually("sentiment", 1);
    const before = await events(topics.insights.name);

    isHeldUp = true;
    clock.advance(20_000 + settings.notSaidGraceMs);
    await expect.poll(() => release.length).toBeGreaterThan(0);
    isOurs = false;
    isHeldUp = false;
    for (const send of release) send();
    clock.advance(settings.idleMs);
    await quiet();
    const [record] = await eventLog.read(
      topics.transcripts.name,
      (await eventLog.publish(topics.transcripts.name, "c1", new Uint8Array())).partition,
      0,
      1,
    );
    await expect(subscriber!.handle([record!])).rejects.toMatchObject({ code: "partition_given_up", category: "unavailable" });
    expect((await events(topics.insights.name)).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(await payloads("stageReached", topics.ledger.name)).toHaveLength(2);

    await insights.stop(1000);
    expect((await events(topics.insights.name)).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    await startInsights();
    await quiet();
    clock.advance(settings.notSaidGraceMs);
    expect((await eventually("alert", 1)).map(({ alertId }) => alertId)).toEqual(["c1-r1"]);
    await quiet();
    const all = await events(topics.insights.name);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(await payloads("alert")).toHaveLength(1);
  });

  test("a restart goes on in mid-call: nothing twice, what came in between once, mood and rules as they stood", async () => {
    rules = [
      phrase({}),
      phrase({ id: "r2", kind: "not_said", phrases: ["this call is recorded"], speaker: "agent", withinSeconds: 60 }),
      phrase({ id: "r3", kind: "not_said", phrases: ["my name is"], speaker: "agent", withinSeconds: 60 }),
    ];
    await started("c1");
    await said("c1", 0, 1000, "my name is Sarah");
    await said("c1", 1, 4000, "This is terrible. Cancel the contract.");
    await eventually("sentiment", 2);
    await eventually("attention", 1);
    await insights.stop(1000);
    await eventLog.stop(1000);
    const before = await (async () => {
      await open();
      return events(topics.insights.name);
    })();
    await insights.stop(1000);
    // While insights are down, the call goes on.
    await said("c1", 1, 8000, "I am so angry");
    await said("c1", 1, 10_000, "cancel the contract now");
    await startInsights();
    await eventually("sentiment", 4);
    await quiet();
    const after = await events(topics.insights.name);
    expect(after.slice(0, before.length).map((event) => event.id)).toEqual(before.map((event) => event.id));
    expect(new Set(after.map((event) => event.id)).size).toBe(after.length);
    expect(after.filter((event) => event.payload.case === "alert").map((event) => event.id)).toEqual(["alert-c1-r1"]);
    const trend = (await payloads("sentiment")).filter((one) => one.leg === 1).map((one) => one.trend);
    expect(trend).toHaveLength(3);
    // The running mean goes on from what was said before the restart.
    expect(trend[2]).not.toBeCloseTo((await payloads("sentiment")).at(-1)!.score, 2);
    clock.advance(60_000 + settings.notSaidGraceMs);
    await expect.poll(async () => (await payloads("alert")).map((alert) => alert.alertId)).toEqual(["c1-r1", "c1-r2"]);
    await ended("c1");
    await allSaid("c1");
    await quiet();
    clock.advance(settings.endGraceMs);
    await expect
      .poll(async () => (await payloads("stageReached", topics.ledger.name)).map(({ stage, outcome }) => `${stage} ${outcome}`))
      .toEqual(["score running", "insight running", "insight done", "score done"]);
    // A call that is told is not begun again.
    const told = (await events(topics.insights.name)).length;
    await insights.stop(1000);
    await startInsights();
    clock.advance(settings.endGraceMs);
    await quiet();
    expect((await events(topics.insights.name)).length).toBe(told);
    expect((await events(topics.ledger.name)).length).toBe(4);
  });

  test("over the limit of calls, further ones get none, and those that are followed go on", async () => {
    await insights.stop(1000);
    await startInsights({ maxCalls: 2 });
    for (const callId of ["c1", "c2"]) await started(callId);
    await eventually("stageReached", 2, topics.ledger.name);
    await started("c3");
    for (const callId of ["c1", "c2", "c3"]) await said(callId, 1, 0, "hello");
    await eventually("sentiment", 2);
    await quiet();
    expect((await payloads("sentiment")).map((one) => one.segmentId).sort()).toEqual(["c1-1-0", "c2-1-0"]);
  });

  test("segments over the limit of a call are not analysed", async () => {
    await insights.stop(1000);
    await startInsights({ maxSegmentsPerCall: 3 });
    await started("c1");
    for (let i = 0; i < 6; i++) await said("c1", 1, i * 2000, "hello");
    await eventually("sentiment", 3);
    await quiet();
    expect(await payloads("sentiment")).toHaveLength(3);
  });

  test("what comes in while a slow or failing log is being written to is neither lost nor doubled", async () => {
    await insights.stop(1000);
    let failures = 0;
    const slow: EventLog = Object.create(eventLog, {
      publish: {
        value: async (topic: string, key: string, value: Uint8Array) => {
          await new Promise((resolve) => setTimeout(resolve, 15));
          if (failures++ % 5 === 2) throw new EarshotError("unavailable", "event_log_write_failed", "The disk is away.");
          return eventLog.publish(topic, key, value);
        },
      },
      subscribe: { value: (options: SubscribeOptions) => eventLog.subscribe({ ...options, maxBatch: 3, maxAttempts: 50 }) },
      bounds: { value: (topic: string) => eventLog.bounds(topic) },
      read: { value: (...args: Parameters<EventLog["read"]>) => eventLog.read(...args) },
      flush: { value: () => eventLog.flush() },
    });
    insights = createInsights({ eventLog: slow, log: silentLog, metrics: createMetrics(), clock, settings, rulesOf: async () => rules });
    await insights.start();
    const advancing = setInterval(() => clock.advance(200), 10);
    try {
      await started("c1");
      for (let i = 0; i < 20; i++) {
        await said("c1", i % 2, i * 2000, "this is terrible");
        await publish("c1", { case: "lineQuality", value: { leg: 1, mos: 4 - i / 10, fromMs: i * 2000, toMs: i * 2000 + 2000 } });
      }
      await eventually("sentiment", 20);
      await quiet();
    } finally {
      clearInterval(advancing);
    }
    expect((await payloads("sentiment")).map((one) => one.segmentId).sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `c1-${i % 2}-${i * 2000}`).sort(),
    );
    const attentions = (await events(topics.insights.name)).filter((event) => event.payload.case === "attention");
    expect(attentions.length).toBeGreaterThan(2);
    expect(attentions.map((event) => event.occurredAtMs)).toEqual(attentions.map((event) => event.occurredAtMs).toSorted((a, b) => a - b));
  });

  test("rules that cannot be read do not hold up the rest", async () => {
    await insights.stop(1000);
    insights = createInsights({
      eventLog,
      log: silentLog,
      metrics: createMetrics(),
      clock,
      settings,
      rulesOf: () => Promise.reject(new Error("the database is away")),
    });
    await insights.start();
    await started("c1");
    await said("c1", 1, 0, "this is wonderful");
    expect((await eventually("sentiment", 1))[0]!.score).toBeGreaterThan(0.3);
  });
});
