import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { type LiveEvent, type ServerMessage, serverMessage } from "@earshot/proto/api/live.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { callEnded, callStarted, words } from "../api/testing/example-events.ts";
import { eventually, startTestApi, type TestApi } from "../api/testing/test-api.ts";
import { Listening } from "./listening.ts";
import { LiveCalls } from "./live-calls.ts";
import { LiveCursors } from "./live-cursor.ts";
import { LiveHub } from "./live-hub.ts";
import { liveSettings } from "./settings.ts";

let api: TestApi;
const open: WebSocket[] = [];

beforeAll(async () => {
  api = await startTestApi({ settings: { slowBytes: 65_536, resumeBytes: 2_000_000, clientsPerTenant: 20 } });
});
afterAll(() => api?.stop());
afterEach(() => {
  for (const socket of open.splice(0)) socket.terminate();
});

type Watcher = { socket: WebSocket; messages: ServerMessage[]; audio: Buffer[]; closed: Promise<number>; send(message: unknown): void };

function watch(headers: Record<string, string>, protocols: string[] = [], path = "/api/v1/live", port = api.port): Promise<Watcher> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers });
    open.push(socket);
    const watcher: Watcher = {
      socket,
      messages: [],
      audio: [],
      closed: new Promise((done) => socket.once("close", done)),
      send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    };
    socket.on("message", (data: Buffer, binary: boolean) => {
      if (binary) watcher.audio.push(data);
      else watcher.messages.push(JSON.parse(data.toString()));
    });
    socket.once("open", () => resolve(watcher));
    socket.once("unexpected-response", (_request: unknown, response: { statusCode: number }) =>
      reject(new Error(String(response.statusCode))),
    );
    socket.once("error", reject);
  });
}

const withKey = (key = "first-key") => watch({ authorization: `Bearer ${key}` });
const typesOf = ({ messages }: Watcher) => messages.map(({ type }) => type);
const eventsOf = ({ messages }: Watcher) => messages.flatMap((message) => (message.type === "batch" ? message.events : []));
const cursorOf = ({ messages }: Watcher) => {
  const last = messages.findLast((message) => "cursor" in message);
  return last !== undefined && "cursor" in last ? last.cursor : "";
};
const hasSnapshot = (watcher: Watcher) =>
  eventually(
    () => typesOf(watcher),
    (types) => types.includes("snapshot"),
  );

describe("admission", () => {
  test.each([
    ["no credentials", {}, "401"],
    ["a wrong key", { authorization: "Bearer wrong" }, "401"],
    ["a made-up cookie", { cookie: "earshot_session=x", origin: "self" }, "401"],
    ["a cookie from another site", { cookie: "earshot_session=x", origin: "https://evil.example" }, "403"],
    ["a cookie without an origin", { cookie: "earshot_session=x" }, "403"],
  ])("%s is refused", async (_name, headers: Record<string, string>, status) => {
    const sent = { ...headers, ...(headers.origin === "self" ? { origin: api.url } : {}) };
    await expect(watch(sent)).rejects.toThrow(status);
  });

  test("another path is refused", async () => {
    await expect(watch({ authorization: "Bearer first-key" }, [], "/api/v1/calls")).rejects.toThrow("404");
  });

  test("a cookie of this site, a key, and a key as subprotocol are let in, and greeted", async () => {
    const { cookie } = await api.login("first@example.test");
    const watchers = [await watch({ cookie, origin: api.url }), await withKey(), await watch({}, ["bearer.first-key"])];
    for (const watcher of watchers) {
      await hasSnapshot(watcher);
      expect(typesOf(watcher).slice(0, 2)).toEqual(["hello", "snapshot"]);
      for (const message of watcher.messages) expect(() => serverMessage.parse(message)).not.toThrow();
    }
    expect(watchers[2]?.socket.protocol).toBe("bearer.first-key");
  });

  test("logging out closes the person's sockets", async () => {
    const { cookie } = await api.login("first@example.test");
    const watcher = await watch({ cookie, origin: api.url });
    await api.request("/api/v1/session", { method: "DELETE", cookie });
    expect(await watcher.closed).toBe(4401);
  });

  test("one tenant cannot have more than its share", async () => {
    const sockets: Watcher[] = [];
    for (let i = 0; i < 20; i++) sockets.push(await withKey("second-key"));
    await expect(withKey("second-key")).rejects.toThrow("503");
    await hasSnapshot(await withKey());
    sockets[0]!.socket.close();
    await sockets[0]!.closed;
    await eventually(
      () =>
        withKey("second-key").then(
          () => true,
          () => false,
        ),
      (admitted) => admitted,
    );
  });
});

