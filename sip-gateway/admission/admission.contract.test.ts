import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { topics } from "@earshot/proto/topics.ts";
import { afterEach, describe, expect, test } from "vitest";
import { GatewayUnderTest, tenantSettings } from "../testing/gateway-under-test.ts";
import { metadata, twoStreams } from "../testing/recording-client.ts";
import { headerOf } from "../testing/sip-client.ts";

const session = { sdp: twoStreams(), metadata: metadata() };
let under: GatewayUnderTest;
afterEach(() => under.stop());

function linesOf(): { log: Log; lines: { fields: object; message: string }[] } {
  const lines: { fields: object; message: string }[] = [];
  const keep = (fields: object, message: string) => void lines.push({ fields, message });
  const log: Log = { debug() {}, info() {}, warn: keep, error: keep, child: () => log };
  return { log, lines };
}

test("an unknown source gets 403, one log line that says how to allow it, and one event", async () => {
  const { log, lines } = linesOf();
  under = await GatewayUnderTest.start({ log, trunk: { sourceNetworks: ["192.0.2.0/24"] } });
  for (let i = 0; i < 3; i++) expect((await (await under.client()).start()).startLine).toBe("SIP/2.0 403 Unknown Recording Client");
  expect(lines).toHaveLength(1);
  expect(lines[0]?.fields).toMatchObject({
    peer: "127.0.0.1",
    remedy: expect.stringContaining("add 127.0.0.1 to the source networks of a trunk"),
  });
  const refused = under.eventLog.events(topics.admissions.name);
  expect(refused).toMatchObject([
    { tenantId: "", payload: { value: { sourceAddress: "127.0.0.1", transport: "udp", status: 403, reason: "unknown source" } } },
  ]);
});

test("the tenant follows from the request URI where the trunk says so", async () => {
  under = await GatewayUnderTest.start({ trunk: { requestUsers: ["one"] } });
  under.configure("tenant-2", tenantSettings({ id: "trunk-2", requestHosts: ["two.example.com"] }));
  await (await under.client()).start({ ...session, requestUri: "sip:one@127.0.0.1" });
  await (await under.client()).start({ ...session, requestUri: "sip:any@two.example.com:5060;transport=udp" });
  expect((await (await under.client()).start({ ...session, requestUri: "sip:three@127.0.0.1" })).status).toBe(403);
  expect(under.eventLog.events(topics.calls.name).map((event) => event.tenantId)).toEqual(["tenant-1", "tenant-2"]);
  expect(under.media.legs.map((leg) => leg.tenant)).toEqual(["tenant-1", "tenant-1", "tenant-2", "tenant-2"]);
});

test("a suspended tenant gets 403", async () => {
  under = await GatewayUnderTest.start({ tenant: { suspended: true } });
  expect((await (await under.client()).start()).startLine).toBe("SIP/2.0 403 Tenant Suspended");
});

test("limits of the trunk and of all calls answer 503 with Retry-After, and end with the calls", async () => {
  under = await GatewayUnderTest.start({ trunk: { maxCalls: 1 }, settings: { maxCalls: 2, retryAfterSeconds: 7 } });
  const first = await under.client();
  expect((await first.start()).status).toBe(200);
  const refused = await (await under.client()).start();
  expect([refused.status, headerOf(refused, "retry-after")]).toEqual([503, "7"]);
  await first.bye();
  expect((await (await under.client()).start()).status).toBe(200);
  under.configure("tenant-1", tenantSettings({ maxCalls: 0 }, { version: 2 }));
  expect((await (await under.client()).start()).status).toBe(200);
  expect((await (await under.client()).start()).status).toBe(503);
  expect(await under.metrics.expose()).toMatch(/earshot_sip_invites_total\{outcome="max_calls"\} 1/);
});

test("an event log that takes nothing: new calls get 503 and the reason, those that are up go on", async () => {
  under = await GatewayUnderTest.start();
  const up = await under.client();
  expect((await up.start()).status).toBe(200);
  under.eventLog.full = true;
  const refused = await (await under.client()).start();
  expect([refused.startLine, headerOf(refused, "retry-after")]).toEqual(["SIP/2.0 503 Nothing Can Be Recorded Now", "5"]);
  expect(under.gateway.liveCalls()).toBe(1);
  under.eventLog.full = false;
  expect((await (await under.client()).start()).status).toBe(200);
});

