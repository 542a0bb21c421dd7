/** The main job, as its users do it: a demo call is placed, its words reach the socket while it is up, and it ends as a record. */

import type { CallDetail, CallSummary, LedgerStage, Segment } from "@earshot/proto/api/calls.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { placeDemoCall } from "./demo-pbx/demo-call.ts";
import { loadTruth } from "./demo-pbx/dialogue.ts";
import { type EarshotProcess, eventually, startEarshot } from "./testing/earshot-process.ts";
import { watchLive } from "./testing/live-watch.ts";

type List<T> = { data: T[]; total: number };

let earshot: EarshotProcess;
beforeAll(async () => {
  earshot = await startEarshot({ env: { EARSHOT_ASR: "auto" } });
}, 120_000);
afterAll(() => earshot?.stop());

describe("a demo call", () => {
  let call: CallSummary;

  test("becomes words on the live socket while people speak", async () => {
    const { speech } = await earshot.get<{ speech: { engine: string; usable: boolean } }>("/api/v1/status");
    if (process.env.REQUIRE_SERVERS === "1") expect(speech.usable, JSON.stringify(speech)).toBe(true);
    const live = watchLive(earshot);
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
    const started = await eventually(
      async () => live.events.find((event) => event.type === "call.started"),
      (event) => event !== undefined,
      30_000,
    );
    expect(started).toMatchObject({ call: { agent: "Sarah Miller", caller: expect.stringContaining("George Patel"), endedAt: null } });
    if (speech.usable) {
      // The words are there before the call is over.
      await eventually(
        async () => live.events.filter((event) => event.type === "transcript.final").length,
        (finals) => finals >= 1,
        20_000,
      );
      expect(live.events.some((event) => event.type === "call.ended")).toBe(false);
    }
    expect(await placed.ended).toBe("played");
    await eventually(
      async () => live.events.find((event) => event.type === "call.ended"),
      (event) => event !== undefined,
      30_000,
    );
    live.close();

    const { data, total } = await earshot.get<List<CallSummary>>("/api/v1/calls");
    expect(total).toBe(1);
    call = data[0]!;
    expect(call).toMatchObject({ termination: "bye", legs: [{ speaker: "agent" }, { speaker: "caller" }] });
    expect(Date.parse(call.endedAt!) - Date.parse(call.startedAt)).toBeGreaterThan(20_000);
  });

  test("has a ledger in which nothing is in progress", async () => {
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
    const { speech } = await earshot.get<{ speech: { usable: boolean } }>("/api/v1/status");
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
  const first = await startEarshot({ dataDir: `${earshot.dataDir}-restart` });
  let second: EarshotProcess | undefined;
  const abort = new AbortController();
  try {
    const placed = await placeDemoCall({ scenario: "sale", recorder: { address: "127.0.0.1", port: first.sipPort }, signal: abort.signal });
    await eventually(
      () => first.get<List<CallSummary>>("/api/v1/calls"),
      ({ total }) => total === 1,
      30_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await first.kill();
    abort.abort();
    void placed;
    second = await startEarshot({ dataDir: first.dataDir });
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
    await first.kill();
    await second?.stop();
    const { rmSync } = await import("node:fs");
    rmSync(`${earshot.dataDir}-restart`, { recursive: true, force: true });
  }
});

test("every fault of the configuration is reported at once", async () => {
  await expect(
    startEarshot({ args: ["--check-config"], env: { EARSHOT_SIP_PORT: "99999", EARSHOT_RTP_PORTS: "up", EARSHOT_HTP_PORT: "1" } }),
  ).rejects.toThrow(/EARSHOT_SIP_PORT[\s\S]*EARSHOT_RTP_PORTS[\s\S]*EARSHOT_HTP_PORT[\s\S]*EARSHOT_HTTP_PORT/);
});
