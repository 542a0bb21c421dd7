import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@earshot/platform/log/log.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RecogniserSettings } from "../settings.ts";
import { engineDeps } from "../testing/deps.ts";
import { installPocketsphinx } from "./install.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "earshot-install-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function appear(): void {
  mkdirSync(join(folder, "en-us"), { recursive: true });
  for (const name of ["libpocketsphinx.so.3", "libsphinxbase.so.3", "en-us.lm.bin", "cmudict-en-us.dict", "en-us/mdef"])
    writeFileSync(join(folder, name), "");
}

/** @param codes exit codes of the commands in turn; the installation appears with the first install that exits 0 */
async function install(codes: number[], more: { settings?: Partial<RecogniserSettings>; root?: boolean; osRelease?: string } = {}) {
  const ran: string[] = [];
  const said: string[] = [];
  const outcome = await installPocketsphinx({
    settings: engineDeps({ pocketsphinxLibraryDir: folder, pocketsphinxModelDir: folder, ...more.settings }).settings,
    log: silentLog,
    say: (line) => said.push(line),
    isRoot: () => more.root ?? true,
    osRelease: () => more.osRelease ?? 'NAME="Debian GNU/Linux"\nID=debian\n',
    async run(command, args) {
      ran.push([command, ...args].join(" "));
      const code = codes.shift() ?? 1;
      if (code === 0 && args[0] === "install") appear();
      return code;
    },
  });
  return { outcome, ran, said };
}
const apt = "apt-get install -y --no-install-recommends libpocketsphinx3 pocketsphinx-en-us";

it("does nothing where it is there already", async () => {
  appear();
  expect(await install([])).toMatchObject({ outcome: "already there", ran: [], said: [] });
});

it("installs as root on Debian, and says so first", async () => {
  const { outcome, ran, said } = await install([0]);
  expect([outcome, ran]).toEqual(["installed", [apt]]);
  expect(said[0]).toContain("EARSHOT_ASR_INSTALL=false");
});

it("updates the package lists only where the packages are not found without", async () => {
  expect(await install([100, 0, 0])).toMatchObject({ outcome: "installed", ran: [apt, "apt-get update", apt] });
});

it("goes on without where apt-get fails, and says what to run later", async () => {
  const { outcome, said } = await install([100, 100]);
  expect(outcome).toBe("failed");
  expect(said.at(-1)).toContain("apt-get install libpocketsphinx3 pocketsphinx-en-us");
});

it("believes only the files, not the exit code", async () => {
  expect((await install([100, 0, 100])).outcome).toBe("failed");
});

it("is possible as root on Debian and its kin only", async () => {
  expect((await install([0], { root: false })).outcome).toBe("not possible");
  expect((await install([0], { osRelease: "ID=fedora\n" })).outcome).toBe("not possible");
  expect((await install([0], { osRelease: 'ID=linuxmint\nID_LIKE="ubuntu debian"\n' })).outcome).toBe("installed");
});

it("is wanted by auto without a better engine, or where it is named, unless it is forbidden", async () => {
  for (const settings of [
    { asrInstall: false },
    { asr: "none" },
    { asr: "openai" },
    { openaiApiKey: "k" },
    { whisperModelDir: "/models/x" },
  ])
    expect((await install([0], { settings })).outcome).toBe("not wanted");
  expect((await install([0], { settings: { asr: "openai,pocketsphinx", openaiApiKey: "k" } })).outcome).toBe("installed");
});
