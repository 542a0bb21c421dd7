import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import type { LiveEvent, ServerMessage } from "@earshot/proto/api/live.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { BatchRing } from "./batch-ring.ts";
import type { LiveClient } from "./live-client.ts";
import { LiveTenant } from "./live-tenant.ts";
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
  tenant = new LiveTenant({
    epoch: "epoch",
    clock,
    settings,
    calls: () => [],
    counters: { sent: { inc() {} }, slow: { inc: () => slow++ }, cutOff: { inc() {} } },
  });
});

describe("a batch", () => {
  test("is written once and is the same bytes for everyone", () => {
    const [a, b] = [join(), join()];
    tenant.add(partial("hello"));
    tenant.flush();
    expect(a.buffers).toHaveLength(1);
    expect(a.buffers[0]).toBe(b.buffers[0]);
    expect(a.messages[0]).toMatchObject({ type: "batch", cursor: "epoch.1" });
    tenant.flush();
    expect(a.buffers).toHaveLength(1);
  });

  test("carries the newest partial of a segment, in order, and its final after it", () => {
    const client = join();
    tenant.add(partial("g"));
    tenant.add(partial("other", "t"));
    tenant.add(partial("good"));
    tenant.add(partial("Good.", "s", "transcript.final"));
    tenant.add(partial("fresh", "u"));
    tenant.flush();
    expect(textsOf(client.messages[0]?.events)).toEqual(["other", "Good.", "fresh"]);
    tenant.add(partial("otherwise", "t"));
    tenant.flush();
    expect(textsOf(client.messages[1]?.events)).toEqual(["otherwise"]);
  });

  test("says what was true when the event came, not when it is sent", () => {
    const client = join();
    const call = { id: "c", attention: 1 };
    tenant.add({ type: "call.started", call } as unknown as LiveEvent);
    call.attention = 99;
    tenant.flush();
    expect(client.messages[0]?.events?.[0]).toMatchObject({ call: { attention: 1 } });
  });
});

test("what comes after a quiet time is sent at once, what follows waits for the batch", () => {
  const client = join();
  tenant.add(partial("one", "a"));
  tenant.add(partial("two", "b"));
  clock.advance(0);
  expect(client.messages.map(({ events }) => textsOf(events))).toEqual([["one", "two"]]);
  tenant.add(partial("three", "c"));
  clock.advance(settings.batchMs - 1);
  tenant.add(partial("four", "d"));
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
      tenant.add(partial(text, text));
      tenant.flush();
    }
    tenant.add(partial("four", "four"));
    const back = new FakeClient();
    tenant.resume(back as unknown as LiveClient, "epoch.1");
    expect(back.messages.map((message) => [message.type, ...textsOf(message.events)])).toEqual([
      ["batch", "two"],
      ["batch", "three"],
      ["batch", "four"],
    ]);
    const none = new FakeClient();
    tenant.resume(none as unknown as LiveClient, "epoch.4");
    expect(none.messages).toEqual([]);
    expect(none.streaming).toBe(true);
  });

  test.each(["other.1", "epoch.99", "epoch.-1", "epoch", "", "epoch.1e3", "x".repeat(200)])(
    "gets a snapshot for the cursor %j",
    (cursor) => {
      tenant.add(partial("one"));
      tenant.flush();
      const back = new FakeClient();
      tenant.resume(back as unknown as LiveClient, cursor);
      expect(back.messages.map(({ type }) => type)).toEqual(["snapshot"]);
    },
  );

  test("is not left in an older state when it asks late", () => {
    tenant.add(partial("one"));
    tenant.flush();
    const late = new FakeClient();
    tenant.begin(late as unknown as LiveClient);
    tenant.resume(late as unknown as LiveClient, "epoch.0");
    expect(late.messages.map(({ type }) => type)).toEqual(["snapshot", "batch", "snapshot"]);
  });
});

describe("a slow client", () => {
  test("that asks again and again without reading is given nothing more, and a summary once it has caught up", () => {
    const greedy = join();
    greedy.unsentBytes = settings.slowBytes + 1;
    for (let i = 0; i < 50; i++) tenant.resume(greedy as unknown as LiveClient, "other.1");
    tenant.begin(greedy as unknown as LiveClient);
    expect([greedy.messages, slow]).toEqual([[], 1]);
    greedy.unsentBytes = 0;
    tenant.tend();
    expect(greedy.messages.map(({ type }) => type)).toEqual(["summary"]);
    greedy.unsentBytes = settings.slowBytes + 1;
    tenant.resume(greedy as unknown as LiveClient, "other.1");
    clock.advance(settings.slowMs + 1);
    tenant.tend();
    expect(greedy.cut).toBe(true);
  });

  test("gets nothing, then one summary; the others miss nothing", () => {
    const [fast, slack] = [join(), join()];
    slack.unsentBytes = settings.slowBytes + 1;
    for (const text of ["one", "two", "three"]) {
      tenant.add(partial(text, text));
      tenant.flush();
    }
    expect(fast.messages).toHaveLength(3);
    expect(slack.messages).toHaveLength(0);
    expect(slow).toBe(1);
    slack.unsentBytes = 0;
    tenant.flush();
    expect(slack.messages).toMatchObject([{ type: "summary", droppedEvents: 3, cursor: "epoch.3" }]);
    tenant.add(partial("four"));
    tenant.flush();
    expect(slack.messages.map(({ type }) => type)).toEqual(["summary", "batch"]);
  });

  test("is cut off when it never catches up, or when too much lies unsent", () => {
    const [stuck, full] = [join(), join()];
    stuck.unsentBytes = settings.slowBytes + 1;
    full.unsentBytes = settings.hardBytes + 1;
    tenant.add(partial("one"));
    tenant.flush();
    expect([stuck.cut, full.cut]).toEqual([false, true]);
    clock.advance(settings.slowMs + 1);
    tenant.flush();
    expect(stuck.cut).toBe(true);
  });
});

test("the ring keeps what fits and forgets the oldest", () => {
  const ring = new BatchRing("e", 100);
  for (let i = 0; i < 10; i++) ring.add(1, (cursor) => `${cursor}${"x".repeat(27)}`);
  expect(ring.cursor).toBe("e.10");
  expect(ring.since("e.7")?.map(({ number }) => number)).toEqual([8, 9, 10]);
  expect(ring.since("e.6")).toBeUndefined();
  ring.add(1, () => "y".repeat(1000));
  expect(ring.since("e.10")).toHaveLength(1);
});
