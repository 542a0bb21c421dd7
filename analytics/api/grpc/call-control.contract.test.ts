/** Call control as a program uses it: over a real connection, on the real directory and event log, for two tenants. */
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { type GrpcClient, grpcClient } from "@earshot/platform/grpc/client.ts";
import { GrpcServer } from "@earshot/platform/grpc/server.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { hashToken } from "@earshot/platform/secrets/token.ts";
import { CallControl, CallChange_Kind as Kind } from "@earshot/proto/gen/earshot/control/v1/call_control_pb.js";
import { topics } from "@earshot/proto/topics.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { callEnded, callStarted } from "../testing/example-events.ts";
import { eventually, startTestApi, type TestApi } from "../testing/test-api.ts";
import { callControlService } from "./call-control-service.ts";

let api: TestApi;
let server: GrpcServer;
let clients: GrpcClient<typeof CallControl>[] = [];

beforeEach(async () => {
  api = await startTestApi();
  server = new GrpcServer({
    name: "call-control",
    host: "127.0.0.1",
    port: 0,
    portEnv: "EARSHOT_GRPC_PORT",
    tls: undefined,
    limits: { messageBytes: 4096, calls: 50, callsEnv: "EARSHOT_GRPC_CALLS" },
    log: silentLog,
    metrics: createMetrics(),
    clock: systemClock,
  });
  server.add(
    CallControl,
    callControlService({
      ...api,
      clock: systemClock,
      limits: { streamsPerTenant: 2, pageCalls: 3, watchedChanges: 20, recheckMs: 100, callsPerMinute: 60 },
    }),
  );
  await server.start();
});
afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await server.stop(1000);
  await api.stop();
});

function withKey(token = "first-key") {
  const client = grpcClient(CallControl, {
    url: `grpc://127.0.0.1:${server.port}`,
    tls: {},
    peer: "call control",
    clock: systemClock,
    messageBytes: 1024 * 1024,
    token,
  } as Parameters<typeof grpcClient>[1]);
  clients.push(client as unknown as GrpcClient<typeof CallControl>);
  return (client as unknown as GrpcClient<typeof CallControl>).call;
}

async function started(callId: string, tenant = api.tenants.first): Promise<void> {
  await api.publish(topics.calls.name, callStarted(tenant, callId));
  await eventually(
    async () => api.liveCalls.get(tenant, callId),
    (call) => call !== undefined,
  );
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => ({ category: "none" }),
    (error: unknown) => error,
  );
const first = <T>(stream: AsyncIterable<T>) => stream[Symbol.asyncIterator]().next();

test("lists the calls of the key's tenant that are up, and no others", async () => {
  await started("mine");
  await started("theirs", api.tenants.second);
  const { calls } = await withKey().listCalls({});
  expect(calls).toMatchObject([
    { id: "mine", agent: "Ada", caller: "Grace", queue: "support", trunk: "PBX", termination: "", endedAtMs: 0 },
  ]);
  expect((await withKey("second-key").listCalls({})).calls.map(({ id }) => id)).toEqual(["theirs"]);
});

