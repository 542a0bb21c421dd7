import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import type { LiveEvent, ServerMessage } from "@earshot/proto/api/live.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { EventRing } from "./event-ring.ts";
import type { LiveClient } from "./live-client.ts";
import { LiveTenant } from "./live-tenant.ts";
import { nowhere, type Positions } from "./read-positions.ts";
import { liveSettings } from "./settings.ts";
import { textFrame } from "./text-frame.ts";

const settings = { ...readSettings({ live: liveSettings }, {}).values.live, slowBytes: 16_384, hardBytes: 100_000 };

/** Keeps what it is sent; `unsent` is what a test says lies in its socket. */
class FakeClient {
  streaming = false;
  slowSinceMs: number | undefined;
  droppedEvents = 0;
  unsentBytes = 0;
  cut = false;
  buffers: Buffer[] = [];
  sendFrame(frame: Buffer): void {
    this.buffers.push(frame);
  }
  say(message: ServerMessage): void {
    this.sendFrame(textFrame(JSON.stringify(message)));
  }
  cutOff(): void {
    this.cut = true;
  }
  get messages(): (ServerMessage & { cursor?: string; events?: LiveEvent[] })[] {
    return this.buffers.map((buffer) => JSON.parse(buffer.toString("utf8", buffer.indexOf("{"))));
  }
}

const partial = (text: string, segmentId = "s", type: "transcript.partial" | "transcript.final" = "transcript.partial"): LiveEvent =>
  ({ type, callId: "c", segment: { segmentId, text } }) as LiveEvent;
const textsOf = (events: LiveEvent[] = []) => events.map((event) => ("segment" in event ? event.segment.text : event.type));

let clock: ManualClock;
let tenant: LiveTenant;
let slow: number;
/** The next offset of the one partition that these tests read: topic 1, partition 0. */
let next: number;
const at = (offset: number): Positions => [[0], [offset]];
const add = (event: LiveEvent): void => tenant.add(event, { event: { topic: 1, partition: 0, offset: next++ }, start: nowhere });
const join = (): FakeClient => {
  const client = new FakeClient();
  tenant.clients.add(client as unknown as LiveClient);
  tenant.begin(client as unknown as LiveClient);
  client.buffers = [];
  return client;
};

beforeEach(() => {
  clock = new ManualClock();
  slow = 0;
  next = 0;
  tenant = new LiveTenant({
    clock,
    settings,
    calls: () => [],
    positions: () => at(next),
    toldFrom: at(0),
    writeCursor: (positions) => `at ${positions[1]?.[0]}`,
    counters: { sent: { inc() {} }, slow: { inc: () => slow++ }, cutOff: { inc() {} } },
  });
});

describe("a batch", () => {
  test("is written once and is the same bytes for everyone", () => {
    const [a, b] = [join(), join()];
    add(partial("hello"));
    tenant.flush();
    expect(a.buffers).toHaveLength(1);
    expect(a.buffers[0]).toBe(b.buffers[0]);
    expect(a.messages[0]).toMatchObject({ type: "batch", cursor: "at 1" });
    tenant.flush();
    expect(a.buffers).toHaveLength(1);
  });

  test("carries the newest partial of a segment, in order, and its final after it", () => {
    const client = join();
    add(partial("g"));
    add(partial("other", "t"));
    add(partial("good"));
    add(partial("Good.", "s", "transcript.final"));
    add(partial("fresh", "u"));
    tenant.flush();
    expect(textsOf(client.messages[0]?.events)).toEqual(["other", "Good.", "fresh"]);
    add(partial("otherwise", "t"));
    tenant.flush();
    expect(textsOf(client.messages[1]?.events)).toEqual(["otherwise"]);
  });

  test("says what was true when the event came, not when it is sent", () => {
    const client = join();
    const call = { id: "c", attention: 1 };
    add({ type: "call.started", call } as unknown as LiveEvent);
    call.attention = 99;
    tenant.flush();
    expect(client.messages[0]?.events?.[0]).toMatchObject({ call: { attention: 1 } });
  });
});

