/** The main job, as its users do it: a demo call is placed, its words reach the socket while it is up, and it ends as a record. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallDetail, CallSummary, LedgerStage, Segment } from "@earshot/proto/api/calls.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { placeDemoCall } from "./demo-pbx/demo-call.ts";
import { loadTruth } from "./demo-pbx/dialogue.ts";
import { type EarshotProcess, eventually, startEarshot } from "./testing/earshot-process.ts";
import { watchLive } from "./testing/live-watch.ts";
import { sharedByTests } from "./testing/shared-by-tests.ts";

type List<T> = { data: T[]; total: number };

describe("a demo call", () => {
  const shared = sharedByTests(async (ends) => {
    const earshot = await startEarshot({ env: { EARSHOT_ASR: "auto" } });
    ends.defer(async () => void (await earshot.stop()));
    const live = watchLive(earshot);
    ends.defer(() => live.close());
    await eventually(
      async () => live.messages.map(({ type }) => type),
      (types) => types.includes("snapshot"),
      30_000,
    );
    const placed = await placeDemoCall({
      scenario: "cancellation",
      recorder: { address: "127.0.0.1", port: earshot.sipPort },
      seconds: 22,
    });
    expect(await placed.ended).toBe("played");
    await eventually(
      async () => live.events.map(({ type }) => type),
      (types) => types.includes("call.ended"),
      30_000,
    );
    const { speech } = await earshot.get<{ speech: { engine: string; usable: boolean } }>("/api/v1/status");
    const { data, total } = await earshot.get<List<CallSummary>>("/api/v1/calls");
    expect(total).toBe(1);
    return { earshot, speech, events: live.events, call: data[0]! };
  });

  test("becomes words on the live socket while people speak", async () => {
    const { speech, events, call } = shared();
    if (process.env.REQUIRE_SERVERS === "1") expect(speech.usable, JSON.stringify(speech)).toBe(true);
    expect(events.find((event) => event.type === "call.started")).toMatchObject({
      call: { id: call.id, agent: "Sarah Miller", caller: expect.stringContaining("George Patel"), endedAt: null },
    });
    // The words are there before the call is over.
    const told = events.map(({ type }) => type);
    if (speech.usable) expect(told.slice(0, told.indexOf("call.ended"))).toContain("transcript.final");
    expect(call).toMatchObject({ termination: "bye", legs: [{ speaker: "agent" }, { speaker: "caller" }] });
    expect(Date.parse(call.endedAt!) - Date.parse(call.startedAt)).toBeGreaterThan(20_000);
  });

  test("has a ledger in which nothing is in progress", async () => {
    const { earshot, call } = shared();
    const { data } = await eventually(
      () => earshot.get<List<LedgerStage>>(`/api/v1/calls/${call.id}/ledger`),
      ({ data }) => data.every(({ outcome }) => outcome !== "running" && outcome !== "pending"),
      40_000,
    );
    expect(data.map(({ stage }) => stage)).toEqual(["record", "media", "transcript", "insight", "score"]);
    for (const stage of data.filter(({ outcome }) => outcome === "failed" || outcome === "skipped")) expect(stage.detail).not.toBe("");
    expect(data.slice(0, 2).map(({ outcome }) => outcome)).toEqual(["done", "done"]);
  });

  test("has its transcript, on two sides, close to what was said", async () => {
    const { earshot, speech, call } = shared();
    const truth = loadTruth("cancellation");
    const { data } = await eventually(
      () => earshot.get<List<Segment>>(`/api/v1/calls/${call.id}/transcript`),
      ({ data }) => !speech.usable || data.length >= 4,
      20_000,
    );
    if (!speech.usable) return;
    for (const side of ["agent", "caller"] as const) {
      const said = new Set(
        truth.turns.filter((turn) => turn.speaker === side && turn.endMs < 20_000).flatMap((turn) => turn.words.map(({ word }) => word)),
      );
      const heard = new Set(
        data.filter(({ speaker }) => speaker === side).flatMap(({ text }) => text.toLowerCase().match(/[a-z']+/g) ?? []),
      );
      const found = [...said].filter((word) => heard.has(word)).length / said.size;
      expect(found, `${side}: heard ${[...heard].join(" ")}`).toBeGreaterThan(0.5);
    }
    for (const segment of data) expect(segment.endMs).toBeGreaterThan(segment.startMs);
  });

  test("has a stereo recording that answers range requests", async () => {
    const { earshot, call } = shared();
    const whole = await eventually(
      () => earshot.request(`/api/v1/calls/${call.id}/recording`),
      ({ status }) => status === 200,
      15_000,
    );
    const wav = Buffer.from(await whole.arrayBuffer());
    expect(wav.toString("latin1", 0, 4)).toBe("RIFF");
    expect(wav.readUInt16LE(22)).toBe(2);
    const seconds = (wav.length - 44) / wav.readUInt32LE(28);
    expect(seconds).toBeGreaterThan(20);
    expect(seconds).toBeLessThan(25);
    const part = await earshot.request(`/api/v1/calls/${call.id}/recording`, { headers: { range: "bytes=44-1043" } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(wav.subarray(44, 1044));
  });

  test("has its measures", async () => {
    const { earshot, call } = shared();
    const detail = await eventually(
      () => earshot.get<CallDetail>(`/api/v1/calls/${call.id}`),
      ({ conversation, lineQuality }) => conversation !== null && lineQuality.length > 0,
      20_000,
    );
    expect(detail.conversation!.talkRatio).toBeGreaterThan(0.2);
    expect(detail.conversation!.talkRatio).toBeLessThan(0.8);
    for (const { mos } of detail.lineQuality) expect(mos).toBeGreaterThan(4);
  });
});

test("what happened outlives kill -9, and the call that was up is ended as such", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "earshot-restart-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const first = await startEarshot({ dataDir });
  let second: EarshotProcess | undefined;
  const abort = new AbortController();
  try {
    await placeDemoCall({ scenario: "sale", recorder: { address: "127.0.0.1", port: first.sipPort }, signal: abort.signal });
    await eventually(
      () => first.get<List<CallSummary>>("/api/v1/calls"),
      ({ total }) => total === 1,
      30_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await first.kill();
    abort.abort();
    second = await startEarshot({ dataDir });
    const { data } = await eventually(
      () => second!.get<List<CallSummary>>("/api/v1/calls"),
      ({ data }) => data[0]?.endedAt !== null && data[0] !== undefined,
      20_000,
    );
    expect(data[0]).toMatchObject({ termination: "restart", agent: "Anna Schmidt" });
    const recording = await eventually(
      () => second!.request(`/api/v1/calls/${data[0]!.id}/recording`),
      ({ status }) => status === 200,
      20_000,
    );
    expect((await recording.arrayBuffer()).byteLength).toBeGreaterThan(44 + 16_000);
  } finally {
    abort.abort();
    await first.kill();
    await second?.stop();
  }
});

test("every fault of the configuration is reported at once", async () => {
  await expect(
    startEarshot({ args: ["--check-config"], env: { EARSHOT_SIP_PORT: "99999", EARSHOT_RTP_PORTS: "up", EARSHOT_HTP_PORT: "1" } }),
  ).rejects.toThrow(/EARSHOT_SIP_PORT[\s\S]*EARSHOT_RTP_PORTS[\s\S]*EARSHOT_HTP_PORT[\s\S]*EARSHOT_HTTP_PORT/);
});
