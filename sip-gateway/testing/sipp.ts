/** Runs sipp, an independent SIP implementation, from a scenario of ours against a port on loopback. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

export function sippInstalled(): boolean {
  try {
    execFileSync("sipp", ["-v"], { stdio: "ignore" });
    return true;
  } catch (error) {
    // sipp -v prints its version and exits with a code of its own.
    return (error as { code?: string }).code !== "ENOENT";
  }
}

export type SippRun = {
  /** File of the scenario. */
  readonly scenario: string;
  readonly transport: "udp" | "tcp";
  readonly port: number;
  readonly calls: number;
  /** Calls per second; 20 where it is not given. */
  readonly rate?: number;
  readonly seconds: number;
};

/** @returns exit code of sipp, 0 when every call went as the scenario says, and what it complained about */
export async function runSipp({
  scenario,
  transport,
  port,
  calls,
  rate = 20,
  seconds,
}: SippRun): Promise<{ code: number; errors: string }> {
  const directory = mkdtempSync(join(tmpdir(), "earshot-sipp-"));
  // Its own default is 5060.
  const args = ["-sf", scenario, "-t", transport === "udp" ? "u1" : "t1", "-i", "127.0.0.1", "-p", String(await freePort())];
  args.push("-m", String(calls), "-r", String(rate), "-timeout", `${seconds}s`, "-nostdin", "-trace_err", `127.0.0.1:${port}`);
  const sipp = spawn("sipp", args, { cwd: directory, stdio: "ignore", env: { ...process.env, TERM: "dumb" } });
  const code = await new Promise<number>((resolve) => sipp.once("exit", (status) => resolve(status ?? -1)));
  const errors = readdirSync(directory).map((file) => readFileSync(join(directory, file), "utf8").slice(0, 2000));
  rmSync(directory, { recursive: true });
  return { code, errors: errors.join("\n") };
}
