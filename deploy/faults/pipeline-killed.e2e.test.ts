/** A pipeline worker is killed in the middle of an utterance, and the broker is there to tell the other one. */
import type { Service } from "@earshot/proto/api/administration.ts";
import { describe, expect, test } from "vitest";
import { loadDialogue } from "../demo-pbx/dialogue.ts";
import { clusterMissing, startTestCluster } from "../testing/cluster.ts";
import { eventually } from "../testing/earshot-process.ts";
import { sharedByTests } from "../testing/shared-by-tests.ts";
import { expectWhole } from "./whole-call.ts";

const missing = clusterMissing();
const seconds = 30;

describe.skipIf(missing !== "")(`a pipeline worker killed with calls up ${missing}`, () => {
  const shared = sharedByTests(async (ends) =>
    ends.adopt(await startTestCluster({ pipelines: 2, env: { EARSHOT_ASR: "pocketsphinx" } }), (cluster) => cluster.stop()),
  );

  test("its calls go on at the other worker: recording whole, no segment missing or doubled, ended by name", async () => {
    const cluster = shared();
    const scenarios = ["cancellation", "sale"];
    const calls = await Promise.all(scenarios.map((scenario) => cluster.place("gateway-1", { scenario, seconds })));
    // Words are coming, so utterances are open.
    await eventually(
      async () => (await Promise.all((await cluster.calls()).map(({ id }) => cluster.transcript(id)))).flat().length,
      (segments) => segments > 0,
      28_000,
    );
    // The one that has calls; the other may have none.
    const [victim, other] =
      (await cluster.gauge("pipeline-1", "earshot_pipeline_calls")) > 0 ? ["pipeline-1", "pipeline-2"] : ["pipeline-2", "pipeline-1"];
    expect(await cluster.gauge(victim!, "earshot_pipeline_calls")).toBeGreaterThan(0);
    const { pid } = cluster.role(victim!).process;
    await cluster.role(victim!).process.kill();
    expect(await cluster.role(victim!).readiness()).toBeUndefined();
    expect(await Promise.all(calls.map((call) => call.ended))).toEqual(calls.map(() => "played"));

    // The status page tells of every process, and of the one that is gone.
    const services = async () => (await (await cluster.request("/api/v1/services")).json()) as { data: Service[] };
    const { data } = await eventually(services, (known) => known.data.some(({ state }) => state === "gone"), 20_000);
    // A worker that does the work of two may be late with words, and says so: degraded.
    expect(data.map(({ service, state }) => `${service} ${state === "gone" ? "gone" : "there"}`).sort()).toEqual([
      "analytics-api there",
      "analytics-ingest there",
      "media-pipeline gone",
      "media-pipeline there",
      "sip-gateway there",
    ]);
    expect(data.find(({ state }) => state === "gone")!.instance).toMatch(new RegExp(`/${pid}$`));

    const records = await cluster.settled(calls.length, 90_000);
    for (const record of records) {
      expect(record.termination).toBe("bye");
      const scenario = scenarios.find((each) => loadDialogue(each).agent.name === record.agent)!;
      await expectWhole(cluster, record, { scenario, seconds });
    }
    expect((await cluster.role(other!).readiness())?.ready).toBe(true);
  }, 180_000);
});
