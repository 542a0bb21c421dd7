/** The disk fills up while a call is up, in the product as one process: event log, spool and recordings lie on it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { placeDemoCall } from "../demo-pbx/demo-call.ts";
import { callReader } from "../testing/call-reader.ts";
import { eventually, startEarshot } from "../testing/earshot-process.ts";
import { sharedByTests } from "../testing/shared-by-tests.ts";
import { expectWhole } from "./whole-call.ts";

const diskMegabytes = 32;

/** A small disk of its own in memory. @returns where it lies */
function mountDisk(): string {
  const folder = mkdtempSync(join(tmpdir(), "earshot-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskMegabytes}m`, "earshot-test", folder], { stdio: "pipe" });
    return folder;
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
}

function unmountDisk(folder: string): void {
  execFileSync("umount", ["-l", folder]);
  rmdirSync(folder);
}

/** @returns why there can be no disk: a right of the machine, which no installation gives, so that it is skipped */
function diskMissing(): string {
  try {
    unmountDisk(mountDisk());
    return "";
  } catch (error) {
    return `no file system can be mounted here: ${(error as Error).message.split("\n")[0]}`;
  }
}

const missing = diskMissing();
const scenario = "sale";
const seconds = 30;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(missing !== "")(`disk full ${missing}`, () => {
  const shared = sharedByTests(async (ends) => {
    const disk = ends.adopt(mountDisk(), unmountDisk);
    const earshot = await startEarshot({
      env: {
        EARSHOT_ASR: "pocketsphinx",
        EARSHOT_EVENT_LOG: `embedded:${join(disk, "log")}`,
        EARSHOT_OBJECT_STORE: `file:${join(disk, "objects")}`,
        EARSHOT_SPOOL_DIR: join(disk, "spool"),
        EARSHOT_INSIGHTS_END_GRACE_MS: "3000",
      },
    });
    ends.defer(async () => void (await earshot.stop()));
    return { disk, earshot };
  });

  test("new calls are refused and told why, the call that is up goes on; with room again everything of it is there", async () => {
    const { disk, earshot } = shared();
    const place = (length = seconds) =>
      placeDemoCall({ scenario, seconds: length, codec: "PCMU", recorder: { address: "127.0.0.1", port: earshot.sipPort } });
    const readiness = async () => (await (await earshot.request("/readyz")).json()) as { ready: boolean; reasons: string[] };
    const calls = callReader((path) => earshot.request(path));
    const call = await place();
    const [up] = await eventually(calls.calls, (all) => all.length > 0, 10_000);
    // Words that are there when the disk fills; how soon they are is the engine's affair.
    await eventually(
      () => calls.transcript(up!.id),
      (segments) => segments.length > 0,
      15_000,
    );
    const filler = join(disk, "filler");
    onTestFinished(() => rmSync(filler, { force: true }));
    // More than there is room for, since the product writes meanwhile.
    expect(() => writeFileSync(filler, new Uint8Array(diskMegabytes * 1024 * 1024))).toThrow(/ENOSPC/);

    const full = await eventually(
      readiness,
      ({ ready, reasons }) => !ready && reasons.some((reason) => /event log is down.*Free space/.test(reason)),
      10_000,
    );
    expect(full.reasons.length).toBeGreaterThan(0);
    await expect(place()).rejects.toMatchObject({
      category: "unavailable",
      message: expect.stringContaining("Nothing Can Be Recorded Now"),
    });
    // What was captured is there to read.
    const [live] = (await calls.calls()).filter(({ endedAt }) => endedAt === null);
    expect((await calls.transcript(live!.id)).length).toBeGreaterThan(0);

    await call.ended;
    // It ended on a full disk: its recording waits there.
    await pause(3000);
    expect((await earshot.request(`/api/v1/calls/${live!.id}/recording`)).status).not.toBe(200);
    rmSync(filler);

    const [record] = await calls.settled(1, 60_000);
    expect(record!.termination).toBe("bye");
    // The log was not handed on while it could not be written.
    await expectWhole(calls, record!, { scenario, seconds, mayBeCut: true });
    await eventually(readiness, ({ ready, reasons }) => ready && reasons.length === 0, 30_000);
    const next = await place(1);
    expect(next.sipCallId).not.toBe("");
    await next.ended;
  }, 180_000);
});
