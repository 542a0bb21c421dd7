/** Point 15 of the recording server's facts: session timers (RFC 4028), and the other ends of a call that nobody announces. */
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { afterEach, describe, expect, test } from "vitest";
import { GatewayUnderTest } from "../testing/gateway-under-test.ts";
import { metadata, pcmu, type RecordingClient, sdp, twoStreams } from "../testing/recording-client.ts";
import { headerOf } from "../testing/sip-client.ts";

let under: GatewayUnderTest;
afterEach(() => under.stop());

/** Its wall clock can be set, as an administrator or NTP does. */
class SteppedClock extends ManualClock {
  #offsetMs = 0;
  step(ms: number): void {
    this.#offsetMs += ms;
  }
  override now(): number {
    return super.now() + this.#offsetMs;
  }
}

const base = { sdp: twoStreams(), metadata: metadata() };
const allow = "Allow: INVITE, ACK, BYE, UPDATE";
const timer = (expires: string, ...more: string[]) => [
  "Require: siprec",
  "Supported: timer",
  allow,
  `Session-Expires: ${expires}`,
  ...more,
];

async function start(options: {
  headers: string[];
  settings?: object;
}): Promise<{ clock: ManualClock; client: RecordingClient; sessionExpires: string; require: string }> {
  const clock = new ManualClock();
  under = await GatewayUnderTest.start({ clock, settings: { mediaTimeoutMs: 10_000_000, ...options.settings } });
  const client = await under.client();
  const answer = await client.start({ ...base, headers: options.headers });
  expect(answer.status).toBe(200);
  await under.until(() => under.calls("callStarted").length === 1, "start");
  return { clock, client, sessionExpires: headerOf(answer, "session-expires"), require: headerOf(answer, "require") };
}

