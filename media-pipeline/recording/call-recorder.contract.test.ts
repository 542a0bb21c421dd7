import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mediaPipelineSettings } from "../settings.ts";
import { MemoryObjectStore } from "../testing/memory-object-store.ts";
import { parseWav, type WavAudio } from "../testing/wav-file.ts";
import { CallRecorder } from "./call-recorder.ts";
import { noLeg } from "./mixdown.ts";
import { folderName } from "./spool.ts";
import { SpoolBudget } from "./spool-budget.ts";
import { wavHeader } from "./wav.ts";

let root: string;
const store = new MemoryObjectStore();
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "earshot-recorder-"));
});
const opened: CallRecorder[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.suspend();
  await rm(root, { recursive: true, force: true });
});

const { AGENT, CALLER } = Speaker;
const two = [
  { index: 0, speaker: AGENT },
  { index: 1, speaker: CALLER },
];

const options = {
  tenantId: tenantId("t"),
  callId: callId("c"),
  budget: new SpoolBudget(1e9),
  maxRecordingMs: 60_000,
  objectStore: store,
  run: undefined,
  onFailure: () => {},
};

async function recorder(
  more: { budget?: SpoolBudget; maxRecordingMs?: number; folder?: string; run?: number } = {},
): Promise<CallRecorder> {
  const one = new CallRecorder({ ...options, folder: join(root, "call"), budget: new SpoolBudget(1e9), ...more });
  opened.push(one);
  await one.open();
  return one;
}

const stored = (): WavAudio => parseWav(store.objects.get("tenants/t/recordings/c.wav")!);
const constant = (value: number, samples: number): Int16Array => new Int16Array(samples).fill(value);

