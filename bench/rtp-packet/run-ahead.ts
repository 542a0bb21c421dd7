/** For benches of one process: starts the same script again ahead of the rest of the machine, where that is permitted, and ends with it. */
import { spawnSync } from "node:child_process";
import { ahead } from "./priority.ts";

const mark = "BENCH_RUNS_AHEAD";

/** Returns in the process that measures; prints a line where it may not run ahead. */
export function runAhead(): void {
  if (process.env[mark] !== undefined) return;
  const [command, ...before] = ahead();
  if (command === undefined) {
    console.log("not permitted to run ahead of other programs: figures hold for an idle machine only");
    return;
  }
  const again = [...before, process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.exit(spawnSync(command, again, { stdio: "inherit", env: { ...process.env, [mark]: "1" } }).status ?? 1);
}
