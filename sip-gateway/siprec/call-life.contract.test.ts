/** What happens to a call between its start and its end: commands, digits, speakers, restart, shutdown. */
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { topics } from "@earshot/proto/topics.ts";
import { Timers } from "sip.js/lib/core/index.js";
import { afterEach, describe, expect, test } from "vitest";
import { GatewayUnderTest, tenantSettings } from "../testing/gateway-under-test.ts";
import { metadata, twoStreams } from "../testing/recording-client.ts";
import { headerOf } from "../testing/sip-client.ts";

let under: GatewayUnderTest;
afterEach(() => under.stop());
const onlyCall = () => under.eventLog.events(topics.calls.name)[0]!.callId;

describe("who is who", () => {
  test("the tenant's extension map names the agent", async () => {
    under = await GatewayUnderTest.start({ tenant: { extensions: [{ number: "+15550100", agentName: "Remote Rita" }] } });
    await (await under.client()).start();
    expect(under.calls("callStarted")[0]).toMatchObject({
      direction: "unknown",
      externalCallId: "ab30317f1a784dc48ff824d0d3715d86",
      legs: [
        { speaker: Speaker.CALLER, speakerReason: "extension-map" },
        { speaker: Speaker.AGENT, speakerReason: "extension-map", agentName: "Remote Rita" },
      ],
    });
  });

  test("the direction is known where the INVITE comes from one of the parties", async () => {
    under = await GatewayUnderTest.start();
    await (await under.client()).start({ sdp: twoStreams(), metadata: metadata(), from: "<sip:+15550100@pbx>" });
    await (await under.client()).start({ sdp: twoStreams(), metadata: metadata(), from: "<sip:2001@pbx>" });
    expect(under.calls("callStarted").map((call) => call.direction)).toEqual(["inbound", "outbound"]);
  });

  test("a corrected side is published and never overwritten by metadata", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    await client.start();
    const legs = [
      { leg: 0, speaker: Speaker.CALLER },
      { leg: 1, speaker: Speaker.AGENT },
    ];
    under.command(onlyCall(), { command: { case: "setLegSpeakers", value: { legs } } }, "another-tenant");
    expect(under.calls("callUpdated")).toEqual([]);
    under.command(onlyCall(), { command: { case: "setLegSpeakers", value: { legs } } });
    await client.request("UPDATE", { body: { contentType: "application/rs-metadata+xml", content: metadata().replace("Ann", "Anna") } });
    expect(
      under
        .calls("callUpdated")
        .map((update) => [
          update.reason,
          ...update.legs.map((leg) => `${leg.participant?.name} ${Speaker[leg.speaker]} ${leg.speakerReason}`),
        ]),
    ).toEqual([
      ["command", "Ann CALLER corrected", "Carl AGENT corrected"],
      ["metadata", "Anna CALLER corrected", "Carl AGENT corrected"],
    ]);
  });
});

test("a stop by command ends the session with a BYE and a named termination, once", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start();
  const stop = { actor: "key:crm", command: { case: "stop" as const, value: { reason: "no consent" } } };
  under.command("another", stop);
  expect(under.gateway.liveCalls()).toBe(1);
  under.command(onlyCall(), stop);
  under.command(onlyCall(), stop);
  const bye = await client.wire.next((one) => one.method === "BYE", "BYE");
  // Who stopped it and why stays here.
  expect(headerOf(bye, "reason")).toBe('SIP;cause=200;text="The recording was stopped."');
  expect(under.calls("callEnded")).toMatchObject([{ termination: "stopped", detail: "Stopped by key:crm: no consent" }]);
  expect([under.gateway.liveCalls(), under.media.usedPairs]).toEqual([0, 0]);
});

test("asked for a call, the gateway that has it says that it is up, though nothing has changed; of one that it has not it says nothing", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start();
  const report = { actor: "retention", command: { case: "report" as const, value: {} } };
  under.command("another", report);
  under.command(onlyCall(), report, "another-tenant");
  expect(under.calls("callUpdated")).toEqual([]);
  under.command(onlyCall(), report);
  under.command(onlyCall(), report);
  expect(under.calls("callUpdated").map(({ reason, legs }) => [reason, legs.length])).toEqual([
    ["asked", 2],
    ["asked", 2],
  ]);
  const call = onlyCall();
  await client.bye();
  under.command(call, report);
  expect(under.calls("callUpdated")).toHaveLength(2);
});

test("pause and resume by command reach every leg, also one that is added meanwhile", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start();
  under.command(onlyCall(), { command: { case: "pause", value: { reason: "card number" } } });
  expect(under.media.legs.map((leg) => leg.paused)).toEqual([true, true]);
  await client.start({ sdp: `${twoStreams()}m=audio 40010 RTP/AVP 8\r\na=label:3\r\na=sendonly\r\n` });
  expect(under.media.legs[2]?.paused).toBe(true);
  under.command(onlyCall(), { command: { case: "resume", value: {} } });
  expect(under.media.legs.map((leg) => leg.paused)).toEqual([false, false, false]);
  expect(under.calls("callUpdated").map((update) => update.recordingPaused)).toEqual([true, true, false]);
});

