/** Gateways are restarted one after the other while a border controller that knows only one of them goes on calling. */
import { join } from "node:path";
import { runSipp, sippInstalled } from "@earshot/sip-gateway/testing/sipp.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clusterMissing, startTestCluster, type TestCluster } from "../testing/cluster.ts";

const missing = clusterMissing() || (sippInstalled() ? "" : "(sipp is not installed)");
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(missing !== "")(`rolling restart of gateways ${missing}`, () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster({ gateways: 2, pipelines: 1, env: { EARSHOT_ASR: "none", EARSHOT_DRAIN_SECONDS: "20" } });
  }, 180_000);
  afterAll(() => cluster?.stop(), 60_000);

  /** INVITEs of this run of a gateway whose outcome begins so. */
  const invites = async (name: string, outcome: string): Promise<number> =>
    (await cluster.role(name).metrics())
      .split("\n")
      .filter((line) => line.startsWith(`earshot_sip_invites_total{outcome="${outcome}`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);

  test("no INVITE is refused, every call ends with its BYE", async () => {
    const calls = 50;
    const calling = runSipp({
      scenario: join(import.meta.dirname, "sipp/follows-302.xml"),
      transport: "udp",
      port: cluster.role("gateway-1").ports.sip,
      calls,
      rate: 2,
      seconds: 100,
    });
    for (const name of ["gateway-1", "gateway-2"]) {
      // Time to hear the other's beats.
      await pause(6000);
      const stopped = cluster.role(name).process.stop();
      await pause(3000);
      if (name === "gateway-1") expect(await invites(name, "redirected")).toBeGreaterThan(0);
      expect(await stopped).toBe(0);
      await cluster.role(name).process.start();
    }
    expect(await calling).toEqual({ code: 0, errors: "" });
    const records = await cluster.settled(calls, 60_000);
    expect(records.map(({ termination }) => termination)).toEqual(Array(calls).fill("bye"));
  }, 240_000);
});
