/** Gets pocketsphinx from Debian's or Ubuntu's own packages, where the start may do that. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Log } from "@earshot/platform/log/log.ts";
import type { RecogniserSettings } from "../settings.ts";
import { findInstallation } from "./find-installation.ts";

const packages = ["libpocketsphinx3", "pocketsphinx-en-us"];
const timeLimitMs = 120_000;

/** @returns the exit code; 124 = out of time, 127 = could not be run */
export type RunCommand = (command: string, args: readonly string[], timeLimitMs: number) => Promise<number>;

export type InstallDeps = {
  readonly settings: RecogniserSettings;
  readonly log: Log;
  /** What people see while it runs. */
  say?(line: string): void;
  /** For tests. */
  run?: RunCommand;
  isRoot?(): boolean;
  osRelease?(): string;
};

export type InstallOutcome = "already there" | "not wanted" | "not possible" | "installed" | "failed";

/**
 * Installs libpocketsphinx3 and its US English model where they are missing, EARSHOT_ASR may need them, EARSHOT_ASR_INSTALL allows it,
 * and this is root on Debian or Ubuntu. At most 120 s in all. Never throws: the start goes on without.
 */
export async function installPocketsphinx(deps: InstallDeps): Promise<InstallOutcome> {
  const { settings, log } = deps;
  const run = deps.run ?? runCommand;
  const say = deps.say ?? ((line: string) => process.stderr.write(`${line}\n`));
  const found = () => !("missing" in findInstallation({ library: settings.pocketsphinxLibraryDir, model: settings.pocketsphinxModelDir }));
  if (found()) return "already there";
  if (!settings.asrInstall || !isWanted(settings)) return "not wanted";
  const root = deps.isRoot?.() ?? process.getuid?.() === 0;
  if (!root || !isDebian((deps.osRelease ?? readOsRelease)())) return "not possible";

  say(
    `No speech engine here: installing ${packages.join(" and ")} with apt-get (at most two minutes; EARSHOT_ASR_INSTALL=false prevents it) ...`,
  );
  const deadline = Date.now() + timeLimitMs;
  const left = () => Math.max(1, deadline - Date.now());
  const install = () => run("apt-get", ["install", "-y", "--no-install-recommends", ...packages], left());
  let code = await install();
  // A fresh image has no package lists; asking first whether they are needed saves the usual case a minute.
  if (code !== 0 && Date.now() < deadline && (await run("apt-get", ["update"], left())) === 0) code = await install();
  if (code === 0 && found()) {
    say("pocketsphinx is installed.");
    log.info({ packages }, "pocketsphinx installed");
    return "installed";
  }
  say(`apt-get could not install it (exit ${code}). Earshot starts without; later: apt-get install ${packages.join(" ")}`);
  log.warn({ code, packages }, "pocketsphinx could not be installed");
  return "failed";
}

/** `auto` wants it only where nothing better is set. */
function isWanted(settings: RecogniserSettings): boolean {
  const names = settings.asr.split(",").map((name) => name.trim().toLowerCase());
  if (names.includes("pocketsphinx")) return true;
  const better = [
    settings.openaiApiKey,
    settings.openaiBaseUrl,
    settings.huggingfaceToken,
    settings.huggingfaceEndpoint,
    settings.whisperModelDir,
  ];
  return (names.includes("auto") || settings.asr === "") && better.every((given) => given === "");
}

function isDebian(osRelease: string): boolean {
  const ids = [...osRelease.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap((match) => match[1]!.split(" "));
  return ids.includes("debian") || ids.includes("ubuntu");
}

function readOsRelease(): string {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch {
    return "";
  }
}

const runCommand: RunCommand = (command, args, limitMs) =>
  new Promise((resolve) => {
    const child = spawn(command, [...args], {
      stdio: "ignore",
      timeout: limitMs,
      killSignal: "SIGTERM",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    child.once("error", () => resolve(127));
    child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 124));
  });