test("a start rebuilds the calls that are up from the log, and lets go of those that have ended", async () => {
  const { first, second } = api.tenants;
  await api.publish(topics.calls.name, callStarted(first, "still-up"));
  await api.publish(topics.calls.name, callStarted(second, "over"));
  await api.publish(topics.transcripts.name, words(first, "still-up", "said before the start", { final: true }));
  const alert = { alertId: "al-1", ruleId: "r", ruleName: "Cancel", kind: "said", phrase: "cancel", severity: "critical", atMs: 1, leg: 1 };
  await api.publish(topics.insights.name, {
    id: "al-1",
    tenantId: second,
    callId: "over",
    occurredAtMs: Date.now(),
    payload: { case: "alert", value: alert },
  });
  await api.publish(topics.calls.name, callEnded(second, "over"));
  const { values } = readSettings({ live: liveSettings }, {});
  const told: LiveEvent[] = [];
  const fresh = new LiveCalls({
    eventLog: api.eventLog,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics(),
    settings: values.live,
  });
  fresh.onEvent((_tenant, event) => told.push(event));
  await fresh.start();
  try {
    expect(fresh.get(first, "still-up")).toMatchObject({ agent: "Ada", lastWords: { text: "said before the start", final: true } });
    expect(fresh.list(second)).toEqual([]);
    expect(fresh.recentAlerts(second).map(({ alertId }) => alertId)).toEqual(["al-1"]);
    expect(told).toEqual([]);
    await api.publish(topics.transcripts.name, words(first, "still-up", "said after it", { startMs: 3000 }));
    await eventually(
      () => told.length,
      (count) => count > 0,
    );
    expect(told).toMatchObject([{ type: "transcript.partial", segment: { text: "said after it" } }]);
  } finally {
    await fresh.stop(1000);
    await api.publish(topics.calls.name, callEnded(first, "still-up"));
  }
});

