/** Several gateways on one event log: callers are sent on while one drains or is full, and a lost one's calls are ended by another, once. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import { afterEach, expect, test } from "vitest";
import { GatewayUnderTest, tenantSettings } from "../testing/gateway-under-test.ts";
import { MemoryEventLog } from "../testing/memory-event-log.ts";
import { headerOf } from "../testing/sip-client.ts";
import { gatewayIdOf } from "./gateway-id.ts";

const running: GatewayUnderTest[] = [];
afterEach(async () => {
  for (const under of running.splice(0)) await under.stop();
});

async function gateway(gatewayId: string, eventLog: MemoryEventLog, options: ConstructorParameters<typeof GatewayUnderTest>[0] = {}) {
  const under = new GatewayUnderTest({ gatewayId, eventLog, ...options });
  running.push(under);
  under.configure("tenant-1", tenantSettings());
  await under.gateway.start();
  return under;
}

/** The manual clock moves in steps, so that beats are sent and heard in between. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let gone = 0; gone < ms; gone += 500) {
    clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const started = (eventLog: MemoryEventLog, callId: string, gatewayId: string, at: number) =>
  eventLog.append(
    topics.calls.name,
    callId,
    encodeEvent({
      id: `${callId}-started`,
      tenantId: "tenant-1",
      callId,
      occurredAtMs: at,
      payload: { case: "callStarted", value: { gatewayId, startedAtMs: at } },
    }),
  );

test.each(["udp", "tcp"] as const)("a draining gateway sends new sessions to one that has room, over %s", async (transport) => {
  const eventLog = new MemoryEventLog();
  const one = await gateway("a", eventLog, { settings: { maxInvitesPerSecond: 1000 } });
  const two = await gateway("b", eventLog, { settings: { maxInvitesPerSecond: 1000 } });
  const live = await one.client(transport);
  expect((await live.start()).status).toBe(200);
  const stopped = one.gateway.stop(5000);

  for (let i = 0; i < 5; i++) {
    const refused = await (await one.client(transport)).start();
    expect(refused.status).toBe(302);
    const target = /<sip:[^>]*127\.0\.0\.1:(\d+)[^>]*>/.exec(headerOf(refused, "contact") ?? "");
    expect(Number(target?.[1])).toBe(two.target(transport).port);
    expect((await (await two.client(transport)).start()).status).toBe(200);
  }
  expect((await (await one.client(transport)).request("OPTIONS")).status).toBe(503);
  expect((await live.bye()).status).toBe(200);
  await stopped;
  running.splice(running.indexOf(one), 1);
  expect(two.gateway.liveCalls()).toBe(5);
  expect(eventLog.payloads(topics.calls.name, "callEnded").map(({ termination }) => termination)).toEqual(["bye"]);
  expect(await one.metrics.expose()).toContain('earshot_sip_invites_total{outcome="redirected_draining"} 5');
});

test("a gateway hears of the others until its sockets are closed: nobody is refused because it no longer knows where to send him", async () => {
  const eventLog = new MemoryEventLog();
  const one = await gateway("a", eventLog);
  await gateway("b", eventLog);
  const left = Promise.withResolvers<void>();
  eventLog.ending = { topic: topics.gateways.name, until: left.promise };
  const stopped = one.gateway.stop(0);
  await one.until(() => one.gateway.addresses().length === 0, "closing the sockets");
  left.resolve();
  await stopped;
  running.splice(running.indexOf(one), 1);
});

test("a full gateway sends on; where nobody has room, or it is told to reject, it answers 503", async () => {
  const eventLog = new MemoryEventLog();
  const full = await gateway("a", eventLog, { settings: { maxCalls: 1 } });
  await gateway("b", eventLog, { settings: { maxCalls: 1 } });
  expect((await (await full.client()).start()).status).toBe(200);
  const sentOn = await (await full.client()).start();
  expect([sentOn.status, headerOf(sentOn, "contact")]).toEqual([302, expect.stringContaining("sip:")]);

  const alone = await gateway("c", new MemoryEventLog(), { settings: { maxCalls: 1 } });
  expect((await (await alone.client()).start()).status).toBe(200);
  const refused = await (await alone.client()).start();
  expect([refused.status, headerOf(refused, "retry-after")]).toEqual([503, "5"]);

  const rejecting = await gateway("d", eventLog, { settings: { maxCalls: 1, overflow: "reject" } });
  expect((await (await rejecting.client()).start()).status).toBe(200);
  expect((await (await rejecting.client()).start()).status).toBe(503);
});

test("a stranger learns of no other gateway", async () => {
  const eventLog = new MemoryEventLog();
  const one = await gateway("a", eventLog, { settings: { maxCalls: 0 } });
  await gateway("b", eventLog);
  one.configure("tenant-1", { ...tenantSettings({ sourceNetworks: ["10.0.0.0/8"] }), version: 2 } as ReturnType<typeof tenantSettings>);
  expect((await (await one.client()).start()).status).toBe(403);
});

test("a gateway ends its own unended calls at its start, and leaves the others' alone", async () => {
  const eventLog = new MemoryEventLog();
  started(eventLog, "mine", "a", Date.now());
  started(eventLog, "theirs", "b", Date.now());
  await gateway("a", eventLog);
  expect(eventLog.events(topics.calls.name).filter(({ payload }) => payload.case === "callEnded")).toMatchObject([
    { callId: "mine", payload: { value: { termination: "restart" } } },
  ]);
});

test("the calls of a gateway that is never heard again are ended by the living one with the lowest id, once", async () => {
  const eventLog = new MemoryEventLog();
  const clock = new ManualClock();
  const settings = { beatMs: 1000, lostMs: 10_000 };
  const lost = await gateway("c", eventLog, { clock: new ManualClock(), settings });
  started(eventLog, "orphan", "c", clock.now());
  await gateway("a", eventLog, { clock, settings });
  await gateway("b", eventLog, { clock, settings });
  const ends = () => eventLog.events(topics.calls.name).filter(({ payload }) => payload.case === "callEnded");

  await pass(clock, 8000);
  expect(ends()).toEqual([]);
  await pass(clock, 20_000);
  expect(ends()).toMatchObject([
    { id: "orphan-ended-by-another", callId: "orphan", tenantId: "tenant-1", payload: { value: { termination: "gateway_lost" } } },
  ]);
  expect(lost.gateway.liveCalls()).toBe(0);
});

test("a gateway that leaves in good order is missed by nobody, and neither is anyone while the log is away", async () => {
  const eventLog = new MemoryEventLog();
  const clock = new ManualClock();
  const settings = { beatMs: 1000, lostMs: 10_000 };
  const left = await gateway("c", eventLog, { settings });
  started(eventLog, "kept", "c", clock.now());
  await gateway("d", eventLog, { clock: new ManualClock(), settings });
  started(eventLog, "cut-off", "d", clock.now());
  await gateway("a", eventLog, { clock, settings });
  await left.stop();
  running.splice(running.indexOf(left), 1);
  const ends = () => eventLog.payloads(topics.calls.name, "callEnded").filter(({ termination }) => termination === "gateway_lost");

  eventLog.full = true;
  await pass(clock, 60_000);
  eventLog.full = false;
  await pass(clock, 9000);
  expect(ends()).toEqual([]);
  // The log is back for long enough: now the silent one counts, and the one that left still does not.
  await pass(clock, 10_000);
  expect(ends()).toHaveLength(1);
});

test("a gateway keeps the id that it made on its first start", () => {
  const folder = mkdtempSync(join(tmpdir(), "earshot-gateway-id-"));
  try {
    const made = gatewayIdOf("", folder);
    expect(gatewayIdOf("", folder)).toBe(made);
    expect(readFileSync(join(folder, "gateway-id"), "utf8").trim()).toBe(made);
    expect(gatewayIdOf("edge-1", folder)).toBe("edge-1");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