test("digits and the first packet are published, totals and the ledger at the end", async () => {
  under = await GatewayUnderTest.start();
  under.media.totals = { packetsReceived: 100, packetsExpected: 110, packetsLost: 10 };
  const client = await under.client();
  await client.start();
  under.media.legs[1]!.events.onFirstPacket();
  under.media.legs[1]!.events.onDtmf("5", 1234.4, 100);
  await client.bye(['Reason: Q.850;cause=16;text="Normal"']);
  expect(under.calls("dtmfPressed")).toMatchObject([{ leg: 1, digit: "5", positionMs: 1234, durationMs: 100 }]);
  expect(under.calls("callEnded")).toMatchObject([
    { termination: "bye", detail: 'Q.850;cause=16;text="Normal"', packetsReceived: 200, packetsLost: 20 },
  ]);
  const stages = under.eventLog.payloads(topics.ledger.name, "stageReached").map((stage) => `${stage.stage} ${stage.outcome}`);
  expect(stages).toEqual(["record running", "media running", "record done", "media done"]);
});

test("a call without any RTP fails its media stage, with a remedy", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start();
  await client.bye();
  expect(under.eventLog.payloads(topics.ledger.name, "stageReached").at(-1)).toMatchObject({
    stage: "media",
    outcome: "failed",
    remedy: expect.stringContaining("EARSHOT_RTP_PORTS"),
  });
});

test("a cancelled INVITE leaves nothing behind", async () => {
  under = await GatewayUnderTest.start();
  let open = () => {};
  under.media.gate = new Promise((resolve) => {
    open = resolve;
  });
  const client = await under.client();
  client.sendInvite({ sdp: twoStreams(), metadata: metadata() });
  await client.wire.next((one) => one.status === 100, "100");
  const branch = /branch=([^;\r\n]+)/.exec(client.lastInvite)?.[1] ?? "";
  client.wire.send(client.message("CANCEL", { branch, contact: "" }));
  const final = await client.wire.response("INVITE");
  client.ack(final);
  expect(final.status).toBe(487);
  open();
  await under.until(() => under.media.legs.length === 2, "the late ports");
  await under.until(() => under.media.usedPairs === 0, "release");
  expect([under.calls("callStarted").length, under.gateway.liveCalls()]).toEqual([0, 0]);
  expect(await under.metrics.expose()).toMatch(/earshot_sip_invites_total\{outcome="cancelled"\} 1/);
});

test("a 200 that is never acknowledged ends the call with a named termination and a BYE", async () => {
  const thirtyTwoSeconds = Timers.TIMER_L;
  Timers.TIMER_L = 300;
  try {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    await client.invite({ sdp: twoStreams(), metadata: metadata() });
    client.answer(await client.wire.request("BYE"), 200);
    expect(under.calls("callEnded")).toMatchObject([{ termination: "signalling_error", detail: "Our 200 was never acknowledged." }]);
    expect([under.gateway.liveCalls(), under.media.usedPairs]).toEqual([0, 0]);
  } finally {
    Timers.TIMER_L = thirtyTwoSeconds;
  }
});

test("after a restart every call that was never ended is ended, at the time the log last knew of it", async () => {
  under = new GatewayUnderTest();
  const at = Date.parse("2026-01-05T09:00:00Z");
  const put = (callId: string, payload: Parameters<typeof encodeEvent>[0]["payload"]) =>
    under.eventLog.append(
      topics.calls.name,
      callId,
      encodeEvent({ id: callId, tenantId: "t", callId, occurredAtMs: at, payload: payload! }),
    );
  put("open", { case: "callStarted", value: { gatewayId: "gateway-1", startedAtMs: at, legs: [{ index: 0, label: "1" }] } });
  put("closed", { case: "callStarted", value: { gatewayId: "gateway-1", startedAtMs: at } });
  put("of-another", { case: "callStarted", value: { gatewayId: "gateway-2", startedAtMs: at } });
  put("open", { case: "callUpdated", value: { legs: [{ index: 0, label: "1", speaker: Speaker.AGENT }] } });
  put("closed", { case: "callEnded", value: { endedAtMs: at + 1000, termination: "bye" } });
  const before = Date.now();
  under.configure("t", tenantSettings());
  await under.gateway.start();
  const ended = under.eventLog.events(topics.calls.name).filter((event) => event.payload.case === "callEnded");
  expect(ended.map((event) => [event.id, event.callId, event.tenantId])).toEqual([
    ["closed", "closed", "t"],
    ["open-ended", "open", "t"],
  ]);
  const [, restarted] = under.calls("callEnded");
  expect(restarted).toMatchObject({ termination: "restart", startedAtMs: at, legs: [{ label: "1", speaker: Speaker.AGENT }] });
  expect(Math.abs(restarted!.endedAtMs - before)).toBeLessThan(2000);
});

test("shutting down refuses new sessions, waits for live calls until the deadline, then ends them with BYE", async () => {
  const clock = new ManualClock();
  under = await GatewayUnderTest.start({ clock });
  const [first, second] = [await under.client(), await under.client()];
  await first.start();
  await second.start();
  const stopped = under.gateway.stop(10_000);
  const refused = await (await under.client()).start();
  expect([refused.status, headerOf(refused, "retry-after")]).toEqual([503, "5"]);
  expect((await (await under.client()).request("OPTIONS")).status).toBe(503);
  expect(under.gateway.fault).toContain("starts, drains");
  expect((await first.bye()).status).toBe(200);
  for (let i = 0; i < 200; i++) {
    clock.advance(50);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  second.answer(await second.wire.request("BYE"), 200);
  await stopped;
  expect(under.calls("callEnded").map((call) => call.termination)).toEqual(["bye", "shutdown"]);
});