test("two tenants: each sees its own calls and words only", async () => {
  const { first, second } = api.tenants;
  const [mine, theirs] = [await withKey(), await withKey("second-key")];
  await Promise.all([hasSnapshot(mine), hasSnapshot(theirs)]);
  await api.publish(topics.calls.name, callStarted(first, "same-id"));
  await api.publish(topics.calls.name, callStarted(second, "same-id"));
  await api.publish(topics.transcripts.name, words(first, "same-id", "words of one"));
  await api.publish(topics.transcripts.name, words(second, "same-id", "words of two"));
  await eventually(
    () => eventsOf(mine).map(({ type }) => type),
    (types) => types.includes("transcript.partial"),
  );
  await eventually(
    () => eventsOf(theirs).map(({ type }) => type),
    (types) => types.includes("transcript.partial"),
  );
  expect(JSON.stringify(mine.messages)).not.toContain("words of two");
  expect(JSON.stringify(mine.messages)).not.toContain(second);
  expect(JSON.stringify(theirs.messages)).not.toContain("words of one");
  expect(JSON.stringify(theirs.messages)).not.toContain(first);
  await api.publish(topics.calls.name, callEnded(first, "same-id"));
  await eventually(
    () => eventsOf(mine).map(({ type }) => type),
    (types) => types.includes("call.ended"),
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(eventsOf(theirs).map(({ type }) => type)).not.toContain("call.ended");
});

test("a client that lost its connection gets what it missed, in order, without a snapshot", async () => {
  const { first } = api.tenants;
  const watcher = await withKey();
  await hasSnapshot(watcher);
  await api.publish(topics.calls.name, callStarted(first, "resumed"));
  await eventually(
    () => eventsOf(watcher),
    (events) => events.length > 0,
  );
  const cursor = cursorOf(watcher);
  watcher.socket.terminate();
  const other = await withKey();
  await hasSnapshot(other);
  for (let i = 0; i < 3; i++) {
    await api.publish(topics.transcripts.name, words(first, "resumed", `missed ${i}`, { startMs: 1000 * i, final: true }));
    await eventually(
      () => eventsOf(other),
      (events) => events.length === i + 1,
    );
  }
  const back = await withKey();
  back.send({ type: "resume", cursor });
  await eventually(
    () => eventsOf(back),
    (events) => events.length >= 3,
  );
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(typesOf(back)).not.toContain("snapshot");
  expect(eventsOf(back).map((event) => ("segment" in event ? event.segment.text : event.type))).toEqual([
    "missed 0",
    "missed 1",
    "missed 2",
  ]);
});

/** What a second API process has of the live view, over the same log and directory. */
async function startSecondInstance(): Promise<{ port: number; calls: LiveCalls; stop(): Promise<void> }> {
  const { values } = readSettings({ live: liveSettings }, {});
  const { eventLog, directory } = api;
  const common = { eventLog, directory, clock: systemClock, log: silentLog, metrics: createMetrics(), settings: values.live };
  const calls = new LiveCalls(common);
  const listening = new Listening({ ...common, calls });
  const speech = () => ({ engine: "none", usable: false, reason: "", remedy: "" });
  const hub = new LiveHub({ ...common, calls, cursors: async () => LiveCursors.withSecret("test"), listening, publicOrigins: [], speech });
  const components = [calls, listening, hub];
  for (const component of components) await component.start();
  const server = createServer();
  hub.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    calls,
    async stop() {
      server.close();
      for (const component of components.toReversed()) await component.stop(1000);
    },
  };
}

describe("another instance of the API", () => {
  let other: Awaited<ReturnType<typeof startSecondInstance>>;
  const onOther = (key = "first-key") => watch({ authorization: `Bearer ${key}` }, [], "/api/v1/live", other.port);
  const textsOf = (watcher: Watcher) => eventsOf(watcher).map((event) => ("segment" in event ? event.segment.text : event.type));

  beforeAll(async () => {
    other = await startSecondInstance();
  });
  afterAll(() => other?.stop());

  test("resumes a socket where it was: back and forth while words come in, nothing is missed and nothing comes twice", async () => {
    const { first, second } = api.tenants;
    await api.publish(topics.calls.name, callStarted(first, "carried"));
    await api.publish(topics.calls.name, callStarted(second, "not-carried"));
    await eventually(
      () => [api.liveCalls, other.calls].filter((calls) => calls.get(first, "carried") !== undefined).length,
      (instances) => instances === 2,
    );
    let watcher = await withKey();
    await hasSnapshot(watcher);
    const heard: string[] = [];
    let said = 0;
    const say = async (): Promise<void> => {
      const place = { startMs: said * 1000, final: true };
      await api.publish(topics.transcripts.name, words(first, "carried", `words ${said++}`, place));
      await api.publish(topics.transcripts.name, words(second, "not-carried", "of the other", place));
    };
    for (let turn = 0; turn < 6; turn++) {
      await say();
      await say();
      // Whatever has come by now: in the middle of a batch's time as well.
      await new Promise((resolve) => setTimeout(resolve, 37 * turn));
      watcher.socket.terminate();
      await watcher.closed;
      const before = cursorOf(watcher);
      heard.push(...textsOf(watcher));
      await say();
      watcher = turn % 2 === 0 ? await onOther() : await withKey();
      watcher.send({ type: "resume", cursor: before });
      await say();
      await eventually(
        () => textsOf(watcher),
        (texts) => texts.includes(`words ${said - 1}`),
      );
      expect(typesOf(watcher)).not.toContain("snapshot");
    }
    heard.push(...textsOf(watcher));
    expect(heard).toEqual(Array.from({ length: said }, (_, index) => `words ${index}`));
  });

  test.each(["x", "another-epoch.1", "", "changed", "cut", "foreign"])(
    "a cursor that is %j is refused with a code, and a snapshot is sent",
    async (kind) => {
      const foreign = await withKey("second-key");
      await hasSnapshot(foreign);
      const mine = await withKey();
      await hasSnapshot(mine);
      const changed = cursorOf(mine).replace(/.(?=.{9}$)/, (letter) => (letter === "A" ? "B" : "A"));
      const back = await onOther();
      const cursors: Record<string, string> = { changed, cut: cursorOf(mine).slice(0, -8), foreign: cursorOf(foreign) };
      back.send({ type: "resume", cursor: cursors[kind] ?? kind });
      await eventually(
        () => typesOf(back),
        (types) => types.includes("error"),
      );
      expect(typesOf(back)).toEqual(["hello", "snapshot", "error"]);
      expect(back.messages.at(-1)).toMatchObject({ code: "cursor_refused" });
    },
  );

  test("that started after what was missed sends a snapshot", async () => {
    const { first } = api.tenants;
    const watcher = await withKey();
    await hasSnapshot(watcher);
    watcher.socket.terminate();
    await api.publish(topics.calls.name, callStarted(first, "meanwhile"));
    const late = await startSecondInstance();
    try {
      const back = await watch({ authorization: "Bearer first-key" }, [], "/api/v1/live", late.port);
      back.send({ type: "resume", cursor: cursorOf(watcher) });
      await hasSnapshot(back);
      expect(typesOf(back)).toEqual(["hello", "snapshot"]);
      expect(JSON.stringify(back.messages)).toContain("meanwhile");
    } finally {
      await late.stop();
    }
  });
});

