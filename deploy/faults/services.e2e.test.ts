/** Everything that a call stands on, taken away while a call is up and given back: one cluster, one fault after the other. */
import type { CallDetail } from "@earshot/proto/api/calls.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clusterMissing, startTestCluster, type TestCluster } from "../testing/cluster.ts";
import { eventually } from "../testing/earshot-process.ts";
import { expectWhole } from "./whole-call.ts";

const missing = clusterMissing();
const seconds = 25;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(missing !== "")(`a service is away while a call is up ${missing}`, () => {
  let cluster: TestCluster;
  let records = 0;
  beforeAll(async () => {
    cluster = await startTestCluster({ pipelines: 1, env: { EARSHOT_ASR: "pocketsphinx" } });
  }, 180_000);
  afterAll(() => cluster?.stop(), 60_000);

  /** Places a call, lets `fault` happen in its middle, and gives its record once it is settled. */
  async function callThrough(fault: () => Promise<void>, settleMs = 90_000): Promise<CallDetail> {
    const before = new Set((records === 0 ? [] : await cluster.calls()).map(({ id }) => id));
    const call = await cluster.place("gateway-1", { scenario: "sale", seconds });
    await pause(7000);
    await fault();
    await call.ended;
    records += 1;
    const settled = await cluster.settled(records, settleMs);
    return settled.find(({ id }) => !before.has(id))!;
  }

  /** Waits until a role says of itself what is wrong, then until it says that all is well. */
  const says = (role: string, reason: RegExp) =>
    eventually(
      async () => (await cluster.role(role).readiness())?.reasons ?? [],
      (reasons) => reasons.some((text) => reason.test(text)),
      30_000,
    );
  const isWell = (role: string) =>
    eventually(
      async () => cluster.role(role).readiness(),
      (answer) => answer?.ready === true && answer.reasons.length === 0,
      60_000,
    );

  test("ingest is killed and started again: nothing is stored twice or not at all", async () => {
    const record = await callThrough(async () => {
      await cluster.role("ingest-1").process.kill();
      await pause(4000);
      await cluster.role("ingest-1").process.start();
    });
    expect(record.termination).toBe("bye");
    await expectWhole(cluster, record, seconds);
  }, 240_000);

  test("the column store is away: ingest and API say so, and the call is recorded when it is back", async () => {
    const record = await callThrough(async () => {
      await cluster.servers.clickhouse!.kill();
      await says("api-1", /column store/i);
      await pause(5000);
      await cluster.servers.clickhouse!.restart();
      await isWell("api-1");
    });
    expect(record.termination).toBe("bye");
    await expectWhole(cluster, record, seconds);
  }, 240_000);

  test("PostgreSQL is away: the API says so, the call goes on", async () => {
    const record = await callThrough(async () => {
      await cluster.servers.postgres!.process.kill();
      await says("api-1", /PostgreSQL|database/i);
      await pause(3000);
      await cluster.servers.postgres!.process.start();
      await isWell("api-1");
    });
    expect(record.termination).toBe("bye");
    await expectWhole(cluster, record, seconds);
  }, 240_000);

  test("the broker is away for 60 s: every role says so, the audio is spooled and nothing is lost", async () => {
    const record = await callThrough(async () => {
      await cluster.servers.kafka!.kill();
      for (const role of ["gateway-1", "pipeline-1", "ingest-1"]) await says(role, /event log/);
      await pause(60_000);
      await cluster.servers.kafka!.restart();
      for (const role of ["gateway-1", "pipeline-1", "ingest-1"]) await isWell(role);
    }, 120_000);
    expect(record.termination).toBe("bye");
    await expectWhole(cluster, record, seconds);
  }, 360_000);

  test("the broker stands still in bursts: nothing is lost or doubled", async () => {
    const record = await callThrough(async () => {
      for (let burst = 0; burst < 4; burst++) {
        cluster.servers.kafka!.pause();
        await pause(1500);
        cluster.servers.kafka!.resume();
        await pause(1000);
      }
    });
    expect(record.termination).toBe("bye");
    await expectWhole(cluster, record, seconds);
  }, 240_000);

  test("the gateway is killed: its call ends by name, with all that had been taken", async () => {
    const record = await callThrough(async () => {
      await cluster.role("gateway-1").process.kill();
      await pause(2000);
      await cluster.role("gateway-1").process.start();
    });
    expect(record.termination).toBe("restart");
    await expectWhole(cluster, record, 6, 12);
    await isWell("gateway-1");
  }, 240_000);
});
