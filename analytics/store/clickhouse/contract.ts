/**
 * What every CallStore must do, as checks that a test runs against each adapter, and against a broken one, which must fail them. Each
 * check makes its own tenants, so that all of them may share one store.
 */
import assert from "node:assert/strict";
import type { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { type CallQuery, callQuery } from "@earshot/proto/api/calls.ts";
import type { Event } from "@earshot/proto/event.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { makeEvent, type PayloadInit } from "../../seed/make-event.ts";
import type { CallRetention, CallStore } from "../port.ts";

export type ContractSubject = {
  readonly store: CallStore & CallRetention;
  readonly clock: ManualClock;
  /** Stops the store and starts it again on what it kept. */
  restart(): Promise<void>;
  /** Does what the adapter does from time to time. */
  maintain(): Promise<void>;
};
export type ContractCheck = { readonly name: string; run(subject: () => ContractSubject): Promise<void> };

const asked = (query: Record<string, unknown> = {}): CallQuery => callQuery.parse(query);
const legs = [
  {
    index: 0,
    label: "1",
    speaker: 1,
    speakerReason: "extension-map",
    participant: { name: "", address: "sip:101@pbx" },
    agentName: "Ann",
    codec: 1,
    state: "active",
  },
  {
    index: 1,
    label: "2",
    speaker: 2,
    speakerReason: "extension-map",
    participant: { name: "", address: "sip:+4930123@pbx" },
    codec: 3,
    state: "active",
  },
];

/** A finished call with one of everything. */
export function exampleCall(
  tenant: string,
  call: string,
  startMs: number,
  words: readonly string[] = ["Hello there", "I want a refund"],
): Event[] {
  const at = (offsetMs: number, payload: PayloadInit) => makeEvent(tenant, call, startMs + offsetMs, payload);
  return [
    at(0, {
      case: "callStarted",
      value: {
        startedAtMs: startMs,
        trunkId: "t-1",
        trunkName: "Main",
        legs,
        sipCallId: "s@x",
        externalCallId: "e-1",
        direction: "inbound",
        queue: "Service",
        source: "siprec",
        peer: "192.0.2.1:5060",
        userAgent: "PBX",
      },
    }),
    at(1, { case: "stageReached", value: { stage: "record", outcome: "running", startedAtMs: startMs } }),
    at(2, { case: "stageReached", value: { stage: "media", outcome: "running", startedAtMs: startMs + 1 } }),
    ...words.flatMap((text, index) => {
      const segmentId = `${call}-${index % 2}-${index * 3000}`;
      return [
        at(index * 3000 + 2500, {
          case: "transcriptSegment",
          value: {
            segmentId,
            leg: index % 2,
            startMs: index * 3000,
            endMs: index * 3000 + 2000,
            text,
            final: true,
            revision: 1,
            engine: "test",
            confidence: 0.5,
            words: [{ text: "Hello", startMs: 1, endMs: 2, confidence: -1 }],
          },
        }),
        at(index * 3000 + 2600, {
          case: "sentiment",
          value: { segmentId, leg: index % 2, score: index % 2 === 0 ? 0.5 : -0.25, startMs: index * 3000 },
        }),
      ];
    }),
    at(5000, {
      case: "lineQuality",
      value: {
        leg: 0,
        fromMs: 0,
        toMs: 5000,
        packetsExpected: 250,
        packetsReceived: 245,
        packetsLost: 5,
        mos: 4,
        rFactor: 80,
        jitterMs: 2,
        codec: "PCMA",
      },
    }),
    at(10_000, {
      case: "lineQuality",
      value: { leg: 0, fromMs: 5000, toMs: 10_000, packetsExpected: 250, packetsReceived: 250, mos: 4.4, rFactor: 93, codec: "PCMA" },
    }),
    at(10_000, {
      case: "lineQuality",
      value: { leg: 1, fromMs: 5000, toMs: 10_000, packetsExpected: 250, packetsReceived: 250, mos: 3.5, rFactor: 70, codec: "G722" },
    }),
    at(6000, { case: "dtmfPressed", value: { leg: 1, digit: "7", positionMs: 5900, durationMs: 100 } }),
    at(7000, {
      case: "alert",
      value: {
        alertId: `${call}-a`,
        ruleId: "r-1",
        ruleName: "Refund",
        kind: "said",
        phrase: "refund",
        severity: "warning",
        atMs: 3000,
        leg: 1,
        evidence: [{ segmentId: `${call}-1-3000`, atSeconds: 3 }],
      },
    }),
    at(7100, {
      case: "attention",
      value: { score: 40, version: "1", reasons: [{ code: "alert", label: "Alert", points: 40, evidence: [] }] },
    }),
    at(10_000, {
      case: "conversationMetrics",
      value: { durationMs: 10_000, talkRatio: 0.4, responseLatencyMs: -1, agentWordsPerMinute: -1, callerWordsPerMinute: 120 },
    }),
    at(20_000, {
      case: "callEnded",
      value: {
        endedAtMs: startMs + 20_000,
        termination: "bye",
        detail: "Q.850;cause=16",
        startedAtMs: startMs,
        packetsReceived: 2000,
        packetsLost: 5,
      },
    }),
    at(20_100, {
      case: "conversationMetrics",
      value: {
        final: true,
        durationMs: 20_000,
        talkRatio: 0.6,
        responseLatencyMs: 700,
        agentWordsPerMinute: 100,
        callerWordsPerMinute: 110,
      },
    }),
    at(20_200, {
      case: "recordingStored",
      value: {
        objectKey: `tenants/${tenant}/recordings/${call}.wav`,
        bytes: 1000,
        durationMs: 20_000,
        sampleRate: 8000,
        channels: 2,
        peaks: [new Uint8Array([0, 10, 255]), new Uint8Array([39, 92, 13])],
        peakMs: 100,
        channelLegs: [0, 1],
      },
    }),
    ...(["record", "media", "transcript", "insight", "score"] as const).map((stage, index) =>
      at(20_300 + index, { case: "stageReached", value: { stage, outcome: "done" } }),
    ),
  ];
}

async function everything(store: CallStore, tenant: TenantId, call: string): Promise<unknown> {
  return {
    list: await store.listCalls(tenant, asked(), "UTC"),
    call: await store.getCall(tenant, call),
    transcript: await store.transcript(tenant, call),
    ledger: await store.ledger(tenant, call),
    recording: await store.recording(tenant, call),
    statistics: await store.statistics(tenant, asked(), "UTC"),
    facets: await store.facets(tenant),
  };
}

/** Deterministic: the same order in every run. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const out = [...items];
  let state = seed;
  for (let i = out.length - 1; i > 0; i--) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const j = state % (i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

const hostile = [
  "first line\n\nDROP TABLE calls",
  "'; DROP TABLE segments; --",
  "\\N \\0 \\' {tenant:String} \u0000 \t \r\n",
  '"quoted", comma, `tick` $x <b>&amp;</b>',
  "Grüße 日本語 \u{1F600} e\u0301 \u2028",
  "",
  "x".repeat(70_000),
];

export const callStoreChecks: readonly ContractCheck[] = [
  {
    name: "writes a call and reads every part of it back",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("read-back");
      const start = clock.now() - 30_000;
      await store.write(exampleCall(tenant, "c1", start));
      const call = await store.getCall(tenant, "c1");
      assert.ok(call);
      assert.equal(call.startedAt, new Date(start).toISOString());
      assert.equal(call.endedAt, new Date(start + 20_000).toISOString());
      assert.deepEqual(
        [call.durationMs, call.termination, call.direction, call.queue, call.agent, call.caller],
        [20_000, "bye", "inbound", "Service", "Ann", "+4930123"],
      );
      assert.deepEqual(
        [call.agentSentiment, call.callerSentiment, call.attention, call.talkRatio, call.alertCount, call.dtmfCount],
        [0.5, -0.25, 40, 0.6, 1, 1],
      );
      assert.equal(call.mos, 3.5);
      assert.deepEqual(call.stages, ["done", "done", "done", "done", "done"]);
      assert.deepEqual([call.conversation?.responseLatencyMs, call.conversation?.durationMs], [700, 20_000]);
      assert.deepEqual(call.recording?.peaks, [Buffer.from([0, 10, 255]).toString("base64"), Buffer.from([39, 92, 13]).toString("base64")]);
      assert.deepEqual(
        call.lineQuality.map((quality) => [quality.leg, quality.fromMs, quality.lossPercent]),
        [
          [0, 0, 2],
          [0, 5000, 0],
          [1, 5000, 0],
        ],
      );
      assert.deepEqual(
        [call.alerts[0]?.speaker, call.alerts[0]?.evidence, call.attentionReasons[0]?.points],
        ["caller", [{ segmentId: "c1-1-3000", atSeconds: 3 }], 40],
      );
      const transcript = await store.transcript(tenant, "c1");
      assert.deepEqual(
        transcript.map((segment) => [segment.speaker, segment.text, segment.sentiment]),
        [
          ["agent", "Hello there", 0.5],
          ["caller", "I want a refund", -0.25],
        ],
      );
      assert.deepEqual(transcript[0]?.words, [{ text: "Hello", startMs: 1, endMs: 2, confidence: null }]);
      assert.equal((await store.recording(tenant, "c1"))?.objectKey, "tenants/read-back/recordings/c1.wav");
      assert.deepEqual(await store.facets(tenant), { agents: ["Ann"], queues: ["Service"], terminations: ["bye"] });
      assert.equal(await store.getCall(tenant, "none"), undefined);
      assert.deepEqual(await store.ledger(tenant, "none"), []);
    },
  },
  {
    name: "deletes the calls of one tenant that began before a time, and nothing else",
    async run(subject) {
      const { store, clock, maintain } = subject();
      const [kept, shortened] = [tenantId("keeps"), tenantId("shortens")];
      const start = clock.now() - 10 * 86_400_000;
      for (const tenant of [kept, shortened])
        await store.write([...exampleCall(tenant, "old", start), ...exampleCall(tenant, "new", start + 5 * 86_400_000)]);
      await maintain();
      const before = await everything(store, kept, "old");
      const cut = start + 86_400_000;
      const expired = [{ callId: "old", objectKeys: ["tenants/shortens/recordings/old.wav"] }];
      assert.deepEqual(await store.expiredCalls(shortened, cut, 10), expired);
      assert.deepEqual(await store.expiredCalls(shortened, start, 10), []);
      assert.deepEqual(
        (await store.expiredCalls(shortened, clock.now(), 1)).map(({ callId }) => callId),
        ["old"],
        "the oldest first",
      );
      await store.deleteCalls(shortened, ["old"]);
      await store.eraseDeleted();
      assert.deepEqual(await store.expiredCalls(shortened, cut, 10), []);
      assert.deepEqual(await everything(store, shortened, "old"), await everything(store, shortened, "never-was"));
      assert.deepEqual(
        (await store.listCalls(shortened, asked(), "UTC")).data.map(({ id }) => id),
        ["new"],
      );
      assert.equal((await store.listCalls(shortened, asked({ q: "refund" }), "UTC")).total, 1);
      assert.equal((await store.statistics(shortened, asked(), "UTC")).calls, 1);
      assert.deepEqual(await everything(store, kept, "old"), before);
      assert.equal((await store.listCalls(kept, asked(), "UTC")).total, 2);
    },
  },
  {
    name: "keeps tenants apart in every read",
    async run(subject) {
      const { store, clock } = subject();
      const start = clock.now() - 30_000;
      // The same ids at the same moment: only the tenant differs.
      await store.write([
        ...exampleCall("apart-a", "same", start, ["alpha secret"]),
        ...exampleCall("apart-b", "same", start, ["beta refund"]),
      ]);
      await store.write(exampleCall("apart-a", "only-a", start - 1000, ["alpha again"]));
      const b = tenantId("apart-b");
      assert.equal((await store.listCalls(b, asked(), "UTC")).total, 1);
      assert.equal((await store.listCalls(b, asked({ q: "alpha" }), "UTC")).total, 0);
      assert.deepEqual(
        (await store.transcript(b, "same")).map((segment) => segment.text),
        ["beta refund"],
      );
      assert.equal(await store.getCall(b, "only-a"), undefined);
      assert.deepEqual(await store.transcript(b, "only-a"), []);
      assert.deepEqual(await store.ledger(b, "only-a"), []);
      assert.equal(await store.recording(b, "only-a"), undefined);
      assert.equal((await store.recording(b, "same"))?.objectKey, "tenants/apart-b/recordings/same.wav");
      assert.equal((await store.getCall(b, "same"))?.alerts.length, 1);
      assert.equal((await store.statistics(b, asked(), "UTC")).calls, 1);
      const nobody = tenantId("apart-nobody");
      assert.deepEqual(await store.facets(nobody), { agents: [], queues: [], terminations: [] });
      assert.deepEqual(await store.listCalls(nobody, asked(), "UTC"), { data: [], total: 0 });
      // A tenant's name is data, not SQL.
      assert.deepEqual(await store.listCalls(tenantId("x' OR 1=1 OR tenant='apart-a"), asked(), "UTC"), { data: [], total: 0 });
      await assert.rejects(async () => store.listCalls(tenantId(""), asked(), "UTC"));
    },
  },
  {
    name: "changes nothing when the same events are written again, before and after a restart",
    async run(subject) {
      const { clock } = subject();
      const tenant = tenantId("again");
      const events = exampleCall(tenant, "c1", clock.now() - 30_000);
      await subject().store.write(events);
      const before = await everything(subject().store, tenant, "c1");
      await subject().store.write(events);
      await subject().store.write([...events].reverse());
      assert.deepEqual(await everything(subject().store, tenant, "c1"), before);
      await subject().restart();
      assert.deepEqual(await everything(subject().store, tenant, "c1"), before);
      await subject().store.write(events.slice(3));
      assert.deepEqual(await everything(subject().store, tenant, "c1"), before);
    },
  },
  {
    name: "makes the same call of its events in any order and in any batches",
    async run(subject) {
      const { store, clock } = subject();
      const start = clock.now() - 30_000;
      const strip = (read: unknown, call: string) => JSON.parse(JSON.stringify(read).replaceAll(call, "CALL"));
      const inOrder = tenantId("order-x");
      await store.write(exampleCall(inOrder, "call0", start));
      const wanted = strip(await everything(store, inOrder, "call0"), "call0");
      for (const seed of [1, 2, 3]) {
        const name = `order-${seed}`;
        const events = shuffled(exampleCall(name, "call0", start), seed);
        const cut = seed * 5;
        await store.write(events.slice(0, cut));
        if (seed === 3) await subject().restart();
        for (const event of events.slice(cut, cut + 3)) await subject().store.write([event]);
        await subject().store.write(events.slice(cut + 3));
        assert.deepEqual(
          JSON.parse(
            JSON.stringify(strip(await everything(subject().store, tenantId(name), "call0"), "call0")).replaceAll(name, "order-x"),
          ),
          wanted,
        );
      }
    },
  },
  {
    name: "gives hostile text back byte for byte, and runs none of it",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("hostile");
      await store.write(exampleCall(tenant, "c'1\n\n;", clock.now() - 30_000, hostile));
      assert.deepEqual(
        (await store.transcript(tenant, "c'1\n\n;")).map((segment) => segment.text),
        hostile,
      );
      assert.equal((await store.listCalls(tenant, asked(), "UTC")).total, 1);
      for (const q of ["'; DROP TABLE calls; --", "\\", '"', "{tenant:String}", "日本語", "%", "\u0000"])
        await store.listCalls(tenant, asked({ q }), "UTC");
      for (const caller of ["' OR 1=1 --", "%", "\\'"]) assert.equal((await store.listCalls(tenant, asked({ caller }), "UTC")).total, 0);
      assert.equal((await store.listCalls(tenant, asked({ q: "日本語" }), "UTC")).total, 1);
      assert.equal((await store.listCalls(tenant, asked({ agent: "' OR '1'='1" }), "UTC")).total, 0);
    },
  },
  {
    name: "finds words anywhere in a call, phrases in their order, and shows where they are",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("search");
      const start = clock.now() - 60_000;
      await store.write(exampleCall(tenant, "s1", start, ["I want to CANCEL my contract", "no refund then"]));
      await store.write(exampleCall(tenant, "s2", start + 1000, ["my contract, cancel it"]));
      const found = async (q: string) => (await store.listCalls(tenant, asked({ q }), "UTC")).data.map((call) => call.id);
      assert.deepEqual(await found("cancel"), ["s2", "s1"]);
      assert.deepEqual(await found("cancel refund"), ["s1"]);
      assert.deepEqual(await found('"cancel my contract"'), ["s1"]);
      assert.deepEqual(await found('"contract cancel"'), ["s2"]);
      assert.deepEqual(await found("canc"), []);
      // As many words as a query may have, one by one and as a phrase.
      assert.deepEqual(await found("a b ".repeat(50)), []);
      assert.deepEqual(await found(`"${"a b ".repeat(49)}"`), []);
      assert.deepEqual(
        await found(
          Array.from({ length: 60 }, (_, index) => `w${index}`)
            .join(" ")
            .slice(0, 200),
        ),
        [],
      );
      assert.deepEqual(await found("???"), []);
      assert.equal((await found("   ")).length, 2);
      const [call] = (await store.listCalls(tenant, asked({ q: '"my contract" REFUND' }), "UTC")).data;
      assert.deepEqual(
        call?.hits?.map((hit) => [hit.speaker, hit.startMs, hit.matches.map(([from, to]) => hit.text.slice(from, to))]),
        [
          ["agent", 0, ["my contract"]],
          ["caller", 3000, ["refund"]],
        ],
      );
      // At rest they are found by other means: the same, and words that come later too.
      clock.advance(300_000);
      await subject().maintain();
      const check = async () => {
        assert.deepEqual(await found("cancel"), ["s2", "s1"]);
        assert.deepEqual(await found("CANCEL refund"), ["s1"]);
        assert.deepEqual(await found('"cancel my contract"'), ["s1"]);
        assert.deepEqual(await found('"contract cancel"'), ["s2"]);
        // The end of one segment and the beginning of the next are no phrase.
        assert.deepEqual(await found('"contract no"'), []);
        assert.deepEqual(await found("canc"), []);
        assert.equal((await subject().store.statistics(tenant, asked({ q: '"my contract"' }), "UTC")).calls, 2);
        // The total is the same on every page, also behind the last one, in every order.
        for (const [query, ids] of [
          [{ page: 1 }, ["s2"]],
          [{ page: 2 }, ["s1"]],
          [{ page: 3 }, []],
          [{ order: "asc" }, ["s1"]],
          [{ sort: "attention", page: 2 }, ["s1"]],
        ] as const) {
          const page = await subject().store.listCalls(tenant, asked({ q: '"my contract"', perPage: 1, ...query }), "UTC");
          assert.deepEqual([page.data.map((call) => call.id), page.total], [ids, 2]);
        }
      };
      await check();
      const late = { segmentId: "s2-1-9000", leg: 1, startMs: 9000, endMs: 9500, text: "Supervisor please", final: true, revision: 1 };
      await store.write([makeEvent(tenant, "s2", start + 9600, { case: "transcriptSegment", value: late })]);
      assert.deepEqual(await found("supervisor"), ["s2"]);
      await check();
      clock.advance(300_000);
      await subject().maintain();
      assert.deepEqual(await found("supervisor"), ["s2"]);
      await check();
    },
  },
  {
    name: "finds a phrase where its words follow one another, not where they follow one another two by two",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("phrases");
      const start = clock.now() - 60_000;
      await store.write(exampleCall(tenant, "p1", start, ["can I speak to the manager of the store"]));
      await store.write(exampleCall(tenant, "p2", start + 1000, ["speak to the agent, then to the manager"]));
      await store.write(exampleCall(tenant, "p3", start + 2000, ["no no no manager", "Speak to"]));
      await store.write(exampleCall(tenant, "p4", start + 3000, [""]));
      const check = async () => {
        const found = async (q: string) => (await store.listCalls(tenant, asked({ q }), "UTC")).data.map((call) => call.id);
        assert.deepEqual(await found('"to the"'), ["p2", "p1"]);
        assert.deepEqual(await found('"speak to the manager"'), ["p1"]);
        assert.deepEqual(await found('"to the manager"'), ["p2", "p1"]);
        assert.deepEqual(await found('"no no no"'), ["p3"]);
        assert.deepEqual(await found('"no no no no"'), []);
        assert.deepEqual(await found('"speak to" manager "of the"'), ["p1"]);
        assert.deepEqual(await found("manager"), ["p3", "p2", "p1"]);
        assert.equal((await store.statistics(tenant, asked({ q: '"speak to the manager"' }), "UTC")).calls, 1);
      };
      await check();
      clock.advance(300_000);
      await subject().maintain();
      await check();
    },
  },
  {
    name: "pages through open and settled calls as one list, in every order, with words and without",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("both-sides");
      const start = clock.now() - 60_000;
      const write = async (ids: readonly string[]) => {
        // The second of each has no line quality: where it is the order, it comes last either way. The others are alike but for their start.
        for (const [index, id] of ids.entries())
          await store.write(
            exampleCall(tenant, id, start + id.charCodeAt(1) * 10).filter((event) => index !== 1 || event.payload.case !== "lineQuality"),
          );
      };
      await write(["b1", "b4", "b5"]);
      clock.advance(300_000);
      await subject().maintain();
      await write(["b2", "b3", "b6"]);
      for (const q of [undefined, '"want a refund"'])
        for (const sort of ["startedAt", "mos", "attention"])
          for (const order of ["asc", "desc"]) {
            const page = async (page: number, perPage: number) => {
              const { data, total } = await store.listCalls(tenant, asked({ q, sort, order, page, perPage }), "UTC");
              assert.equal(total, 6);
              return data.map((call) => call.id);
            };
            const all = await page(1, 10);
            assert.deepEqual([...(await page(1, 2)), ...(await page(2, 2)), ...(await page(3, 2))], all);
            assert.deepEqual(all.toSorted(), ["b1", "b2", "b3", "b4", "b5", "b6"]);
            if (sort === "startedAt") assert.deepEqual(order === "asc" ? all : all.toReversed(), all.toSorted());
            if (sort === "mos") assert.deepEqual(all.slice(4).toSorted(), ["b3", "b4"]);
          }
      const chart = await store.statistics(tenant, asked({ q: "refund" }), "UTC");
      assert.deepEqual([chart.calls, chart.perDay.length, chart.perDay[0]?.calls], [6, 1, 6]);
    },
  },
  {
    name: "replaces a segment by its higher revision, and keeps no partial words",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("revisions");
      const start = clock.now() - 30_000;
      const segment = (text: string, revision: number, final = true) =>
        makeEvent(tenant, "r1", start + revision, {
          case: "transcriptSegment",
          value: { segmentId: "r1-0-100", leg: 0, startMs: 100, endMs: 200, text, revision, final },
        });
      await store.write([...exampleCall(tenant, "r1", start, []), segment("better words", 2), segment("partial", 3, false)]);
      await store.write([segment("first words", 1)]);
      assert.deepEqual(
        (await store.transcript(tenant, "r1")).map((read) => read.text),
        ["better words"],
      );
      // An open call is searched by its newest words, and under a filter of open calls alone too.
      const found = async (q: string) => (await store.listCalls(tenant, asked({ q }), "UTC")).data.map((call) => call.id);
      assert.deepEqual([await found('"better words"'), await found("better words"), await found("first")], [["r1"], ["r1"], []]);
      assert.equal((await store.listCalls(tenant, asked({ q: "better", live: "true" }), "UTC")).total, 0);
      assert.equal((await store.statistics(tenantId("revisions-other"), asked({ q: "better" }), "UTC")).calls, 0);
    },
  },
  {
    name: "shows a live call at once, and its end when it comes; the first end is the true one",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("live");
      const start = clock.now() - 30_000;
      const events = exampleCall(tenant, "l1", start);
      await store.write(events.filter((event) => event.payload.case !== "callEnded" && event.occurredAtMs < start + 15_000));
      const [live] = (await store.listCalls(tenant, asked({ live: "true" }), "UTC")).data;
      assert.deepEqual([live?.id, live?.endedAt, live?.durationMs, live?.termination], ["l1", null, null, null]);
      await store.write([
        makeEvent(tenant, "l1", start + 25_000, { case: "callEnded", value: { endedAtMs: start + 25_000, termination: "restart" } }),
      ]);
      await store.write(events);
      assert.equal((await store.listCalls(tenant, asked({ live: "true" }), "UTC")).total, 0);
      assert.deepEqual(
        [(await store.getCall(tenant, "l1"))?.termination, (await store.getCall(tenant, "l1"))?.durationMs],
        ["bye", 20_000],
      );
    },
  },
  {
    name: "follows corrected sides at once, in words already written too",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("sides");
      const start = clock.now() - 30_000;
      await store.write(exampleCall(tenant, "x1", start));
      const swapped = legs.map((leg) => ({ ...leg, speaker: 3 - leg.speaker, speakerReason: "corrected" }));
      await store.write([makeEvent(tenant, "x1", start + 9000, { case: "callUpdated", value: { legs: swapped, reason: "command" } })]);
      const call = await store.getCall(tenant, "x1");
      assert.deepEqual(
        [call?.agentSentiment, call?.callerSentiment, call?.legs[0]?.speaker, call?.queue],
        [-0.25, 0.5, "caller", "Service"],
      );
      assert.deepEqual(
        (await store.transcript(tenant, "x1")).map((segment) => segment.speaker),
        ["caller", "agent"],
      );
    },
  },
  {
    name: "shows five stages in order; none is in progress long after the end",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("ledger");
      const start = clock.now() - 30_000;
      await store.write(
        exampleCall(tenant, "g1", start).filter((event) => event.payload.case !== "stageReached" || event.payload.value.stage === "media"),
      );
      await store.write([makeEvent(tenant, "g1", start + 5, { case: "stageReached", value: { stage: "transcript", outcome: "running" } })]);
      const outcomes = async () => (await store.ledger(tenant, "g1")).map((stage) => [stage.stage, stage.outcome]);
      assert.deepEqual(await outcomes(), [
        ["record", "pending"],
        ["media", "done"],
        ["transcript", "running"],
        ["insight", "pending"],
        ["score", "pending"],
      ]);
      const media = (await store.ledger(tenant, "g1"))[1];
      assert.deepEqual([media?.startedAt, media?.finishedAt], [new Date(start + 1).toISOString(), new Date(start + 20_301).toISOString()]);
      clock.advance(180_000);
      assert.deepEqual(await outcomes(), [
        ["record", "failed"],
        ["media", "done"],
        ["transcript", "failed"],
        ["insight", "failed"],
        ["score", "failed"],
      ]);
      assert.equal((await store.ledger(tenant, "g1"))[2]?.detail, "never finished");
      assert.deepEqual((await store.listCalls(tenant, asked(), "UTC")).data[0]?.stages, ["failed", "done", "failed", "failed", "failed"]);
    },
  },
  {
    name: "counts every call once while it rests, is changed late and rests again",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("settling");
      const start = clock.now() - 30_000;
      await store.write([...exampleCall(tenant, "e1", start), ...exampleCall(tenant, "e2", start + 1)]);
      const before = await everything(store, tenant, "e1");
      clock.advance(300_000);
      await subject().maintain();
      assert.deepEqual(await everything(store, tenant, "e1"), before);
      await store.write([makeEvent(tenant, "e1", start + 7200, { case: "attention", value: { score: 77, version: "1" } })]);
      const scores = async () =>
        (await store.listCalls(tenant, asked({ sort: "attention" }), "UTC")).data.map((call) => [call.id, call.attention]);
      assert.deepEqual(await scores(), [
        ["e1", 77],
        ["e2", 40],
      ]);
      assert.equal((await store.statistics(tenant, asked(), "UTC")).calls, 2);
      await subject().restart();
      assert.deepEqual(await scores(), [
        ["e1", 77],
        ["e2", 40],
      ]);
      clock.advance(300_000);
      await subject().maintain();
      await subject().maintain();
      assert.deepEqual(await scores(), [
        ["e1", 77],
        ["e2", 40],
      ]);
      assert.equal((await subject().store.listCalls(tenant, asked(), "UTC")).total, 2);
    },
  },
  {
    name: "pages far back, in the same order as from the front, over settled and open calls",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("far-back");
      const nowMs = clock.now();
      const ended = (number: number, endedAtMs: number) =>
        makeEvent(tenant, `p${String(number).padStart(3, "0")}`, endedAtMs, {
          case: "callEnded",
          // Three calls each are of the same length: the tie is broken the same way on every page.
          value: { startedAtMs: endedAtMs - 1000 * (number % 50), endedAtMs, termination: "bye", legs: [] },
        });
      // The older two thirds are settled at once, the others ended a moment ago.
      await store.write(Array.from({ length: 100 }, (_, number) => ended(number, nowMs - 90_000_000 + number * 60_000)));
      await store.write(Array.from({ length: 50 }, (_, number) => ended(100 + number, nowMs - 1000)));
      for (const query of [{}, { order: "asc" }, { sort: "durationMs" }, { sort: "mos", order: "asc" }]) {
        const read = async (perPage: number) => {
          const ids: string[] = [];
          for (let page = 1; page <= Math.ceil(150 / perPage); page++) {
            const { data, total } = await subject().store.listCalls(tenant, asked({ ...query, page, perPage }), "UTC");
            assert.equal(total, 150);
            ids.push(...data.map((call) => call.id));
          }
          return ids;
        };
        const byForty = await read(40);
        assert.equal(new Set(byForty).size, 150);
        assert.deepEqual(byForty, await read(150));
      }
    },
  },
  {
    name: "filters, sorts and pages, with the total of all pages",
    async run(subject) {
      const { store, clock } = subject();
      const tenant = tenantId("filters");
      const start = clock.now() - 3_600_000;
      for (let i = 0; i < 7; i++) {
        const call = `f${i}`;
        const at = start + i * 60_000;
        await store.write([
          ...exampleCall(tenant, call, at, i % 2 === 0 ? ["good", "bad"] : ["good"]).filter(
            (event) => i < 5 || event.payload.case !== "alert",
          ),
          makeEvent(tenant, call, at + 8000, { case: "attention", value: { score: i * 10, version: "1" } }),
        ]);
      }
      const ids = async (query: Record<string, unknown>) =>
        (await subject().store.listCalls(tenant, asked(query), "UTC")).data.map((call) => call.id);
      const check = async () => {
        assert.deepEqual(await ids({ perPage: 3 }), ["f6", "f5", "f4"]);
        assert.deepEqual(await ids({ perPage: 3, page: 3 }), ["f0"]);
        assert.equal((await store.listCalls(tenant, asked({ perPage: 3, page: 3 }), "UTC")).total, 7);
        assert.deepEqual(await ids({ order: "asc", perPage: 2 }), ["f0", "f1"]);
        assert.deepEqual(await ids({ sort: "attention", order: "desc", perPage: 2 }), ["f6", "f5"]);
        assert.deepEqual(await ids({ minAttention: "40" }), ["f6", "f5", "f4"]);
        assert.deepEqual(await ids({ hasAlerts: "false" }), ["f6", "f5"]);
        assert.deepEqual(await ids({ from: new Date(start + 60_000).toISOString(), to: new Date(start + 180_000).toISOString() }), [
          "f2",
          "f1",
        ]);
        assert.deepEqual(await ids({ sentiment: "negative", order: "asc" }), ["f0", "f2", "f4", "f6"]);
        // No words of the caller: last in either order.
        assert.equal((await ids({ sort: "callerSentiment", order: "asc" })).indexOf("f5") > 3, true);
        assert.equal((await ids({ sort: "callerSentiment", order: "desc" })).indexOf("f5") > 3, true);
        assert.deepEqual(
          await ids({
            agent: "Ann",
            caller: "30123",
            queue: "Service",
            trunkId: "t-1",
            termination: "bye",
            direction: "inbound",
            minDurationMs: "20000",
            maxDurationMs: "20000",
            live: "false",
            perPage: 1,
          }),
          ["f6"],
        );
        for (const none of [
          { agent: "Bob" },
          { queue: "None" },
          { termination: "cancel" },
          { minDurationMs: "20001" },
          { maxDurationMs: "1" },
          { live: "true" },
          { direction: "outbound" },
        ])
          assert.deepEqual(await ids(none), []);
        const statistics = await store.statistics(tenant, asked({ minAttention: "40" }), "UTC");
        assert.deepEqual(
          [statistics.calls, statistics.totalDurationMs, statistics.meanDurationMs, statistics.withAlerts, statistics.meanMos],
          [3, 60_000, 20_000, 1, 3.5],
        );
      };
      await check();
      // The newer half stays open, the older is settled: lists go over both.
      await subject().maintain();
      await check();
    },
  },
  {
    name: "counts days in the tenant's time zone",
    async run(subject) {
      const { store } = subject();
      const tenant = tenantId("days");
      // 23:30 in London is half past midnight of the next day in Berlin.
      await store.write([
        ...exampleCall(tenant, "d1", Date.parse("2025-12-10T23:30:00Z")),
        ...exampleCall(tenant, "d2", Date.parse("2025-12-11T12:00:00Z")),
      ]);
      const days = async (timezone: string) =>
        (await store.statistics(tenant, asked(), timezone)).perDay.map((day) => [day.day, day.calls]);
      assert.deepEqual(await days("Europe/London"), [
        ["2025-12-10", 1],
        ["2025-12-11", 1],
      ]);
      assert.deepEqual(await days("Europe/Berlin"), [["2025-12-11", 2]]);
      await assert.rejects(async () => days("Mars/Olympus'; DROP TABLE calls"));
    },
  },
];