test("what comes after a quiet time is sent at once, what follows waits for the batch", () => {
  const client = join();
  add(partial("one", "a"));
  add(partial("two", "b"));
  clock.advance(0);
  expect(client.messages.map(({ events }) => textsOf(events))).toEqual([["one", "two"]]);
  add(partial("three", "c"));
  clock.advance(settings.batchMs - 1);
  add(partial("four", "d"));
  expect(client.messages).toHaveLength(1);
  clock.advance(1);
  expect(client.messages.map(({ events }) => textsOf(events))).toEqual([
    ["one", "two"],
    ["three", "four"],
  ]);
});

describe("a client that comes back", () => {
  test("gets exactly what it missed", () => {
    join();
    for (const text of ["one", "two", "three"]) {
      add(partial(text, text));
      tenant.flush();
    }
    add(partial("four", "four"));
    const back = new FakeClient();
    tenant.resume(back as unknown as LiveClient, at(1));
    expect(back.messages.map((message) => [message.type, message.cursor, ...textsOf(message.events)])).toEqual([
      ["batch", "at 4", "two", "three", "four"],
    ]);
    const [second, none] = [new FakeClient(), new FakeClient()];
    tenant.resume(second as unknown as LiveClient, at(1));
    expect(second.buffers[0]).toBe(back.buffers[0]);
    tenant.resume(none as unknown as LiveClient, at(4));
    expect(none.messages).toEqual([{ type: "batch", cursor: "at 4", events: [] }]);
    expect(none.streaming).toBe(true);
  });

  test.each<{ seen: Positions | undefined }>([
    { seen: undefined },
    { seen: [] },
    { seen: [[0]] },
    { seen: [[0], [0, 0]] },
    { seen: [[0], []] },
  ])("gets a snapshot for the positions $seen", ({ seen }) => {
    add(partial("one"));
    tenant.flush();
    const back = new FakeClient();
    tenant.resume(back as unknown as LiveClient, seen);
    expect(back.messages.map(({ type }) => type)).toEqual(["snapshot"]);
  });

  test("gets every event of a call whose start it has not seen, wherever they stand", () => {
    const started = { topic: 0, partition: 0, offset: 7 };
    tenant.add({ type: "call.started", call: { id: "c" } } as unknown as LiveEvent, { event: started, start: started });
    tenant.add(partial("early"), { event: { topic: 1, partition: 0, offset: 3 }, start: started });
    next = 9;
    const back = new FakeClient();
    tenant.resume(back as unknown as LiveClient, [[0], [9]]);
    expect(textsOf(back.messages[0]?.events)).toEqual(["call.started", "early"]);
  });

  test("is not left in an older state when it asks late", () => {
    add(partial("one"));
    tenant.flush();
    const late = new FakeClient();
    tenant.begin(late as unknown as LiveClient);
    tenant.resume(late as unknown as LiveClient, at(0));
    expect(late.messages.map(({ type }) => type)).toEqual(["snapshot", "batch", "snapshot"]);
  });
});

describe("a client that comes from a process which had read further", () => {
  const comeBack = (): FakeClient => {
    const back = new FakeClient();
    tenant.clients.add(back as unknown as LiveClient);
    tenant.resume(back as unknown as LiveClient, at(2));
    return back;
  };

  test("waits for the log, and gets only what it has not seen", () => {
    add(partial("one", "a"));
    const back = comeBack();
    expect([back.messages, tenant.awaits(back as unknown as LiveClient)]).toEqual([[], true]);
    add(partial("two", "b"));
    add(partial("three", "c"));
    tenant.flush();
    expect(back.messages.map(({ type, events }) => [type, ...textsOf(events)])).toEqual([["batch", "three"]]);
    add(partial("four", "d"));
    tenant.flush();
    expect(textsOf(back.messages[1]?.events)).toEqual(["four"]);
    expect(tenant.awaits(back as unknown as LiveClient)).toBe(false);
  });

  test("gets a snapshot where the log does not come so far in time", () => {
    const back = comeBack();
    clock.advance(settings.resumeWaitMs - 1);
    tenant.tend();
    expect(back.messages).toEqual([]);
    clock.advance(1);
    tenant.tend();
    expect(back.messages.map(({ type }) => type)).toEqual(["snapshot"]);
  });

  test("that has gone again is forgotten", () => {
    const back = comeBack();
    tenant.clients.delete(back as unknown as LiveClient);
    tenant.tend();
    expect([back.messages, tenant.awaits(back as unknown as LiveClient)]).toEqual([[], false]);
  });
});

