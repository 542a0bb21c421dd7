/** Scenarios driven by sipp, an independent SIP implementation, over UDP and TCP, against each adapter of SIP signalling. */
import { join } from "node:path";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { afterEach, describe, expect, test } from "vitest";
import { GatewayUnderTest } from "./testing/gateway-under-test.ts";
import { type AdapterName, prepareAdapter, signallingAdapters } from "./testing/signalling-adapters.ts";
import { runSipp, sippInstalled } from "./testing/sipp.ts";

const installed = sippInstalled();
test.runIf(process.env.REQUIRE_SERVERS === "1")("sipp is installed", () => {
  expect(installed).toBe(true);
});

let under: GatewayUnderTest;
let prepared: Awaited<ReturnType<typeof prepareAdapter>> | undefined;
afterEach(async () => {
  await under?.stop();
  await prepared?.stop();
});

async function startOn(adapter: AdapterName): Promise<GatewayUnderTest> {
  prepared = await prepareAdapter(adapter);
  return GatewayUnderTest.start({ settings: prepared.settings });
}

const runScenario = (name: string, transport: "udp" | "tcp", calls: number) =>
  runSipp({
    scenario: join(import.meta.dirname, "testing/sipp", `${name}.xml`),
    transport,
    port: under.target(transport).port,
    calls,
    seconds: 20,
  });

describe.skipIf(!installed).each(signallingAdapters)("sipp against $title", ({ adapter, missing }) => {
  test.skipIf(missing !== "").each(["udp", "tcp"] as const)("two streams, pause, removal, UPDATE over %s", async (transport) => {
    under = await startOn(adapter);
    expect(await runScenario("two-streams", transport, 20)).toEqual({ code: 0, errors: "" });
    expect(under.calls("callEnded").map((call) => call.termination)).toEqual(Array(20).fill("bye"));
    expect(under.calls("callUpdated").at(-1)?.legs).toMatchObject([
      { participant: { name: "Ann B" }, state: "paused" },
      { state: "removed" },
    ]);
    expect([under.gateway.liveCalls(), under.media.usedPairs]).toEqual([0, 0]);
    expect(await under.metrics.expose()).not.toMatch(/earshot_sip_messages_dropped_total\{/);
  });

  test.skipIf(missing !== "").each(["udp", "tcp"] as const)("one mixed stream in a hosted PBX's shape over %s", async (transport) => {
    under = await startOn(adapter);
    expect(await runScenario("mixed-stream", transport, 20)).toEqual({ code: 0, errors: "" });
    expect(await under.metrics.expose()).not.toMatch(/earshot_sip_messages_dropped_total\{/);
    expect(under.calls("callStarted")).toHaveLength(20);
    expect(under.calls("callStarted")[0]).toMatchObject({
      externalCallId: "125:1",
      legs: [{ speakerReason: "single-stream", participants: [{ address: "sip:+15550100@as.example" }, { name: "Agent Smith" }] }],
    });
  });

  test.skipIf(missing !== "").each(["udp", "tcp"] as const)("a recording proxy that repeats its pause over %s", async (transport) => {
    under = await startOn(adapter);
    expect(await runScenario("recording-proxy", transport, 20)).toEqual({ code: 0, errors: "" });
    expect(under.calls("callEnded").map((call) => call.termination)).toEqual(Array(20).fill("bye"));
    expect(under.calls("callStarted")[0]?.legs).toMatchObject([
      { label: "1", participant: { name: "Robert King" } },
      { label: "0", participant: { address: "sip:2001@pbx.example" }, speaker: Speaker.AGENT },
    ]);
    const states = under.calls("callUpdated").map(({ legs }) => legs[0]?.state);
    expect(states).toContain("paused");
    expect(under.calls("callUpdated").at(-1)?.legs).toMatchObject([{ state: "active" }, { state: "active" }]);
  });
});