test("lists page by page: each call that is up all the while once, though others begin and end, and never more than the limit", async () => {
  const { first: tenant } = api.tenants;
  const begin = async (callId: string, atMs: number) => {
    const event = callStarted(tenant, callId);
    const payload = event.payload as Extract<typeof event.payload, { case: "callStarted" }>;
    payload.value.startedAtMs = atMs;
    await api.publish(topics.calls.name, event);
    await eventually(
      async () => api.liveCalls.get(tenant, callId),
      (call) => call !== undefined,
    );
  };
  // Two began in the same millisecond.
  for (const [i, callId] of ["d", "a", "c", "b", "e"].entries()) await begin(callId, 1_700_000_000_000 + Math.max(0, i - 1));
  const { listCalls } = withKey();
  const ids = ({ calls }: { calls: { id: string }[] }) => calls.map(({ id }) => id);
  const whole = await listCalls({ pageSize: 100 });
  expect(ids(whole)).toEqual(["a", "d", "c"]);
  const one = await listCalls({ pageSize: 2 });
  expect(ids(one)).toEqual(["a", "d"]);
  // The call that the token names ends, one on this page ends, and another begins.
  for (const gone of ["d", "c"]) await api.publish(topics.calls.name, callEnded(tenant, gone));
  await begin("new", Date.now());
  await eventually(
    async () => api.liveCalls.count(tenant),
    (count) => count === 4,
  );
  const two = await listCalls({ pageSize: 2, pageToken: one.nextPageToken });
  expect(ids(two)).toEqual(["b", "e"]);
  const last = await listCalls({ pageToken: two.nextPageToken });
  expect([ids(last), last.nextPageToken]).toEqual([["new"], ""]);

  // A token is a place, no right: with another tenant's key it shows that tenant's calls.
  await started("theirs", api.tenants.second);
  expect(ids(await withKey("second-key").listCalls({ pageToken: one.nextPageToken }))).toEqual(["theirs"]);
  for (const pageToken of [
    "x",
    one.nextPageToken.slice(1),
    Buffer.from("[1,2]").toString("base64url"),
    Buffer.from("null").toString("base64url"),
  ])
    expect(await failure(listCalls({ pageToken }))).toMatchObject({ category: "invalid_request", code: "page_token_invalid" });
});

test("needs a key on every method; nobody acts on another tenant's call, on none, or on one that has ended", async () => {
  await started("mine");
  await started("theirs", api.tenants.second);
  for (const key of ["", "wrong", "x".repeat(2000)]) {
    expect(await failure(withKey(key).listCalls({}))).toMatchObject({ category: "unauthenticated" });
    expect(await failure(first(withKey(key).watchCalls({})))).toMatchObject({ category: "unauthenticated" });
    expect(await failure(first(withKey(key).listen({ callId: "mine" })))).toMatchObject({ category: "unauthenticated" });
  }
  const call = withKey();
  for (const callId of ["theirs", "nowhere"])
    for (const act of [call.pauseRecording, call.resumeRecording, call.stopRecording])
      expect(await failure(act({ callId }))).toMatchObject({ category: "not_found" });
  expect(await failure(first(call.listen({ callId: "theirs" })))).toMatchObject({ category: "not_found" });
  for (const callId of ["", "x".repeat(101)])
    expect(await failure(call.stopRecording({ callId }))).toMatchObject({ category: "invalid_request" });
  expect(await failure(call.pauseRecording({ callId: "mine", reason: "r".repeat(201) }))).toMatchObject({ category: "invalid_request" });
  expect(await failure(call.pauseRecording({ callId: "mine", reason: "r".repeat(10_000) }))).toMatchObject({ category: "rate_limited" });
  await api.publish(topics.calls.name, callEnded(api.tenants.first, "mine"));
  await eventually(
    async () => api.liveCalls.get(api.tenants.first, "mine")?.endedAt,
    (endedAt) => endedAt !== null,
  );
  expect(await failure(call.stopRecording({ callId: "mine" }))).toMatchObject({ category: "conflict" });
  expect(await api.events(topics.commands.name)).toEqual([]);
});

test("pauses, resumes and stops: audited, and told to the gateways", async () => {
  await started("mine");
  const call = withKey();
  expect(await call.pauseRecording({ callId: "mine", reason: "card number" })).toMatchObject({ callId: "mine" });
  await call.resumeRecording({ callId: "mine" });
  await call.stopRecording({ callId: "mine", reason: "no consent" });
  const commands = (await api.events(topics.commands.name)).map(({ tenantId, callId, payload }) => ({ tenantId, callId, payload }));
  const of = { tenantId: api.tenants.first, callId: "mine" };
  expect(commands).toMatchObject([
    { ...of, payload: { value: { command: { case: "pause", value: { reason: "card number" } } } } },
    { ...of, payload: { value: { command: { case: "resume" } } } },
    { ...of, payload: { value: { command: { case: "stop", value: { reason: "no consent" } } } } },
  ]);
  expect((await api.directory.auditLog(api.tenants.first, 1, 3)).data.map(({ action, subject }) => [action, subject])).toEqual([
    ["call.stop", "mine"],
    ["call.resume", "mine"],
    ["call.pause", "mine"],
  ]);
});

