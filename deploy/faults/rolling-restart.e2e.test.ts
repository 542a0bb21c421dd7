/**
 * Gateways are restarted one after the other while a border controller that knows only one of them goes on calling. One who watches the calls is
 * moved from one API process to the other all the while.
 */
import { join } from "node:path";
import type { LiveEvent } from "@earshot/proto/api/live.ts";
import { runSipp, sippInstalled } from "@earshot/sip-gateway/testing/sipp.ts";
import { describe, expect, test } from "vitest";
import { clusterApiKey, clusterMissing, startTestCluster } from "../testing/cluster.ts";
import { eventually } from "../testing/earshot-process.ts";
import { watchLive } from "../testing/live-watch.ts";
import { watchMoving } from "../testing/moving-watch.ts";
import { sharedByTests } from "../testing/shared-by-tests.ts";

const missing = clusterMissing() || (sippInstalled() ? "" : "(sipp is not installed)");
/** What is told of calls while they are up, in an order of its own: topics are read side by side. */
const toldOf = (events: readonly LiveEvent[]): string[] =>
  events
    .flatMap((event) => {
      if (event.type === "call.started") return [`started ${event.call.id}`];
      if (event.type === "call.ended") return [`ended ${event.callId}`];
      if (event.type === "line-quality") return [`line ${event.callId} ${event.lineQuality.leg} ${event.lineQuality.fromMs}`];
      return [];
    })
    .sort();
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(missing !== "")(`rolling restart of gateways ${missing}`, () => {
  const shared = sharedByTests(async (ends) => {
    const env = { EARSHOT_ASR: "none", EARSHOT_DRAIN_SECONDS: "20" };
    return ends.adopt(await startTestCluster({ gateways: 2, pipelines: 1, apis: 2, env }), (cluster) => cluster.stop());
  });

  /** INVITEs of this run of a gateway whose outcome begins so. */
  const invites = async (name: string, outcome: string): Promise<number> =>
    (await shared().role(name).metrics())
      .split("\n")
      .filter((line) => line.startsWith(`earshot_sip_invites_total{outcome="${outcome}`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);

  test("no INVITE is refused, every call ends with its BYE; who is moved between APIs misses nothing and is told nothing twice", async () => {
    const cluster = shared();
    const calls = 50;
    const still = watchLive({ httpPort: cluster.role("api-1").ports.http, apiKey: clusterApiKey });
    const moved = watchMoving(cluster, ["api-1", "api-2"], 1200);
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
    await moved.settle();
    const watched = async () => [toldOf(still.events), toldOf(moved.events)] as const;
    const isSame = ([all, same]: Awaited<ReturnType<typeof watched>>): boolean =>
      all.filter((told) => told.startsWith("ended ")).length === calls && all.join() === same.join();
    const [all, same] = await eventually(watched, isSame, 10_000).catch(watched);
    expect(same).toEqual(all);
    expect([all.filter((told) => told.startsWith("ended ")).length, moved.gaps]).toEqual([calls, []]);
    expect(moved.moves).toBeGreaterThan(10);
    still.close();
    moved.close();

    const records = await cluster.settled(calls, 60_000);
    expect(records.map(({ termination }) => termination)).toEqual(Array(calls).fill("bye"));
  }, 240_000);
});
