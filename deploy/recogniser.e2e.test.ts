/** Recognition as a process of its own: calls become words through gRPC, and no utterance is lost when that process is killed. */
import { findInstallation } from "@earshot/media-pipeline/recogniser/pocketsphinx/find-installation.ts";
import type { CallSummary, LedgerStage, Segment } from "@earshot/proto/api/calls.ts";
import { describe, expect, test } from "vitest";
import { placeDemoCall } from "./demo-pbx/demo-call.ts";
import { loadTruth } from "./demo-pbx/dialogue.ts";
import { eventually, startEarshot } from "./testing/earshot-process.ts";
import { watchLive } from "./testing/live-watch.ts";
import { startRecogniser } from "./testing/recogniser-process.ts";
import { sharedByTests } from "./testing/shared-by-tests.ts";

type List<T> = { data: T[]; total: number };

const missing = "missing" in findInstallation();
const seconds = 22;

test.runIf(missing && process.env.REQUIRE_SERVERS === "1")("pocketsphinx is required here and not installed", () => {
  throw new Error("REQUIRE_SERVERS=1, but pocketsphinx is not installed");
});

describe.skipIf(missing)("a recogniser process (needs pocketsphinx)", () => {
  const shared = sharedByTests(async (ends) => {
    let recogniser = await startRecogniser({ EARSHOT_RECOGNISER_TOKEN: "e2e-token" });
    ends.defer(async () => expect(await recogniser.stop()).toBe(0));
    const earshot = await startEarshot({
      env: {
        EARSHOT_ASR: "auto",
        EARSHOT_GRPC_ASR_URL: `grpc://127.0.0.1:${recogniser.port}`,
        EARSHOT_GRPC_ASR_TOKEN: "e2e-token",
        // A machine that tests other things meanwhile decodes slowly.
        EARSHOT_ASR_TIMEOUT_MS: "100000",
        EARSHOT_RECOGNITION_DEADLINE_MS: "110000",
      },
    });
    ends.defer(async () => void (await earshot.stop()));
    return {
      earshot,
      killRecogniser: () => recogniser.kill(),
      async startRecogniserAgain() {
        const env = { EARSHOT_RECOGNISER_TOKEN: "e2e-token", EARSHOT_RECOGNISER_PORT: String(recogniser.port) };
        recogniser = await startRecogniser(env);
      },
    };
  });

  test("is what auto chooses, and gives partials and words; killed in mid-utterance and started again, it loses no segment", async () => {
    const { earshot, killRecogniser, startRecogniserAgain } = shared();
    const { speech } = await earshot.get<{ speech: { engine: string; reason: string } }>("/api/v1/status");
    expect(speech).toMatchObject({ engine: "grpc", reason: expect.stringContaining("EARSHOT_GRPC_ASR_URL") });
    const live = watchLive(earshot);
    const placed = await placeDemoCall({
      scenario: "cancellation",
      recorder: { address: "127.0.0.1", port: earshot.sipPort },
      seconds,
    });
    const partial = await eventually(
      async () => live.events.findLast((event) => event.type === "transcript.partial"),
      (event) => event !== undefined && event.segment.endMs > 3000,
      40_000,
    );
    await killRecogniser();
    const killedAt = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await startRecogniserAgain();
    const awayMs = performance.now() - killedAt;
    expect(await placed.ended).toBe("played");

    const call = await eventually(
      () => earshot.get<List<CallSummary>>("/api/v1/calls"),
      ({ total, data }) => total === 1 && data[0]!.endedAt !== null,
      20_000,
    );
    const { id } = call.data[0]!;
    const ledger = await eventually(
      () => earshot.get<List<LedgerStage>>(`/api/v1/calls/${id}/ledger`),
      ({ data }) => data.every(({ outcome }) => outcome !== "running" && outcome !== "pending"),
      120_000,
    );
    expect(ledger.data.find(({ stage }) => stage === "transcript")).toMatchObject({ outcome: "done" });
    live.close();

    const { data } = await earshot.get<List<Segment>>(`/api/v1/calls/${id}/transcript`);
    for (const segment of data) expect(segment).toMatchObject({ error: "", final: true, engine: "pocketsphinx" });
    const cut = data.find(({ segmentId }) => segmentId === partial!.segment.segmentId);
    expect(cut, "the utterance that was being spoken").toBeDefined();
    expect(cut!.text).not.toBe("");
    expect(cut!.words.length).toBeGreaterThan(0);
    // None twice: the segments of one leg follow each other.
    for (const leg of [0, 1]) {
      const own = data.filter((segment) => segment.leg === leg).toSorted((a, b) => a.startMs - b.startMs);
      for (const [i, segment] of own.slice(1).entries()) expect(segment.startMs).toBeGreaterThanOrEqual(own[i]!.endMs - 1);
    }
    // None missing: every turn that was said has a segment over it, also those of the time without a recogniser.
    const turns = loadTruth("cancellation").turns.filter(({ words, endMs }) => words.length > 0 && endMs < (seconds - 1) * 1000);
    expect(turns.length).toBeGreaterThan(3);
    for (const turn of turns) {
      const over = data.filter(({ speaker, startMs, endMs }) => speaker === turn.speaker && startMs < turn.endMs && endMs > turn.startMs);
      expect(over.length, `${turn.speaker} at ${turn.startMs} ms; the recogniser was away for ${Math.round(awayMs)} ms`).toBeGreaterThan(0);
    }
    const said = new Set(turns.flatMap(({ words }) => words.map(({ word }) => word)));
    const heard = new Set(data.flatMap(({ text }) => text.toLowerCase().match(/[a-z']+/g) ?? []));
    expect([...said].filter((word) => heard.has(word)).length / said.size).toBeGreaterThan(0.5);
  });
});