test("watches: what is up, a mark, then changes, each tenant its own; a stream beyond the limit is refused", async () => {
  await started("up");
  const seen: [Kind, string][] = [];
  const call = withKey();
  const controller = new AbortController();
  const watching = (async () => {
    for await (const change of call.watchCalls({}, { signal: controller.signal })) seen.push([change.kind, change.call?.id ?? ""]);
  })().catch(() => {});
  await eventually(
    async () => seen.length,
    (count) => count === 2,
  );
  await started("theirs", api.tenants.second);
  await started("later");
  await api.publish(topics.calls.name, callEnded(api.tenants.first, "up"));
  await eventually(
    async () => seen.length,
    (count) => count >= 4,
  );
  expect(seen).toEqual([
    [Kind.UPDATED, "up"],
    [Kind.SYNCED, ""],
    [Kind.UPDATED, "later"],
    [Kind.ENDED, "up"],
  ]);
  const second = call.watchCalls({})[Symbol.asyncIterator]();
  await second.next();
  expect(await failure(first(call.watchCalls({})))).toMatchObject({ category: "rate_limited" });
  expect((await first(withKey("second-key").watchCalls({}))).value).toMatchObject({ call: { id: "theirs" } });
  controller.abort();
  await watching;
  await second.return?.();
  // Those that have left make room.
  await eventually(
    async () => failure(first(call.watchCalls({}))),
    (answer) => (answer as { category?: string }).category === "none",
  );
});

test("listens under a lease, audited from start to end, and hears this call alone", async () => {
  await started("heard");
  const chunk = (callId: string, positionMs: number) => ({
    id: `l-${callId}-${positionMs}`,
    tenantId: api.tenants.first,
    callId,
    occurredAtMs: Date.now(),
    payload: { case: "listenChunk" as const, value: { positionMs, sampleRate: 8000, pcm: Buffer.from([1, 2, 3, 4]) } },
  });
  const heard: number[] = [];
  const listening = (async () => {
    for await (const { positionMs, sampleRate, pcm } of withKey().listen({ callId: "heard" })) {
      expect([sampleRate, [...pcm]]).toEqual([8000, [1, 2, 3, 4]]);
      heard.push(positionMs);
    }
  })();
  const [lease] = await eventually(
    () => api.events(topics.commands.name),
    (events) => events.length > 0,
  );
  expect(lease).toMatchObject({ callId: "heard", payload: { value: { command: { case: "listen" } } } });
  await api.publish(topics.listen.name, chunk("other", 5));
  await api.publish(topics.listen.name, chunk("heard", 100));
  await api.publish(topics.listen.name, chunk("heard", 200));
  await eventually(
    async () => heard.length,
    (count) => count === 2,
  );
  expect((await api.directory.auditLog(api.tenants.first, 1, 1)).data[0]).toMatchObject({ action: "call.listen.start", subject: "heard" });
  // The call ends: so does the stream, without an error.
  await api.publish(topics.calls.name, callEnded(api.tenants.first, "heard"));
  await listening;
  expect(heard).toEqual([100, 200]);

  await started("left");
  const reading = withKey().listen({ callId: "left" })[Symbol.asyncIterator]();
  const next = reading.next();
  await eventually(
    () => api.events(topics.commands.name),
    (events) => events.some(({ callId }) => callId === "left"),
  );
  await api.publish(topics.listen.name, chunk("left", 0));
  expect((await next).value).toMatchObject({ positionMs: 0 });
  await reading.return?.();
  await eventually(
    () => api.directory.auditLog(api.tenants.first, 1, 1),
    ({ data }) => data[0]?.action === "call.listen.stop" && data[0].subject === "left",
  );
});

