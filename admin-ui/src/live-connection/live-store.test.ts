import type { Alert, Segment } from "@earshot/proto/api/calls.ts";
import type { LiveCall, LiveEvent } from "@earshot/proto/api/live.ts";
import { describe, expect, it } from "vitest";
import { makeCall, service } from "../../dev/fake-calls.ts";
import { LiveStore } from "./live-store.ts";
import { mergeSegments } from "./transcript.ts";

const now = Date.parse("2026-11-20T12:00:00Z");
const call = (id: string, seed = 1): LiveCall => ({ ...makeCall(id, seed, now - 20_000, service, 12_000), alerts: [], alertCount: 0 });
const segment = (more: Partial<Segment> = {}): Segment => ({
  segmentId: "s1",
  leg: 1,
  speaker: "caller",
  startMs: 20_000,
  endMs: 21_000,
  text: "my bill",
  words: [],
  final: false,
  revision: 1,
  engine: "scripted",
  confidence: null,
  lostMs: 0,
  sentiment: null,
  error: "",
  ...more,
});

function started(...calls: LiveCall[]): LiveStore {
  const store = new LiveStore();
  store.apply(
    {
      type: "hello",
      tenantId: "t",
      serverTime: new Date(now + 5000).toISOString(),
      cursor: "0",
      speech: { engine: "none", usable: false, reason: "r", remedy: "m" },
    },
    now,
  );
  store.apply({ type: "snapshot", cursor: "1", calls }, now);
  return store;
}
const batch = (store: LiveStore, ...events: LiveEvent[]) => store.apply({ type: "batch", cursor: "9", events }, now);

