/** A backup restored into a new installation answers as the old one did: calls, words, recording, settings, sign-in. */
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { placeDemoCall } from "../demo-pbx/demo-call.ts";
import { type EarshotProcess, eventually, startEarshot } from "../testing/earshot-process.ts";
import { readManifest } from "./format.ts";

const command = (name: "backup" | "restore", dataDir: string, ...args: string[]) =>
  spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), ...args], {
    env: { ...process.env, EARSHOT_DATA_DIR: dataDir },
    encoding: "utf8",
  });

async function answers(earshot: EarshotProcess): Promise<unknown> {
  const { data } = await earshot.get<{ data: { id: string }[] }>("/api/v1/calls");
  const ids = data.map(({ id }) => id);
  const asked = ["/api/v1/calls", "/api/v1/trunks", "/api/v1/phrase-rules", "/api/v1/extensions"];
  for (const id of ids) asked.push(`/api/v1/calls/${id}`, `/api/v1/calls/${id}/transcript`, `/api/v1/calls/${id}/ledger`);
  const told = await Promise.all(asked.map((path) => earshot.get(path)));
  const recordings = await Promise.all(
    ids.map(async (id) => Buffer.from(await (await earshot.request(`/api/v1/calls/${id}/recording`)).arrayBuffer()).toString("base64")),
  );
  const login = await fetch(`http://127.0.0.1:${earshot.httpPort}/api/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: `http://127.0.0.1:${earshot.httpPort}` },
    body: JSON.stringify({ email: "admin@localhost", password: earshot.password }),
  });
  return { told, recordings, login: login.status };
}

test("backup and restore", async () => {
  const folder = mkdtempSync(join(tmpdir(), "earshot-backup-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [old, fresh, backup] = [join(folder, "old"), join(folder, "fresh"), join(folder, "backup")];
  const before = await startEarshot({ dataDir: old, env: { EARSHOT_ASR: "auto" } });
  let told: unknown;
  try {
    const calls = await Promise.all(
      (["cancellation", "sale"] as const).map((scenario) =>
        placeDemoCall({ scenario, recorder: { address: "127.0.0.1", port: before.sipPort }, seconds: 12 }),
      ),
    );
    await Promise.all(calls.map(({ ended }) => ended));
    await eventually(
      () => before.get<{ data: { stages: Record<string, string> }[] }>("/api/v1/calls"),
      ({ data }) => data.length === 2 && data.every(({ stages }) => !JSON.stringify(stages).match(/running|pending/)),
      60_000,
    );
    expect(command("backup", old, "--to", join(folder, "too-early")).stderr).toMatch(/in use|another/i);
    told = await answers(before);
  } finally {
    await before.stop();
  }
  const made = command("backup", old, "--to", backup);
  expect(made.stderr).toBe("");
  expect(made.stdout).toContain("Backed up 1 tenants and 2 recordings");
  expect(command("backup", old, "--to", backup).stderr).toContain("is not empty");
  expect(command("restore", fresh, "--from", join(folder, "nothing")).stderr).toContain("no finished backup");
  expect(command("restore", old, "--from", backup).stderr).toContain("data in these stores already");

  const restored = command("restore", fresh, "--from", backup);
  expect(restored.stderr).toBe("");
  expect(restored.stdout).toContain("Restored 1 tenants");
  const after = await startEarshot({ dataDir: fresh, env: { EARSHOT_ASR: "none" } });
  try {
    expect(await answers(after)).toEqual(told);
  } finally {
    await after.stop();
  }

  appendFileSync(join(backup, "relational", readManifest(backup).tenants[0]!.id, "trunks.ndjson"), "{}\n");
  expect(command("restore", join(folder, "third"), "--from", backup).stderr).toContain("the backup was made of");
});