test("a key that is withdrawn, and a server that stops, end their streams at once, though nobody reads", async () => {
  await started("up");
  const { first: tenant } = api.tenants;
  const { id } = await api.directory.createApiKey(tenant, "short-lived", "short", hashToken("short-lived-key"));
  const call = withKey("short-lived-key");
  const withdrawn = call.watchCalls({})[Symbol.asyncIterator]();
  await withdrawn.next();
  const deaf = call.listen({ callId: "up" })[Symbol.asyncIterator]();
  const hearing = failure(deaf.next());
  await eventually(
    () => api.directory.auditLog(tenant, 1, 1),
    ({ data }) => data[0]?.action === "call.listen.start",
  );
  await api.directory.deleteApiKey(tenant, id);
  expect(await hearing).toMatchObject({ category: "unauthenticated" });
  await withdrawn.next();
  expect(await failure(withdrawn.next())).toMatchObject({ category: "unauthenticated" });
  await eventually(
    () => api.directory.auditLog(tenant, 1, 1),
    ({ data }) => data[0]?.action === "call.listen.stop",
  );

  const told = withKey().watchCalls({})[Symbol.asyncIterator]();
  await told.next();
  await told.next();
  const next = failure(told.next());
  const began = performance.now();
  await server.stop(20_000);
  expect(await next).toMatchObject({ category: "unavailable", code: "server_stopping" });
  expect(performance.now() - began).toBeLessThan(5000);
});

test("a watcher that never reads holds neither memory nor the stop up; one that reads on is told that it was too slow", async () => {
  const { first: tenant } = api.tenants;
  for (let i = 0; i < 40; i++) await api.publish(topics.calls.name, bigCall(tenant, `up-${i}`));
  await eventually(
    async () => api.liveCalls.count(tenant),
    (count) => count === 40,
  );
  const stuck = withKey().watchCalls({})[Symbol.asyncIterator]();
  await stuck.next();
  const slow = withKey().watchCalls({})[Symbol.asyncIterator]();
  await slow.next();
  // More than the connection takes unread is on its way already; these wait, and are too many.
  for (let i = 0; i < 40; i++) await api.publish(topics.calls.name, callEnded(tenant, `up-${i}`));
  await eventually(
    async () => api.liveCalls.count(tenant),
    (count) => count === 0,
  );
  expect(
    await failure(
      (async () => {
        while ((await slow.next()).done !== true);
      })(),
    ),
  ).toMatchObject({ category: "rate_limited", code: "watched_too_slowly" });
  const began = performance.now();
  await server.stop(20_000);
  expect(performance.now() - began).toBeLessThan(5000);
});

test("one address may not try keys without end", async () => {
  const answers = [];
  for (let i = 0; i < 62; i++) answers.push(await failure(withKey(`guess-${i}`).listCalls({})));
  expect(answers[59]).toMatchObject({ category: "unauthenticated" });
  expect(answers[60]).toMatchObject({ category: "rate_limited", code: "too_many_requests" });
});

/** As many and as long names as a PBX may give: some 30 kB. */
function bigCall(tenant: TestApi["tenants"]["first"], callId: string) {
  const event = callStarted(tenant, callId);
  const started = event.payload as Extract<typeof event.payload, { case: "callStarted" }>;
  const legs = Array.from({ length: 60 }, (_, index) => ({
    ...started.value.legs![0]!,
    index,
    participant: { name: "n".repeat(500), address: "a" },
  }));
  return { ...event, payload: { ...started, value: { ...started.value, legs } } } as typeof event;
}