describe("a slow client", () => {
  test("that asks again and again without reading is given nothing more, and a summary once it has caught up", () => {
    const greedy = join();
    greedy.unsentBytes = settings.slowBytes + 1;
    for (let i = 0; i < 50; i++) tenant.resume(greedy as unknown as LiveClient, undefined);
    tenant.begin(greedy as unknown as LiveClient);
    expect([greedy.messages, slow]).toEqual([[], 1]);
    greedy.unsentBytes = 0;
    tenant.tend();
    expect(greedy.messages.map(({ type }) => type)).toEqual(["summary"]);
    greedy.unsentBytes = settings.slowBytes + 1;
    tenant.resume(greedy as unknown as LiveClient, undefined);
    clock.advance(settings.slowMs + 1);
    tenant.tend();
    expect(greedy.cut).toBe(true);
  });

  test("gets nothing, then one summary; the others miss nothing", () => {
    const [fast, slack] = [join(), join()];
    slack.unsentBytes = settings.slowBytes + 1;
    for (const text of ["one", "two", "three"]) {
      add(partial(text, text));
      tenant.flush();
    }
    expect(fast.messages).toHaveLength(3);
    expect(slack.messages).toHaveLength(0);
    expect(slow).toBe(1);
    slack.unsentBytes = 0;
    tenant.flush();
    expect(slack.messages).toMatchObject([{ type: "summary", droppedEvents: 3, cursor: "at 3" }]);
    add(partial("four"));
    tenant.flush();
    expect(slack.messages.map(({ type }) => type)).toEqual(["summary", "batch"]);
  });

  test("is cut off when it never catches up, or when too much lies unsent", () => {
    const [stuck, full] = [join(), join()];
    stuck.unsentBytes = settings.slowBytes + 1;
    full.unsentBytes = settings.hardBytes + 1;
    add(partial("one"));
    tenant.flush();
    expect([stuck.cut, full.cut]).toEqual([false, true]);
    clock.advance(settings.slowMs + 1);
    tenant.flush();
    expect(stuck.cut).toBe(true);
  });
});

test("the ring keeps what fits and forgets the oldest", () => {
  const ring = new EventRing(at(5), 100);
  const put = (offset: number, bytes: number) =>
    ring.add([{ json: String(offset), place: { event: { topic: 1, partition: 0, offset }, start: nowhere } }], bytes);
  for (let offset = 5; offset < 15; offset++) put(offset, 30);
  expect(ring.since(at(12))).toEqual(["12", "13", "14"]);
  expect(ring.since(at(11))).toBeUndefined();
  put(15, 1000);
  expect(ring.since(at(15))).toEqual(["15"]);
  expect(ring.since(at(14))).toBeUndefined();
});

test("no more is kept than a client that comes back may be sent, whatever the setting", () => {
  expect(settings.resumeBytes).toBeGreaterThan(settings.slowBytes);
  for (let i = 0; i < 200; i++) {
    add(partial("x".repeat(1000), `s${i}`));
    tenant.flush();
  }
  expect(tenant.keptBytes).toBeLessThanOrEqual(settings.slowBytes);
  expect(tenant.keptBytes).toBeGreaterThan(settings.slowBytes / 2);
});

test("what came before telling began is not known", () => {
  const ring = new EventRing(at(5), 100);
  expect([ring.since(at(4)), ring.since(at(5))]).toEqual([undefined, []]);
});