test("refused INVITEs hold no place: a limit of one still admits one", async () => {
  under = await GatewayUnderTest.start({ settings: { maxCalls: 1 } });
  for (let i = 0; i < 3; i++) expect((await (await under.client()).start({ ...session, headers: [] })).status).toBe(421);
  expect((await (await under.client()).start({ sdp: "v=0\r\n", metadata: session.metadata })).status).toBe(400);
  expect((await (await under.client()).start()).status).toBe(200);
});

test("no RTP port free: 503, nothing leaks", async () => {
  under = await GatewayUnderTest.start({ mediaPairs: 3 });
  expect((await (await under.client()).start()).status).toBe(200);
  const refused = await (await under.client()).start();
  expect([refused.status, headerOf(refused, "retry-after")]).toEqual([503, "5"]);
  expect(under.media.usedPairs).toBe(2);
  expect(under.gateway.liveCalls()).toBe(1);
});

test("a log that takes no records (full disk): 503, nothing leaks", async () => {
  under = await GatewayUnderTest.start();
  under.eventLog.full = true;
  expect((await (await under.client()).start()).status).toBe(503);
  expect([under.media.usedPairs, under.gateway.liveCalls()]).toEqual([0, 0]);
  under.eventLog.full = false;
  expect((await (await under.client()).start()).status).toBe(200);
});

test("INVITEs per second of one source", async () => {
  const clock = new ManualClock();
  under = await GatewayUnderTest.start({ clock, settings: { maxInvitesPerSecond: 1 } });
  const statuses: number[] = [];
  for (let i = 0; i < 3; i++) statuses.push((await (await under.client()).start()).status);
  clock.advance(1000);
  statuses.push((await (await under.client()).start()).status);
  expect(statuses).toEqual([200, 200, 503, 200]);
});

test("before any tenant's settings are known nothing is admitted, and the gateway is not ready", async () => {
  under = new GatewayUnderTest();
  await under.gateway.start();
  expect(under.gateway.fault).toContain("starts, drains");
  expect((await (await under.client()).start()).status).toBe(503);
  under.configure("tenant-1", tenantSettings());
  expect(under.gateway.fault).toBeUndefined();
  expect((await (await under.client()).start()).status).toBe(200);
});

describe("what a trunk's source is refused is told to its tenant", () => {
  const told = () =>
    under.eventLog.events(topics.admissions.name).map(({ tenantId, payload }) => {
      if (payload.case !== "inviteRefused") throw new Error("not a refusal");
      const { status, reason, remedy, times, trunkName } = payload.value;
      expect([tenantId, trunkName, remedy === ""]).toEqual(["tenant-1", "Test", false]);
      return [status, reason, times];
    });

  test("limits, a full disk, an offer and a body that cannot be taken, each with what to do", async () => {
    under = await GatewayUnderTest.start({ trunk: { maxCalls: 1 } });
    const up = await under.client();
    await up.start();
    await (await under.client()).start();
    await up.bye();
    await (await under.client()).start({ sdp: "v=0\r\n", metadata: session.metadata });
    await (await under.client()).start({
      ...session,
      sdp: twoStreams().replaceAll("RTP/AVP 0", "RTP/AVP 18").replaceAll("a=rtpmap:0 PCMU/8000\r\n", ""),
    });
    await (await under.client()).start({ ...session, headers: [] });
    expect(told().map(([status, reason]) => [status, reason])).toEqual([
      [503, "the trunk has as many calls as it may"],
      [400, expect.any(String)],
      [488, expect.stringContaining("No Usable Stream")],
      [421, "it is no recording session"],
    ]);
  });

  test("once a minute for each reason, with how often it was; the rest is only counted", async () => {
    const clock = new ManualClock();
    under = await GatewayUnderTest.start({ clock });
    for (let i = 0; i < 4; i++) await (await under.client()).start({ ...session, headers: [] });
    expect(told()).toEqual([[421, "it is no recording session", 1]]);
    clock.advance(60_000);
    await (await under.client()).start({ ...session, headers: [] });
    expect(told().slice(1)).toEqual([[421, "it is no recording session", 4]]);
  });
});