describe("point 15: session timers", () => {
  test("point 15: an interval under 90 s is answered 422 with Min-SE, and the repeated INVITE is accepted", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    const refused = await client.start({ ...base, headers: timer("60") });
    expect([refused.status, headerOf(refused, "min-se")]).toEqual([422, "90"]);
    const answer = await client.start({ ...base, headers: timer("90", "Min-SE: 90") });
    expect([answer.status, headerOf(answer, "session-expires")]).toEqual([200, "90;refresher=uac"]);
  });

  test.each([
    ["1800", "1800;refresher=uac", "timer"],
    ["1800;refresher=uac", "1800;refresher=uac", "timer"],
    ["1800;refresher=uas", "1800;refresher=uas", ""],
    ["86401", "86400;refresher=uac", "timer"],
    ["4294967296", "86400;refresher=uac", "timer"],
  ])("point 15: %s is never raised, and the refresher is always set: %s", async (asked, answered, require) => {
    const { sessionExpires, require: required } = await start({ headers: timer(asked) });
    expect([sessionExpires, required]).toEqual([answered, require]);
  });

  test("point 15: a client that supports timers and names none gets ours; one that does not gets none", async () => {
    const { sessionExpires } = await start({ headers: ["Require: siprec", "Supported: timer"] });
    expect(sessionExpires).toBe("1800;refresher=uac");
    const plain = await (await under.client()).start(base);
    expect(headerOf(plain, "session-expires")).toBe("");
  });

  test("point 15: an interval beyond the longest timer neither ends the call at once nor never", async () => {
    const { clock, client } = await start({
      headers: timer("4294967", "Min-SE: 4000000"),
      // Without beats, of which there would be millions in that time.
      settings: { maxCallMs: 1e12, mediaTimeoutMs: 1e12, beatMs: 1e12, lostMs: 1e13 },
    });
    clock.advance(3_999_000_000);
    expect(under.gateway.liveCalls()).toBe(1);
    clock.advance(1_000_000);
    await client.wire.request("BYE");
  });

  test("point 15: a peer that bears no interval of a sane length gets no timer", async () => {
    expect((await start({ headers: ["Require: siprec", "Supported: timer", `Min-SE: ${"9".repeat(99)}`] })).sessionExpires).toBe("");
  });

  test.each(["0", "1", "89"])(
    "point 15: %s s from a client that cannot be told 422 is 90 s: one UPDATE in 45 s, no storm",
    async (asked) => {
      const { clock, client, sessionExpires } = await start({ headers: ["Require: siprec", allow, `Session-Expires: ${asked}`] });
      expect(sessionExpires).toBe("90;refresher=uas");
      for (let round = 0; round < 2; round++) {
        clock.advance(44_900);
        expect(client.wire.inbox.filter((one) => one.method === "UPDATE")).toHaveLength(0);
        clock.advance(200);
        client.answer(await client.wire.request("UPDATE"), 200, [`Session-Expires: ${asked};refresher=uac`]);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  );

  test("point 15: where the client refreshes and does not, BYE goes out early by min(32 s, a third)", async () => {
    const { clock, client } = await start({ headers: timer("1800") });
    clock.advance(1_767_000);
    expect(under.gateway.liveCalls()).toBe(1);
    clock.advance(2000);
    const bye = await client.wire.request("BYE");
    expect(headerOf(bye, "reason")).toContain("cause=408");
    client.answer(bye, 200);
    expect(under.calls("callEnded")).toMatchObject([{ termination: "session_timer" }]);
  });

  test("point 15: of a short interval a third is kept", async () => {
    const { clock, client } = await start({ headers: timer("90") });
    clock.advance(59_000);
    expect(under.gateway.liveCalls()).toBe(1);
    clock.advance(2000);
    await client.wire.request("BYE");
  });

  test.each(["UPDATE", "INVITE"])("point 15: a refresh by %s starts the interval over", async (method) => {
    const { clock, client } = await start({ headers: timer("90") });
    for (let round = 0; round < 3; round++) {
      clock.advance(50_000);
      const headers = timer("90;refresher=uac");
      if (method === "UPDATE") expect(headerOf(await client.request("UPDATE", { headers }), "session-expires")).toBe("90;refresher=uac");
      else await client.start({ sdp: twoStreams(), headers });
    }
    expect(under.gateway.liveCalls()).toBe(1);
    expect((await client.request("UPDATE", { headers: timer("30") })).status).toBe(422);
    expect((await client.bye()).status).toBe(200);
  });

  test("point 15: where we refresh, UPDATE goes out at half the interval; an unanswered one ends the call", async () => {
    const { clock, client } = await start({ headers: timer("100;refresher=uas") });
    clock.advance(50_000);
    const first = await client.wire.request("UPDATE");
    expect(headerOf(first, "session-expires")).toBe("100;refresher=uac");
    client.answer(first, 200, ["Session-Expires: 100;refresher=uac"]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.advance(50_000);
    const second = await client.wire.request("UPDATE");
    client.answer(second, 481);
    await under.until(() => under.gateway.liveCalls() === 0, "end");
    expect(under.calls("callEnded")).toMatchObject([{ termination: "session_timer" }]);
  });

  test("point 15: a client that takes no UPDATE is refreshed by re-INVITE with the same description", async () => {
    const { clock, client } = await start({
      headers: ["Require: siprec", "Allow: INVITE, ACK, BYE", "Supported: timer", "Session-Expires: 100;refresher=uas"],
    });
    clock.advance(50_000);
    const reinvite = await client.wire.request("INVITE");
    expect(reinvite.body).toContain("m=audio 30000");
    expect(headerOf(reinvite, "contact")).toContain("+sip.srs");
    client.answer(reinvite, 200, ["Session-Expires: 100;refresher=uac"], { contentType: "application/sdp", content: twoStreams() });
    const ack = await client.wire.request("ACK");
    expect(headerOf(ack, "cseq").split(" ")[0]).toBe(headerOf(reinvite, "cseq").split(" ")[0]);
  });
});

describe("a call that nobody ends is ended, and says why", () => {
  test("no RTP for the media timeout", async () => {
    const { clock, client } = await start({ headers: ["Require: siprec"], settings: { mediaTimeoutMs: 60_000 } });
    clock.advance(50_000);
    under.media.legs[1]!.lastPacketMs = clock.monotonicMs();
    clock.advance(59_000);
    expect(under.gateway.liveCalls()).toBe(1);
    clock.advance(2000);
    client.answer(await client.wire.request("BYE"), 200);
    expect(under.calls("callEnded")).toMatchObject([{ termination: "media_timeout", detail: "No RTP for 60 s." }]);
    expect(under.media.usedPairs).toBe(0);
  });

  test("all streams inactive is a pause, not silence, up to its own limit", async () => {
    const { clock, client } = await start({ headers: ["Require: siprec"], settings: { mediaTimeoutMs: 60_000, pausedTimeoutMs: 600_000 } });
    await client.start({ sdp: sdp(pcmu(1, 40_000, "inactive"), pcmu(2, 40_002, "inactive")) });
    clock.advance(590_000);
    expect(under.gateway.liveCalls()).toBe(1);
    await client.start({ sdp: twoStreams() });
    clock.advance(59_000);
    expect(under.gateway.liveCalls()).toBe(1);
    clock.advance(3000);
    expect(under.calls("callEnded")).toMatchObject([{ termination: "media_timeout" }]);
  });

  test.each([-6, 6])("a wall clock set by %i hours in mid-call ends nothing, and the call is as long as it was", async (hours) => {
    const clock = new SteppedClock();
    under = await GatewayUnderTest.start({ clock });
    const client = await under.client();
    await client.start({ ...base, headers: timer("1800") });
    clock.advance(20_000);
    clock.step(hours * 3_600_000);
    clock.advance(30_000);
    expect(under.gateway.liveCalls()).toBe(1);
    for (const leg of under.media.legs) leg.lastPacketMs = clock.monotonicMs();
    clock.advance(50_000);
    expect(under.gateway.liveCalls()).toBe(1);
    expect((await client.bye()).status).toBe(200);
    const [ended] = under.calls("callEnded");
    expect([ended?.termination, ended!.endedAtMs - ended!.startedAtMs]).toEqual(["bye", 100_000]);
  });

  test("the longest call", async () => {
    const { clock, client } = await start({ headers: ["Require: siprec"], settings: { maxCallMs: 3_600_000 } });
    clock.advance(3_601_000);
    await client.wire.request("BYE");
    expect(under.calls("callEnded")).toMatchObject([{ termination: "max_duration" }]);
  });
});
