/** One process per data directory: a second writer would tear the first one's files. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";

const heldHere = new Set<string>();

/** A process for ever: its pid, and what tells it from a later process with the same pid (Linux: boot and start time). */
function identity(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return `${pid} ${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()} ${startTime}`;
  } catch {
    if (!(pid > 0)) return undefined;
    try {
      process.kill(pid, 0);
      return `${pid}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? `${pid}` : undefined;
    }
  }
}

/** Where only the pid is known, our own may be a former life's: numbers begin again in a new container. */
function isHeld(path: string, holder: string): boolean {
  const pid = Number(holder.split(" ")[0]);
  if (holder === "" || identity(pid) !== holder) return false;
  return holder.includes(" ") || pid !== process.pid || heldHere.has(path);
}

/**
 * Takes the directory for this process, and makes it where it is missing. A lock whose holder is gone is taken over.
 * @returns gives it back
 * @throws EarshotError conflict where a live process (this one included) holds it, unavailable where the directory cannot be written
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, "LOCK");
  const mine = identity(process.pid) ?? `${process.pid}`;
  for (let attempt = 0; ; attempt++) {
    try {
      mkdirSync(directory, { recursive: true });
      writeFileSync(path, mine, { flag: "wx", mode: 0o640 });
      break;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST")
        throw new EarshotError("unavailable", "data_directory_unusable", "A data directory cannot be written.", {
          remedy: `Look at the rights and the free space of ${directory}.`,
          cause,
        });
      const holder = holderOf(path);
      if (attempt > 2 || isHeld(path, holder)) {
        const pid = Number(holder.split(" ")[0]);
        throw new EarshotError("conflict", "data_directory_in_use", `Process ${pid} uses the data directory ${directory}.`, {
          remedy: "Stop that process first (one process owns a data directory), or set EARSHOT_DATA_DIR to another directory.",
          details: { pid },
          cause,
        });
      }
      rmSync(path, { force: true });
    }
  }
  heldHere.add(path);
  return () => {
    heldHere.delete(path);
    if (holderOf(path) === mine) rmSync(path, { force: true });
  };
}

function holderOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
