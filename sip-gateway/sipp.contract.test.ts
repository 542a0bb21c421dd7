/** Scenarios driven by sipp, an independent SIP implementation, over UDP and TCP. */
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { GatewayUnderTest } from "./testing/gateway-under-test.ts";

function sippInstalled(): boolean {
  try {
    execFileSync("sipp", ["-v"], { stdio: "ignore" });
    return true;
  } catch (error) {
    // sipp -v prints its version and exits with a code of its own.
    return (error as { code?: string }).code !== "ENOENT";
  }
}

const installed = sippInstalled();
test.runIf(process.env.REQUIRE_SERVERS === "1")("sipp is installed", () => {
  expect(installed).toBe(true);
});

let under: GatewayUnderTest;
afterEach(() => under?.stop());

/** A port of our own for sipp, which would take 5060 otherwise. */
async function freePort(): Promise<number> {
  const probe = createSocket("udp4");
  await new Promise<void>((resolve) => probe.bind(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return port;
}

/** @returns exit code of sipp, 0 when every call went as the scenario says, and what it complained about */
async function runScenario(name: string, transport: "udp" | "tcp", calls: number): Promise<{ code: number; errors: string }> {
  const directory = mkdtempSync(join(tmpdir(), "earshot-sipp-"));
  const scenario = join(import.meta.dirname, "testing/sipp", `${name}.xml`);
  const { port } = under.target(transport);
  const own = await freePort();
  const args = [
    "-sf",
    scenario,
    "-t",
    transport === "udp" ? "u1" : "t1",
    "-i",
    "127.0.0.1",
    "-p",
    String(own),
    "-m",
    String(calls),
    "-r",
    "20",
    "-timeout",
    "20s",
    "-nostdin",
    "-trace_err",
  ];
  const sipp = spawn("sipp", [...args, `127.0.0.1:${port}`], { cwd: directory, stdio: "ignore", env: { ...process.env, TERM: "dumb" } });
  const code = await new Promise<number>((resolve) => sipp.once("exit", (status) => resolve(status ?? -1)));
  const errors = readdirSync(directory).map((file) => readFileSync(join(directory, file), "utf8").slice(0, 2000));
  rmSync(directory, { recursive: true });
  return { code, errors: errors.join("\n") };
}

describe.skipIf(!installed)("sipp", () => {
  test.each(["udp", "tcp"] as const)("two streams, pause, removal, UPDATE over %s", async (transport) => {
    under = await GatewayUnderTest.start();
    expect(await runScenario("two-streams", transport, 20)).toEqual({ code: 0, errors: "" });
    expect(under.calls("callEnded").map((call) => call.termination)).toEqual(Array(20).fill("bye"));
    expect(under.calls("callUpdated").at(-1)?.legs).toMatchObject([
      { participant: { name: "Ann B" }, state: "paused" },
      { state: "removed" },
    ]);
    expect([under.gateway.liveCalls(), under.media.usedPairs]).toEqual([0, 0]);
    expect(await under.metrics.expose()).not.toMatch(/earshot_sip_messages_dropped_total\{/);
  });

  test.each(["udp", "tcp"] as const)("one mixed stream in a hosted PBX's shape over %s", async (transport) => {
    under = await GatewayUnderTest.start();
    expect(await runScenario("mixed-stream", transport, 20)).toEqual({ code: 0, errors: "" });
    expect(await under.metrics.expose()).not.toMatch(/earshot_sip_messages_dropped_total\{/);
    expect(under.calls("callStarted")).toHaveLength(20);
    expect(under.calls("callStarted")[0]).toMatchObject({
      externalCallId: "125:1",
      legs: [{ speakerReason: "single-stream", participants: [{ address: "sip:+15550100@as.example" }, { name: "Agent Smith" }] }],
    });
  });
});
