import { afterEach, expect, test } from "vitest";
import { GatewayUnderTest, tenantSettings } from "./testing/gateway-under-test.ts";
import { MemoryEventLog } from "./testing/memory-event-log.ts";
import { metadata, twoStreams } from "./testing/recording-client.ts";
import { headerOf } from "./testing/sip-client.ts";

let under: GatewayUnderTest;
afterEach(() => under.stop());

test("a plain UDP recording session becomes a call that starts and ends", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  const answer = await client.start();
  expect(answer.startLine).toBe("SIP/2.0 200 OK");
  expect(answer.body).toContain("m=audio 30000 RTP/AVP 0");
  expect(under.calls("callStarted")).toMatchObject([
    {
      trunkId: "trunk-1",
      source: "siprec",
      peer: "127.0.0.1",
      legs: [
        { index: 0, label: "1" },
        { index: 1, label: "2" },
      ],
    },
  ]);
  expect(under.gateway.liveCalls()).toBe(1);
  expect((await client.bye()).status).toBe(200);
  expect(under.calls("callEnded")).toMatchObject([{ termination: "bye" }]);
  expect(under.gateway.liveCalls()).toBe(0);
  expect(under.media.usedPairs).toBe(0);
});

test("a gateway bound to :: serves IPv4 peers, and tells them the address they reach it at", async () => {
  under = await GatewayUnderTest.start({ settings: { host: "::" } });
  const client = await under.client();
  const answer = await client.start();
  expect(answer.body).toContain("c=IN IP4 127.0.0.1");
  expect(under.calls("callStarted")[0]?.peer).toBe("127.0.0.1");
  expect((await client.bye()).status).toBe(200);
});

test("an advertised address stands in Contact and SDP", async () => {
  under = await GatewayUnderTest.start({ settings: { advertisedAddress: "203.0.113.9" } });
  const answer = await (await under.client()).invite({ sdp: twoStreams(), metadata: metadata() });
  expect(answer.body).toContain("c=IN IP4 203.0.113.9");
  expect(headerOf(answer, "contact")).toContain("sip:srs@203.0.113.9:");
});

test("SIP opens when the settings on the event log are read: who calls at once is known", async () => {
  const eventLog = new MemoryEventLog();
  const reading = Promise.withResolvers<void>();
  eventLog.reading = reading.promise;
  under = new GatewayUnderTest({ eventLog });
  under.configure("tenant-1", tenantSettings());
  const started = under.gateway.start();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(under.gateway.addresses()).toEqual([]);
  reading.resolve();
  await started;
  expect((await (await under.client()).start()).status).toBe(200);
});

test("where the settings cannot be read in time SIP opens all the same, and nobody is called a stranger until they are", async () => {
  const eventLog = new MemoryEventLog();
  const reading = Promise.withResolvers<void>();
  eventLog.reading = reading.promise;
  under = new GatewayUnderTest({ eventLog, settings: { settingsWaitMs: 10 } });
  await under.gateway.start();
  // One tenant's are here; the caller may be another's.
  under.configure("tenant-2", tenantSettings({ sourceNetworks: ["10.0.0.0/8"] }));
  const early = await (await under.client()).start();
  expect([early.status, headerOf(early, "retry-after")]).toEqual([503, "5"]);
  expect(under.gateway.fault).toContain("settings");
  reading.resolve();
  await under.until(() => under.gateway.fault === undefined, "knowing the settings");
  expect((await (await under.client()).start()).status).toBe(403);
});

test("a port that is taken is told by name, and nothing stays bound", async () => {
  under = await GatewayUnderTest.start();
  const { port } = under.target("tcp");
  const second = new GatewayUnderTest({ settings: { port } });
  await expect(second.gateway.start()).rejects.toMatchObject({
    code: "sip_port_unavailable",
    remedy: expect.stringContaining("EARSHOT_SIP_PORT"),
  });
  expect((await (await under.client()).start()).status).toBe(200);
});
