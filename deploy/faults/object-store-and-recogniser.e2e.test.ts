/** What stands beside the event log: an S3 server that refuses, then is away; a recogniser process that stands still in mid-utterance. */
import { once } from "node:events";
import { createServer } from "node:http";
import { findInstallation } from "@earshot/media-pipeline/recogniser/pocketsphinx/find-installation.ts";
import { s3ServerMissing, startS3Server } from "@earshot/platform/object-store/testing/s3-server.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { clusterMissing, startTestCluster } from "../testing/cluster.ts";
import { eventually } from "../testing/earshot-process.ts";
import { startRecogniser } from "../testing/recogniser-process.ts";
import { sharedByTests } from "../testing/shared-by-tests.ts";
import { expectWhole } from "./whole-call.ts";

const missing = clusterMissing() || s3ServerMissing || ("missing" in findInstallation() ? "pocketsphinx is not installed" : "");
test.runIf(missing !== "" && process.env.REQUIRE_SERVERS === "1")("everything is installed", () => {
  throw new Error(`REQUIRE_SERVERS=1, but ${missing}`);
});

const scenario = "sale";
const seconds = 20;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A server that takes every request and does none of them. */
async function refusingServer(port: number): Promise<{ readonly asked: number; stop(): Promise<void> }> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    request.resume();
    response.writeHead(503, { "Content-Type": "application/xml" }).end("<Error><Code>SlowDown</Code><Message>Later.</Message></Error>");
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    get asked() {
      return asked;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

describe.skipIf(missing !== "")(`object store and recogniser ${missing}`, () => {
  const shared = sharedByTests(async (ends) => {
    const s3 = ends.adopt((await startS3Server())!, (each) => each.dispose());
    await s3.makeBucket("earshot");
    const recogniser = ends.adopt(await startRecogniser(), async (each) => void (await each.stop()));
    const cluster = await startTestCluster({
      pipelines: 1,
      env: {
        ...s3.env("earshot/cluster"),
        EARSHOT_S3_TIMEOUT_MS: "1000",
        EARSHOT_ASR: "grpc,pocketsphinx",
        EARSHOT_GRPC_ASR_URL: `grpc://127.0.0.1:${recogniser.port}`,
      },
      envOf: {
        // One utterance without an answer is enough, and a few seconds later the recogniser is tried again.
        "pipeline-1": { EARSHOT_ASR_TIMEOUT_MS: "12000", EARSHOT_ASR_BREAKER_FAILURES: "1", EARSHOT_ASR_BREAKER_OPEN_MS: "1000" },
      },
    });
    return { s3, recogniser, cluster: ends.adopt(cluster, (each) => each.stop()) };
  });

  test("the object store refuses, is away when the call ends, and is back: the recording becomes whole by itself, and health told of it", async () => {
    const { s3, cluster } = shared();
    const before = await cluster.known();
    const call = await cluster.place("gateway-1", { scenario, seconds });
    await pause(5000);
    await s3.kill();
    const refusing = await refusingServer(Number(new URL(s3.endpoint).port));
    onTestFinished(refusing.stop);
    for (const role of ["pipeline-1", "api-1"]) await cluster.says(role, /object store is degraded/);
    expect((await cluster.role("pipeline-1").readiness())?.ready).toBe(true);
    expect((await cluster.role("gateway-1").readiness())?.reasons).toEqual([]);
    await pause(4000);
    expect(refusing.asked).toBeGreaterThan(3);
    await refusing.stop();

    expect(await call.ended).toBe("played");
    const [ended] = await eventually(
      async () => (await cluster.calls()).filter(({ id }) => !before.has(id)),
      (calls) => calls.length === 1 && calls[0]!.endedAt !== null,
      30_000,
    );
    // The ledger says that the recording is kept, and why.
    await eventually(
      async () => (await cluster.get<{ data: { stage: string; detail: string }[] }>(`/api/v1/calls/${ended!.id}/ledger`)).data,
      (stages) => stages.some(({ stage, detail }) => stage === "record" && /kept/.test(detail)),
      30_000,
    );
    expect((await cluster.request(`/api/v1/calls/${ended!.id}/recording`)).status).toBeGreaterThanOrEqual(404);

    await s3.restart();
    for (const role of ["pipeline-1", "api-1"]) await cluster.isWell(role);
    const [record] = await cluster.settled(1, 60_000, before);
    expect(record!.termination).toBe("bye");
    await expectWhole(cluster, record!, { scenario, seconds });
  }, 240_000);

  test("the recogniser stands still in mid-utterance and goes on: the next engine has the words meanwhile, none is missing or there twice", async () => {
    const { recogniser, cluster } = shared();
    const before = await cluster.known();
    const takeovers = (): Promise<number> => cluster.gauge("pipeline-1", "earshot_recogniser_takeovers_total");
    const takenOver = await takeovers();
    const call = await cluster.place("gateway-1", { scenario, seconds: 25 });
    // Somebody speaks from 3 to 9 s.
    await pause(6000);
    process.kill(recogniser.pid, "SIGSTOP");
    await cluster.says("pipeline-1", /speech engine is degraded/);
    await eventually(takeovers, (count) => count > takenOver, 30_000);
    process.kill(recogniser.pid, "SIGCONT");
    expect(await call.ended).toBe("played");
    const [record] = await cluster.settled(1, 90_000, before);
    expect(record!.termination).toBe("bye");
    await expectWhole(cluster, record!, { scenario, seconds: 25 });
    await cluster.isWell("pipeline-1");
  }, 240_000);
});