test("a slow client does not slow the others, and is told what it missed in one summary", async () => {
  const { first } = api.tenants;
  const [fast, slow] = [await withKey(), await withKey()];
  await Promise.all([hasSnapshot(fast), hasSnapshot(slow)]);
  await api.publish(topics.calls.name, callStarted(first, "busy"));
  await eventually(
    () => eventsOf(slow),
    (events) => events.length > 0,
  );
  slow.socket.pause();
  // More than sockets and kernel take in, so that it lies with us.
  const text = "many words ".repeat(20_000);
  const count = 60;
  const waits: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    await api.publish(topics.transcripts.name, words(first, "busy", text, { startMs: i * 1000, final: true }));
    await eventually(
      () => eventsOf(fast).length,
      (length) => length >= i + 2,
    );
    waits.push(performance.now() - before);
  }
  expect(eventsOf(fast)).toHaveLength(count + 1);
  slow.socket.resume();
  const summary = await eventually(
    () => slow.messages.find((message) => message.type === "summary"),
    (message) => message !== undefined,
    10_000,
  );
  expect(summary).toMatchObject({ type: "summary", droppedEvents: expect.any(Number), calls: expect.any(Array) });
  const dropped = summary?.type === "summary" ? summary.droppedEvents : 0;
  expect(dropped).toBeGreaterThan(0);
  expect(eventsOf(slow).length + dropped).toBe(count + 1);
  // Its batch is sent every 100 ms: had the fast one waited for the slow one, it would have waited for ever.
  expect(waits.toSorted((a, b) => a - b)[count / 2]).toBeLessThan(1500);
});