describe("the live store", () => {
  it("takes hello and snapshot: speech engine, clock, calls, cursor", () => {
    const store = started(call("a"), call("b"));
    expect(store.callIds()).toEqual(["a", "b"]);
    expect(store.connection()).toMatchObject({ loaded: true, clockOffsetMs: 5000, speech: { usable: false, remedy: "m" } });
    expect(store.cursor).toBe("1");
  });

  it("tells only the readers of what has changed, once per batch", () => {
    const store = started(call("a"), call("b"));
    const told: string[] = [];
    for (const key of ["call:a", "call:b", "calls", "alerts"]) store.subscribe(key, () => told.push(key));
    batch(
      store,
      { type: "transcript.partial", callId: "a", segment: segment() },
      { type: "transcript.partial", callId: "a", segment: segment({ revision: 2, text: "my bill is" }) },
    );
    expect(told).toEqual(["call:a"]);
    expect(store.call("a")?.lastWords).toEqual({ speaker: "caller", text: "my bill is", final: false });
  });

  it("gives changed calls a new identity and leaves the others theirs", () => {
    const store = started(call("a"), call("b"));
    const [a, b] = [store.call("a"), store.call("b")];
    batch(store, { type: "attention", callId: "a", attention: { score: 88, reasons: [], version: "1" } });
    expect(store.call("a")).not.toBe(a);
    expect(store.call("a")?.attention).toBe(88);
    expect(store.call("b")).toBe(b);
  });

  it("keeps the newest line quality per leg and thirty points of sentiment per side, in order", () => {
    const store = started({ ...call("a"), lineQuality: [], sentimentCurve: { agent: [], caller: [] } });
    const line = makeCall("x", 1, now, service, 12_000).lineQuality[1]!;
    batch(
      store,
      { type: "line-quality", callId: "a", lineQuality: { ...line, leg: 1, mos: 4 } },
      { type: "line-quality", callId: "a", lineQuality: { ...line, leg: 0, mos: 3 } },
      { type: "line-quality", callId: "a", lineQuality: { ...line, leg: 1, mos: 2 } },
    );
    expect(store.call("a")?.lineQuality.map(({ leg, mos }) => [leg, mos])).toEqual([
      [0, 3],
      [1, 2],
    ]);
    for (let index = 40; index > 0; index -= 1)
      batch(store, {
        type: "sentiment",
        callId: "a",
        segmentId: `${index}`,
        speaker: "caller",
        startMs: index * 1000,
        score: index / 40,
        trend: 0,
      });
    const { caller, agent } = store.call("a")!.sentimentCurve;
    expect(caller).toHaveLength(30);
    expect(caller.at(-1)).toEqual([40_000, 1]);
    expect(caller.map(([at]) => at)).toEqual(caller.map(([at]) => at).toSorted((a, b) => a - b));
    expect(agent).toEqual([]);
  });

  it("counts an alert once, however often it comes", () => {
    const store = started(call("a"));
    const alert: Alert = {
      alertId: "x",
      callId: "a",
      ruleId: "r",
      ruleName: "Cancel",
      kind: "said",
      phrase: "cancel",
      severity: "critical",
      atMs: 1,
      raisedAt: new Date(now).toISOString(),
      speaker: "caller",
      evidence: [],
    };
    batch(store, { type: "alert", callId: "a", alert }, { type: "alert", callId: "a", alert });
    store.fillAlerts([alert]);
    expect(store.call("a")).toMatchObject({ alertCount: 1, alerts: [{ alertId: "x" }] });
    expect(store.alerts()).toHaveLength(1);
  });

  it("keeps transcripts of watched calls only, and lets them go with the last reader", () => {
    const store = started(call("a"), call("b"));
    const first = store.watch("a");
    const second = store.watch("a");
    batch(
      store,
      { type: "transcript.partial", callId: "a", segment: segment() },
      { type: "transcript.partial", callId: "b", segment: segment() },
    );
    expect(store.transcript("a")).toHaveLength(1);
    expect(store.transcript("b")).toHaveLength(0);
    first();
    expect(store.transcript("a")).toHaveLength(1);
    second();
    expect(store.transcript("a")).toHaveLength(0);
  });

  it("moves words that are already there, and those on their way, when agent and caller are swapped", () => {
    const store = started(call("a"));
    store.watch("a");
    batch(store, { type: "transcript.final", callId: "a", segment: segment({ final: true }) });
    expect(store.transcript("a")[0]?.speaker).toBe("caller");
    const swapped = call("a");
    for (const leg of swapped.legs) leg.speaker = leg.speaker === "agent" ? "caller" : "agent";
    batch(store, { type: "call.updated", callId: "a", call: swapped });
    expect(store.transcript("a")[0]?.speaker).toBe("agent");
    batch(store, { type: "transcript.partial", callId: "a", segment: segment({ segmentId: "s2", startMs: 22_000 }) });
    expect(store.transcript("a").map((each) => each.speaker)).toEqual(["agent", "agent"]);
  });

  it("lets a final settle its partial, and no late partial unsettle it", () => {
    const store = started(call("a"));
    store.watch("a");
    batch(store, { type: "transcript.partial", callId: "a", segment: segment() });
    batch(store, { type: "transcript.final", callId: "a", segment: segment({ final: true, text: "My bill.", revision: 2 }) });
    batch(store, { type: "sentiment", callId: "a", segmentId: "s1", speaker: "caller", startMs: 20_000, score: -0.4, trend: 0 });
    batch(store, { type: "transcript.partial", callId: "a", segment: segment({ revision: 7, text: "late" }) });
    expect(store.transcript("a")).toMatchObject([{ text: "My bill.", final: true, sentiment: -0.4 }]);
  });

  it("has one line for a segment that is told again: the higher revision's, whichever comes first, on the socket or from the server", () => {
    const final = (text: string, revision: number, segmentId = "s1") => segment({ segmentId, final: true, text, revision });
    const told = (store: LiveStore, ...segments: Segment[]) => {
      for (const one of segments) batch(store, { type: "transcript.final", callId: "a", segment: one });
    };
    const store = started(call("a"));
    store.watch("a");
    told(store, final("by one that was cut off", 3), final("by its successor", 100_002), final("by its successor", 100_002));
    told(store, final("by the other's successor", 100_001, "s2"), final("by the other", 4, "s2"));
    const texts = (segments: readonly Segment[]) => segments.map(({ text }) => text);
    expect(texts(store.transcript("a"))).toEqual(["by its successor", "by the other's successor"]);
    expect(texts(mergeSegments([final("stored", 3)], [final("live", 4)]))).toEqual(["live"]);
    expect(texts(mergeSegments([final("stored", 4)], [final("live", 3)]))).toEqual(["stored"]);
  });

  it("replaces everything with a summary, says how much was dropped, and asks for the words that are missing", () => {
    const store = started(call("a"), call("b"));
    store.watch("a");
    const gaps: string[] = [];
    store.onGap = (id) => gaps.push(id);
    store.apply({ type: "summary", cursor: "77", droppedEvents: 120, calls: [{ ...call("a"), attention: 50 }, call("c")] }, now);
    expect(store.cursor).toBe("77");
    expect(store.connection().droppedEvents).toBe(120);
    expect(store.call("a")?.attention).toBe(50);
    expect(store.call("b")?.ended).not.toBeNull();
    expect(store.call("c")?.ended).toBeNull();
    expect(gaps).toEqual(["a"]);
    store.fillTranscript("a", [segment({ segmentId: "s0", startMs: 1000, final: true }), segment({ final: true, text: "stored" })]);
    expect(store.transcript("a").map(({ segmentId }) => segmentId)).toEqual(["s0", "s1"]);
  });

  it("marks an ended call and keeps it for its readers", () => {
    const store = started(call("a"));
    let told = 0;
    store.subscribe("calls", () => {
      told += 1;
    });
    batch(store, { type: "call.ended", callId: "a", endedAt: new Date(now).toISOString(), termination: "bye", detail: "" });
    expect(store.call("a")).toMatchObject({ ended: { termination: "bye" }, endedAt: new Date(now).toISOString() });
    expect(told).toBe(1);
  });

  it("forgets everything for the next person", () => {
    const store = started(call("a"));
    store.watch("a");
    batch(store, { type: "transcript.partial", callId: "a", segment: segment() });
    const told: string[] = [];
    for (const key of ["call:a", "transcript:a", "calls"]) store.subscribe(key, () => told.push(key));
    store.reset();
    expect([store.callIds(), store.call("a"), store.transcript("a"), store.alerts(), store.cursor]).toEqual([[], undefined, [], [], null]);
    expect(store.connection().loaded).toBe(false);
    expect(told.toSorted()).toEqual(["call:a", "calls", "transcript:a"]);
  });

  it("ignores events of calls it does not know", () => {
    const store = started();
    batch(
      store,
      { type: "attention", callId: "gone", attention: { score: 1, reasons: [], version: "1" } },
      { type: "transcript.final", callId: "gone", segment: segment() },
    );
    expect(store.callIds()).toEqual([]);
  });
});
