/** One process owns a data directory: two would corrupt ClickHouse's and the event log's files. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";

/**
 * Creates the directory and takes its lock; a lock left by a process that is gone is taken over.
 * @returns gives the lock back
 * @throws EarshotError conflict where another process holds it, invalid_request where it cannot be written
 */
export function ownDataDirectory(directory: string): () => void {
  const lock = join(directory, "earshot.lock");
  try {
    mkdirSync(directory, { recursive: true });
  } catch (cause) {
    throw new EarshotError("invalid_request", "data_directory_unusable", `The data directory ${directory} cannot be created.`, {
      cause,
      remedy: "Set EARSHOT_DATA_DIR to a folder that can be written.",
    });
  }
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx", mode: 0o600 });
      return () => rmSync(lock, { force: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST")
        throw new EarshotError("invalid_request", "data_directory_unusable", `The data directory ${directory} cannot be written.`, {
          cause,
          remedy: "Set EARSHOT_DATA_DIR to a folder that can be written.",
        });
      const owner = Number(readFileSync(lock, "utf8"));
      if (attempt > 0 || isEarshot(owner))
        throw new EarshotError("conflict", "data_directory_in_use", `The data directory ${directory} is in use by process ${owner}.`, {
          remedy: "Stop that process, or set another EARSHOT_DATA_DIR (and other ports).",
        });
      rmSync(lock, { force: true });
    }
  }
}

/** Alive, and not merely the same number given to another program since. */
function isEarshot(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("node");
  } catch {
    return true;
  }
}