describe("listening", () => {
  const chunk = (tenantId: string, callId: string) => ({
    id: "l",
    tenantId,
    callId,
    occurredAtMs: Date.now(),
    payload: { case: "listenChunk" as const, value: { positionMs: 1234, sampleRate: 8000, pcm: Buffer.from([1, 2, 3, 4]) } },
  });

  test("is audited, asked of the pipeline, and sent to the listener alone", async () => {
    const { first, second } = api.tenants;
    const { cookie } = await api.login("supervisor@example.test");
    const listener = await watch({ cookie, origin: api.url });
    const [bystander, foreigner] = [await withKey(), await withKey("second-key")];
    await Promise.all([listener, bystander, foreigner].map(hasSnapshot));
    await api.publish(topics.calls.name, callStarted(first, "heard"));
    await eventually(
      () => eventsOf(listener),
      (events) => events.length > 0,
    );
    listener.send({ type: "listen", callId: "heard", on: true });
    foreigner.send({ type: "listen", callId: "heard", on: true });
    await eventually(
      () => typesOf(listener),
      (types) => types.includes("listening"),
    );
    await eventually(
      () => foreigner.messages.find(({ type }) => type === "error"),
      (error) => error !== undefined,
    );
    expect(foreigner.messages.find(({ type }) => type === "error")).toMatchObject({ code: "call_not_live" });

    const [entry] = (await api.directory.auditLog(first, 1, 1)).data;
    expect(entry).toMatchObject({ actor: "supervisor@example.test", action: "call.listen.start", subject: "heard" });
    const lease = (
      await eventually(
        () => api.events(topics.commands.name),
        (events) => events.length > 0,
      )
    ).at(-1);
    expect(lease).toMatchObject({ tenantId: first, callId: "heard", payload: { value: { command: { case: "listen" } } } });
    const until =
      lease?.payload.case === "callCommand" && lease.payload.value.command.case === "listen"
        ? lease.payload.value.command.value.untilMs
        : 0;
    expect(until - Date.now()).toBeGreaterThan(20_000);

    await api.publish(topics.listen.name, chunk(second, "heard"));
    await api.publish(topics.listen.name, chunk(first, "other"));
    await api.publish(topics.listen.name, chunk(first, "heard"));
    const [audio] = await eventually(
      () => listener.audio,
      (messages) => messages.length > 0,
    );
    const header = Buffer.from([0x45, 0x41, 1, 2, 0x40, 0x1f, 0, 0, 0xd2, 0x04, 0, 0, 5]);
    expect(audio).toEqual(Buffer.concat([header, Buffer.from("heard"), Buffer.from([1, 2, 3, 4])]));
    expect([listener.audio.length, bystander.audio.length, foreigner.audio.length]).toEqual([1, 0, 0]);

    listener.send({ type: "listen", callId: "heard", on: false });
    await eventually(
      () => listener.messages.filter(({ type }) => type === "listening").length,
      (count) => count === 2,
    );
    await api.publish(topics.listen.name, chunk(first, "heard"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(listener.audio).toHaveLength(1);
    expect((await api.directory.auditLog(first, 1, 1)).data[0]).toMatchObject({ action: "call.listen.stop" });
  });

  test("ends with the call", async () => {
    const { first } = api.tenants;
    const listener = await withKey();
    await hasSnapshot(listener);
    await api.publish(topics.calls.name, callStarted(first, "ending"));
    await eventually(
      () => eventsOf(listener),
      (events) => events.length > 0,
    );
    listener.send({ type: "listen", callId: "ending", on: true });
    await eventually(
      () => typesOf(listener),
      (types) => types.includes("listening"),
    );
    await api.publish(topics.calls.name, callEnded(first, "ending"));
    await eventually(
      () => listener.messages.findLast(({ type }) => type === "listening"),
      (message) => message?.type === "listening" && !message.on,
    );
  });
});

test("a one-time password opens no live socket", async () => {
  const { cookie } = await api.login("admin@localhost", api.oneTimePassword);
  await expect(watch({ cookie, origin: api.url })).rejects.toThrow("403");
});

test("knocking is limited per address, before anything is looked up, and by the address that a trusted proxy names", async () => {
  const limited = await startTestApi({ settings: { upgradesPerMinute: 3, trustProxy: 1 } });
  const knock = (forwarded: string) =>
    new Promise<number>((resolve, reject) => {
      const headers = { authorization: "Bearer wrong", "x-forwarded-for": forwarded };
      const socket = new WebSocket(`ws://127.0.0.1:${limited.port}/api/v1/live`, { headers });
      socket.once("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
      socket.once("error", reject);
      open.push(socket);
    });
  try {
    const codes: number[] = [];
    for (let i = 0; i < 5; i++) codes.push(await knock(`10.1.1.${i}, 203.0.113.9`));
    expect(codes).toEqual([401, 401, 401, 429, 429]);
    expect(await knock("203.0.113.10")).toBe(401);
  } finally {
    for (const socket of open.splice(0)) socket.terminate();
    await limited.stop();
  }
});

test("a client that reads nothing and asks on is cut off: what lies unsent stays within its limit", async () => {
  const greedy = await startTestApi({ settings: { slowBytes: 100_000_000, hardBytes: 400_000, clientMessagesPerSecond: 1000 } });
  try {
    for (let i = 0; i < 40; i++) {
      await greedy.publish(topics.calls.name, callStarted(greedy.tenants.first, `call-${i}`));
      await greedy.publish(topics.transcripts.name, words(greedy.tenants.first, `call-${i}`, "many words ".repeat(2000)));
    }
    await eventually(
      () => greedy.liveCalls.count(greedy.tenants.first),
      (count) => count === 40,
    );
    const socket = new WebSocket(`ws://127.0.0.1:${greedy.port}/api/v1/live`, { headers: { authorization: "Bearer first-key" } });
    open.push(socket);
    await new Promise((resolve) => socket.once("open", resolve));
    socket.pause();
    for (let i = 0; i < 100; i++) socket.send(JSON.stringify({ type: "resume", cursor: "none.1" }));
    const cutOff = await eventually(
      async () => (await (await fetch(`${greedy.url}/metrics`)).text()).match(/earshot_live_clients (\d+)/)?.[1],
      (clients) => clients === "0",
    );
    expect(cutOff).toBe("0");
  } finally {
    for (const socket of open.splice(0)) socket.terminate();
    await greedy.stop();
  }
});

describe("hostile clients", () => {
  test.each(["{", "null", "[]", '"x"', '{"type":"reboot"}', '{"type":"listen","callId":5}', '{"type":"resume"}', "\u0000"])(
    "%j is answered with an error, and the socket stays",
    async (text) => {
      const watcher = await withKey();
      watcher.send(text);
      await eventually(
        () => watcher.messages.find(({ type }) => type === "error"),
        (error) => error !== undefined,
      );
      watcher.send({ type: "ping" });
      await eventually(
        () => typesOf(watcher),
        (types) => types.includes("pong"),
      );
    },
  );

  test("a message that is too large closes the socket", async () => {
    const watcher = await withKey();
    watcher.send({ type: "resume", cursor: "x".repeat(10_000) });
    expect(await watcher.closed).toBe(1009);
  });

  test("a flood closes the socket", async () => {
    const watcher = await withKey();
    for (let i = 0; i < 200; i++) watcher.send({ type: "ping" });
    expect(await watcher.closed).toBe(1008);
  });

  test("a broken upgrade does no harm", async () => {
    for (const text of [
      "GET /api/v1/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer first-key\r\n\r\n",
      "GET /api/v1/live HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\nHost: x\r\n\r\n",
    ]) {
      const answer = await new Promise<string>((resolve, reject) => {
        const socket = connect(api.port, "127.0.0.1", () => socket.write(text));
        socket.once("data", (data) => {
          resolve(data.toString());
          socket.destroy();
        });
        socket.once("error", reject);
      });
      expect(answer).toMatch(/^HTTP\/1.1 4\d\d/);
    }
    await hasSnapshot(await withKey());
  });

  test("a record on the log that is no event harms nobody", async () => {
    await api.eventLog.publish(topics.calls.name, "x", Buffer.from([0xff, 0xff, 0xff]));
    await api.eventLog.publish(topics.transcripts.name, "x", encodeEvent({ id: "no payload", tenantId: api.tenants.first, callId: "x" }));
    const watcher = await withKey();
    await hasSnapshot(watcher);
    await api.publish(topics.calls.name, callStarted(api.tenants.first, "after-poison"));
    await eventually(
      () => eventsOf(watcher),
      (events) => events.some((event) => event.type === "call.started"),
    );
  });
});
