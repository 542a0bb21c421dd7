/** Everything that a call stands on, taken away while a call is up and given back: one cluster, one fault after the other. */
import type { CallDetail } from "@earshot/proto/api/calls.ts";
import { describe, expect, test } from "vitest";
import { clusterMissing, startTestCluster, type TestCluster } from "../testing/cluster.ts";
import { sharedByTests } from "../testing/shared-by-tests.ts";
import { expectWhole } from "./whole-call.ts";

const missing = clusterMissing();
const scenario = "sale";
const seconds = 20;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** How long column store and PostgreSQL are away; minutes by hand, less where many tests are to run. */
const awayMs = Number(process.env.FAULT_AWAY_SECONDS ?? "20") * 1000;

describe.skipIf(missing !== "")(`a service is away while a call is up ${missing}`, () => {
  const shared = sharedByTests(async (ends) => {
    const cluster = ends.adopt(await startTestCluster({ pipelines: 2, env: { EARSHOT_ASR: "pocketsphinx" } }), (each) => each.stop());
    // It joins when its test comes.
    await cluster.role("pipeline-2").process.stop();
    return cluster;
  });

  /** Places a call, lets `fault` happen in its middle, and gives its record once it is settled. */
  async function callThrough(cluster: TestCluster, fault: () => Promise<void>, settleMs = 90_000): Promise<CallDetail> {
    const before = await cluster.known();
    const call = await cluster.place("gateway-1", { scenario, seconds });
    await pause(6000);
    await fault();
    await call.ended;
    const [record] = await cluster.settled(1, settleMs, before);
    return record!;
  }

  async function expectWholeAndEnded(cluster: TestCluster, record: CallDetail, mayBeCut = false): Promise<void> {
    expect(record.termination).toBe("bye");
    // No stretch of a leg's line is measured twice.
    expect(new Set(record.lineQuality.map(({ leg, fromMs }) => `${leg} ${fromMs}`)).size).toBe(record.lineQuality.length);
    await expectWhole(cluster, record, { scenario, seconds, mayBeCut });
  }

  test("ingest is killed between write and commit: what is stored already comes again, and is there once", async () => {
    const cluster = shared();
    const record = await callThrough(cluster, async () => {
      // The engine has the words and nobody has been told so.
      await cluster.servers.clickhouse!.holdInsert("segments");
      await cluster.role("ingest-1").process.kill();
      await pause(2000);
      await cluster.role("ingest-1").process.start();
    });
    await expectWholeAndEnded(cluster, record);
  }, 240_000);

  test(
    `the column store and PostgreSQL are away for ${awayMs / 1000} s: API and ingest say so, and the call is recorded when they are back`,
    async () => {
      const cluster = shared();
      const record = await callThrough(cluster, async () => {
        await cluster.servers.clickhouse!.kill();
        await cluster.says("api-1", /column store/i);
        await cluster.says("ingest-1", /column store/i);
        await cluster.servers.postgres!.process.kill();
        await cluster.says("api-1", /PostgreSQL|database/i);
        await pause(awayMs);
        await cluster.servers.clickhouse!.restart();
        await cluster.servers.postgres!.process.start();
        await cluster.isWell("api-1");
        await cluster.isWell("ingest-1");
      });
      await expectWholeAndEnded(cluster, record);
    },
    awayMs + 240_000,
  );

  test("the broker is away for 60 s and comes back into a rebalance: every role says so, the audio is spooled and nothing is lost", async () => {
    const cluster = shared();
    const record = await callThrough(
      cluster,
      async () => {
        await cluster.servers.kafka!.kill();
        for (const role of ["gateway-1", "pipeline-1", "ingest-1"]) await cluster.says(role, /event log/);
        await pause(60_000);
        await cluster.servers.kafka!.restart();
        // A second worker joins before the first has its calls again.
        await cluster.role("pipeline-2").process.start();
        for (const role of ["gateway-1", "pipeline-1", "pipeline-2", "ingest-1"]) await cluster.isWell(role);
      },
      120_000,
    );
    await expectWholeAndEnded(cluster, record, true);
  }, 360_000);

  test("the broker is slow, and dies while calls move from one worker to the other: nothing is lost or doubled", async () => {
    const cluster = shared();
    await cluster.role("pipeline-2").process.start();
    await cluster.isWell("pipeline-2");
    const record = await callThrough(cluster, async () => {
      for (let burst = 0; burst < 3; burst++) {
        cluster.servers.kafka!.pause();
        await pause(1500);
        cluster.servers.kafka!.resume();
        await pause(500);
      }
      const leaving = cluster.role("pipeline-2").process.stop();
      await pause(300);
      await cluster.servers.kafka!.kill();
      await pause(2000);
      await cluster.servers.kafka!.restart();
      await leaving;
    });
    await expectWholeAndEnded(cluster, record, true);
  }, 240_000);

  test("the gateway is killed: its call ends by name, with all that had been taken", async () => {
    const cluster = shared();
    const record = await callThrough(cluster, async () => {
      await cluster.role("gateway-1").process.kill();
      await pause(2000);
      await cluster.role("gateway-1").process.start();
    });
    expect(record.termination).toBe("restart");
    await expectWhole(cluster, record, { scenario, seconds, takenSeconds: 5.5 });
    await cluster.isWell("gateway-1");
  }, 240_000);
});