describe("a call's recording", () => {
  it("puts every leg at its place and side, mixes further legs in, and cleans the spool", async () => {
    const one = await recorder();
    one.write(1, 8000, constant(-200, 4000), 4000, 4000);
    one.write(0, 8000, constant(1000, 8000), 8000, 0);
    one.write(2, 8000, constant(50, 1600), 1600, 6400);
    const result = await one.store([...two, { index: 2, speaker: CALLER }]);
    expect(result).toMatchObject({ bytes: 44 + 8000 * 4, durationMs: 1000, sampleRate: 8000, channels: 2, channelLegs: [0, 1] });
    const { pcm } = stored();
    expect([pcm[0], pcm[1], pcm[2 * 5000 + 1], pcm[2 * 7000], pcm[2 * 7000 + 1]]).toEqual([1000, 0, -200, 1000, -150]);
    expect(result!.peaks.map((row) => [...row.slice(8, 12)])).toEqual([
      [7, 7, 7, 7],
      [0, 0, 1, 1],
    ]);
    expect(existsSync(join(root, "call"))).toBe(true);
    await one.discard();
    expect(existsSync(join(root, "call"))).toBe(false);
  });

  it("is 16 kHz where any leg is wideband, and keeps narrowband legs in time with it", async () => {
    const one = await recorder();
    const tone = (rate: number): Int16Array =>
      Int16Array.from({ length: rate * 3 }, (_, i) => 8000 * Math.sin((2 * Math.PI * 400 * i) / rate));
    for (let at = 0; at < 24_000; at += 800) one.write(0, 8000, tone(8000).subarray(at, at + 800), 800, at);
    one.write(1, 16000, tone(16000), 48_000, 0);
    const result = await one.store(two);
    expect(result).toMatchObject({ sampleRate: 16000, durationMs: 3000 });
    const { pcm } = stored();
    let same = 0;
    for (let i = 8000; i < 40_000; i++) same += Math.abs(pcm[2 * i]! - pcm[2 * i + 1]!) < 3000 ? 1 : 0;
    expect(same / 32_000).toBeGreaterThan(0.99);
  });

  it("names the silent side's leg, or none", async () => {
    const one = await recorder();
    one.write(1, 8000, constant(9, 800), 800, 0);
    expect((await one.store(two))!.channelLegs).toEqual([0, 1]);
    const other = await recorder();
    other.write(1, 8000, constant(9, 800), 800, 0);
    other.write(2, 8000, constant(9, 800), 800, 0);
    expect((await other.store([1, 2].map((index) => ({ index, speaker: CALLER }))))!.channelLegs).toEqual([noLeg, 1]);
  });

  it("stores nothing where nothing came", async () => {
    store.objects.clear();
    expect(await (await recorder()).store(two)).toBeUndefined();
    expect(store.objects.size).toBe(0);
  });

  it("goes on after a crash with what is on disk", async () => {
    const first = await recorder();
    first.write(0, 8000, constant(7, 16_000), 16_000, 0);
    await first.flush();
    const second = await recorder();
    second.write(0, 8000, constant(7, 8000), 8000, 12_000);
    const result = await second.store([two[0]!]);
    expect(result).toMatchObject({ durationMs: 2500, channels: 1 });
    expect(stored().pcm.every((sample) => sample === 7)).toBe(true);
  });

  it("stops at the longest recording and at the spool's limit, and tells how much is missing", async () => {
    const long = await recorder({ maxRecordingMs: 1000 });
    for (let at = 0; at < 16_000; at += 800) long.write(0, 8000, constant(1, 800), 800, at);
    expect(long.omittedMs).toBe(1000);
    expect((await long.store([two[0]!]))!.durationMs).toBe(1000);
    const budget = new SpoolBudget(20_000);
    const full = await recorder({ budget });
    for (let at = 0; at < 32_000; at += 800) full.write(0, 8000, constant(1, 800), 800, at);
    await full.flush();
    expect(full.omittedMs).toBeGreaterThan(2000);
    await full.store([two[0]!]);
    await full.discard();
    expect(budget.used).toBe(0);
  });

  it("says that the spool failed where its folder cannot be made: the call may be opened again", async () => {
    await writeFile(join(root, "file"), "");
    const budget = new SpoolBudget(1e6);
    const folder = join(root, "file", "call");
    const why = { category: "unavailable", code: "spool_failed", details: { reason: "ENOTDIR" } };
    await expect(recorder({ folder, budget })).rejects.toMatchObject(why);
    // A track that was counted before the failure counts no more.
    const half = join(root, "half");
    await mkdir(half);
    await writeFile(join(half, "leg-0-8000.pcm"), new Uint8Array(1000));
    await symlink("nowhere", join(half, "leg-1-8000.pcm"));
    await expect(recorder({ folder: half, budget })).rejects.toMatchObject({ ...why, details: { reason: "ENOENT" } });
    expect(budget.used).toBe(0);
  });

  it("keeps its longest recording within the sizes of a WAV file, at two channels of 16 kHz", () => {
    const { schema } = mediaPipelineSettings.maxRecordingMs;
    expect(schema.safeParse("86400000").success).toBe(false);
    let longest = 0;
    for (let ms = 3_600_000; schema.safeParse(String(ms)).success; ms += 3_600_000) longest = ms;
    expect(longest).toBe(64_800_000);
    const bytes = longest * 16 * 2 * 2;
    const header = new DataView(wavHeader(16000, 2, bytes).buffer);
    expect([header.getUint32(4, true), header.getUint32(40, true)]).toEqual([bytes + 36, bytes]);
  });

  it("keeps the spool when the object store fails", async () => {
    const one = await recorder();
    one.write(0, 8000, constant(1, 800), 800, 0);
    store.failing = true;
    await expect(one.store(two)).rejects.toMatchObject({ code: "store_down" });
    store.failing = false;
    expect(await readdir(join(root, "call"))).toEqual(["leg-0-8000.pcm"]);
    expect((await one.store(two))!.durationMs).toBe(100);
  });

  it("is whole on another machine: what was put into parts comes from there, what was not is heard again", async () => {
    const parts = (): string[] => [...store.objects.keys()].filter((key) => key.includes("/checkpoints/"));
    const first = await recorder({ run: 0 });
    first.write(0, 8000, constant(5, 12_000), 12_000, 0);
    first.write(1, 16000, constant(6, 24_000), 24_000, 8000);
    expect([first.safeToMs(0), first.safeToMs(1)]).toEqual([0, 0]);
    await first.storePart();
    expect([first.safeToMs(0), first.safeToMs(1), first.freshBytes]).toEqual([1500, 2000, 0]);
    first.write(0, 8000, constant(5, 8000), 8000, 12_000);
    await rm(join(root, "call"), { recursive: true });
    expect(parts()).toHaveLength(1);
    const second = new CallRecorder({ ...options, folder: join(root, "elsewhere"), run: 1 });
    await second.open([{ leg: 0, sampleRate: 8000, toMs: 1500 }]);
    // Heard again from a second before: what is kept is not written again.
    second.write(0, 8000, constant(99, 4000), 4000, 8000);
    second.write(0, 8000, constant(5, 8000), 8000, 12_000);
    await second.storePart();
    expect((await second.store(two))!.durationMs).toBe(2500);
    const { pcm } = stored();
    const left = pcm.filter((_, i) => i % 2 === 0);
    expect(left.subarray(200, 39_800).every((sample) => Math.abs(sample - 5) <= 1)).toBe(true);
    await second.deleteParts();
    expect(parts()).toEqual([]);
    await second.discard();
  });

  it("fills in from the event log what the disk had refused", async () => {
    const folder = join(root, "away");
    const one = await recorder({ folder });
    await rm(folder, { recursive: true });
    one.write(0, 8000, constant(3, 8192), 8192, 0);
    await one.flush();
    expect([one.missingMs, one.canRefill, one.safeToMs(0)]).toEqual([1024, false, 0]);
    await mkdir(folder);
    one.write(0, 8000, constant(3, 8192), 8192, 8192);
    await one.flush();
    expect([one.canRefill, one.safeToMs(0)]).toEqual([true, 0]);
    one.refill(0, 8000, constant(3, 16_384), 16_384, 0);
    await one.flush();
    expect([one.missingMs, one.canRefill, one.safeToMs(0), one.omittedMs]).toEqual([0, false, 2048, 0]);
    await one.store([two[0]!]);
    expect(stored().pcm.every((sample) => sample === 3)).toBe(true);
  });
});

describe("folder of a call in the spool", () => {
  it("cannot be led elsewhere by an id", () => {
    for (const id of ["../../etc", "..", "a/b", "a\\b", "x".repeat(500), "a~b"]) {
      const name = folderName("tenant", id);
      expect(name).not.toMatch(/[/\\]|\.\./);
      expect(name.length).toBeLessThan(256);
    }
    expect(folderName("a", "b")).not.toBe(folderName("a", "c"));
  });
});
