/** A program's day with the product as it runs: a demo call is listed, listened to, paused, resumed and stopped over gRPC by the command. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePorts } from "../cluster/free-ports.ts";
import { placeDemoCall } from "../demo-pbx/demo-call.ts";
import { eventually, startEarshot } from "../testing/earshot-process.ts";

const key = "ear_calls_0123456789abcdef0123456789abcdef";

test("a demo call is listed, heard, paused, resumed and stopped", async () => {
  const [port] = await freePorts(1);
  const env = { EARSHOT_ASR: "none", EARSHOT_GRPC_PORT: String(port), EARSHOT_GRPC_PAGE_CALLS: "1", EARSHOT_ADMIN_API_KEY: key };
  const earshot = await startEarshot({ env });
  const folder = mkdtempSync(join(tmpdir(), "earshot-calls-"));
  const run = (args: string[], env: Record<string, string> = {}) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "main.ts"), ...args],
        { env: { PATH: process.env.PATH, EARSHOT_GRPC_PORT: String(port), EARSHOT_API_KEY: key, ...env } },
        (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
      );
    });
  try {
    expect(await run(["list"])).toEqual({ code: 0, out: "No call is up.\n", err: "" });
    const call = await placeDemoCall({
      scenario: "sale",
      codec: "PCMU",
      recorder: { address: "127.0.0.1", port: earshot.sipPort },
      seconds: 60,
    });
    await placeDemoCall({ scenario: "service", codec: "PCMU", recorder: { address: "127.0.0.1", port: earshot.sipPort }, seconds: 10 });
    // One a page.
    const { out } = await eventually(
      () => run(["list"]),
      (listed) => listed.out.split("attention").length === 3,
      20_000,
    );
    const id = out.split(" ")[0]!;
    const file = join(folder, "heard.wav");
    const listening = run(["listen", id, file]);
    await eventually(
      async () => {
        try {
          return readFileSync(file);
        } catch {
          return Buffer.alloc(0);
        }
      },
      (wav) => wav.byteLength > 64_000,
      20_000,
    );
    expect((await run(["pause", id, "--reason", "card number"])).out).toContain("pause of");
    await eventually(
      () => run(["list"]),
      (listed) => listed.out.includes("paused"),
      10_000,
    );
    expect((await run(["resume", id])).code).toBe(0);
    await eventually(
      () => run(["list"]),
      (listed) => !listed.out.includes("paused"),
      10_000,
    );
    expect((await run(["stop", id, "--reason", "no consent"])).code).toBe(0);
    // The demo PBX has had our BYE; the listener's stream ended with the call.
    await call.ended;
    expect((await listening).code).toBe(0);
    const wav = readFileSync(file);
    expect([wav.toString("latin1", 0, 4), wav.readUInt32LE(4)]).toEqual(["RIFF", wav.byteLength - 8]);
    const heard = wav.subarray(44);
    const loud = new Int16Array(heard.buffer, heard.byteOffset, Math.floor(heard.byteLength / 2)).some((sample) => Math.abs(sample) > 1000);
    expect(loud).toBe(true);
    const answer = await fetch(`http://127.0.0.1:${earshot.httpPort}/api/v1/calls/${id}`, { headers: { authorization: `Bearer ${key}` } });
    expect(await answer.json()).toMatchObject({ termination: "stopped", terminationDetail: expect.stringContaining("no consent") });
    const again = await run(["stop", id]);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("has ended")]);
    const refused = await run(["list"], { EARSHOT_API_KEY: "wrong" });
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("API key")]);
    expect((await run(["list"], { EARSHOT_GRPC_URL: "grpc://127.0.0.1:9" })).code).toBe(1);
    expect((await run(["burn"])).code).toBe(2);
  } finally {
    await earshot.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 180_000);
