/** Cables that are pulled, gateways that never come back, a clock that jumps: one cluster, two of its processes in networks of their own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { clusterMissing, startTestCluster } from "../testing/cluster.ts";
import { eventually } from "../testing/earshot-process.ts";
import { createNetworkNamespace, networkNamespacesMissing } from "../testing/network-namespace.ts";
import { sharedByTests } from "../testing/shared-by-tests.ts";
import { createSteppedClock, steppedClockMissing } from "../testing/stepped-clock.ts";
import { expectWhole } from "./whole-call.ts";

const missing = clusterMissing();
const noNetworks = networkNamespacesMissing();
const noClock = steppedClockMissing();
const scenario = "sale";
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const lostMs = 15_000;

describe.skipIf(missing !== "")(`gateways and network ${missing}`, () => {
  const shared = sharedByTests(async (ends) => {
    const folder = ends.adopt(mkdtempSync(join(tmpdir(), "earshot-clock-")), (path) => rmSync(path, { recursive: true, force: true }));
    const clock = noClock === "" ? createSteppedClock(folder) : undefined;
    const network = () => (noNetworks === "" ? ends.adopt(createNetworkNamespace(), (each) => each.dispose()) : undefined);
    const [ofGateway, ofPipeline] = [network(), network()];
    const cluster = await startTestCluster({
      gateways: 3,
      pipelines: 2,
      inNetwork: ofGateway && ofPipeline ? { "gateway-2": ofGateway, "pipeline-2": ofPipeline } : {},
      env: {
        ...clock?.env,
        EARSHOT_ASR: "pocketsphinx",
        EARSHOT_GATEWAY_BEAT_MS: "500",
        EARSHOT_GATEWAY_LOST_MS: String(lostMs),
        // What a gateway that was cut off tells late of a finished call opens its insights anew, and no more words come.
        EARSHOT_INSIGHTS_LATE_WORDS_MS: "10000",
      },
    });
    ends.adopt(cluster, (each) => each.stop());
    // Calls come from there through the cable.
    const { data } = await cluster.get<{ data: { id: string; sourceNetworks: string[] }[] }>("/api/v1/trunks");
    const [trunk] = data;
    const answer = await cluster.request(`/api/v1/trunks/${trunk!.id}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...trunk, sourceNetworks: [...trunk!.sourceNetworks, "198.18.0.0/15"] }),
    });
    expect(answer.status, await answer.text()).toBe(200);
    return { cluster, clock: clock!, ofGateway: ofGateway!, ofPipeline: ofPipeline! };
  });

  test.skipIf(noNetworks !== "")(
    `a gateway and a worker are cut off from the broker for 8 s while calls are up: they say so, and nothing is lost or doubled ${noNetworks}`,
    async () => {
      const { cluster, ofGateway, ofPipeline } = shared();
      const seconds = 20;
      const before = await cluster.known();
      const calls = [await cluster.place("gateway-1", { scenario, seconds }), await cluster.place("gateway-2", { scenario, seconds })];
      await pause(6000);
      onTestFinished(() => {
        ofGateway.heal();
        ofPipeline.heal();
      });
      ofGateway.cut();
      ofPipeline.cut();
      const cutAt = performance.now();
      for (const name of ["gateway-2", "pipeline-2"]) await cluster.says(name, /event log/);
      expect((await cluster.role("gateway-2").readiness())?.ready).toBe(true);
      await pause(Math.max(0, 8000 - (performance.now() - cutAt)));
      ofGateway.heal();
      ofPipeline.heal();
      for (const name of ["gateway-2", "pipeline-1", "pipeline-2"]) await cluster.isWell(name);
      expect(await Promise.all(calls.map((call) => call.ended))).toEqual(["played", "played"]);
      for (const record of await cluster.settled(2, 120_000, before)) {
        expect(record.termination).toBe("bye");
        await expectWhole(cluster, record, { scenario, seconds, mayBeCut: true });
      }
    },
    240_000,
  );

  test.skipIf(noNetworks !== "")(
    `gateways that stay away: another one ends their calls by name; a late BYE of one that was cut off changes nothing ${noNetworks}`,
    async () => {
      const { cluster, ofGateway } = shared();
      const seconds = 12;
      const before = await cluster.known();
      const calls = [await cluster.place("gateway-2", { scenario, seconds }), await cluster.place("gateway-3", { scenario, seconds })];
      await pause(6000);
      onTestFinished(async () => {
        ofGateway.heal();
        await cluster.role("gateway-3").process.start();
      });
      ofGateway.cut();
      await cluster.role("gateway-3").process.kill();
      // Its BYE comes to a gateway that can tell nobody.
      await calls[0]!.ended;
      const ended = await eventually(
        async () => (await cluster.calls()).filter(({ id }) => !before.has(id)),
        (found) => found.length === 2 && found.every(({ termination }) => termination !== null),
        60_000,
      );
      expect(ended.map(({ termination }) => termination)).toEqual(["gateway_lost", "gateway_lost"]);
      ofGateway.heal();
      await cluster.isWell("gateway-2");
      // What it kept is told now.
      await pause(3000);
      for (const record of await cluster.settled(2, 120_000, before)) {
        expect(record.termination).toBe("gateway_lost");
        expect(record.terminationDetail).toMatch(/not heard of for 15 s/);
        expect(record.durationMs).toBeGreaterThan(5000);
        expect(record.durationMs).toBeLessThan(10_000);
        await expectWhole(cluster, record, { scenario, seconds, takenSeconds: 5.5 });
      }
      await calls[1]!.ended;
    },
    240_000,
  );

  test.skipIf(noClock !== "")(
    `the clock of every process jumps two hours ahead and back while calls are up: they last as long as they lasted, and lose nothing ${noClock}`,
    async () => {
      const { cluster, clock } = shared();
      const seconds = 14;
      const before = await cluster.known();
      const ahead = await cluster.place("gateway-1", { scenario, seconds });
      await pause(6000);
      onTestFinished(() => clock.step(0));
      clock.step(2 * 3_600_000);
      await pause(3000);
      const back = await cluster.place("gateway-1", { scenario, seconds });
      expect(await ahead.ended).toBe("played");
      clock.step(0);
      expect(await back.ended).toBe("played");
      for (const record of await cluster.settled(2, 120_000, before)) {
        expect(record.termination).toBe("bye");
        expect(record.durationMs).toBeGreaterThan(seconds * 1000 - 1000);
        expect(record.durationMs).toBeLessThan(seconds * 1000 + 3000);
        await expectWhole(cluster, record, { scenario, seconds });
      }
      for (const { name } of cluster.roles) await cluster.isWell(name);
    },
    240_000,
  );
});
