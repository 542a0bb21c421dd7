/** One process owns a chDB directory: two engines on the same files would corrupt them. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";

const fileName = "earshot.lock";
const heldHere = new Set<string>();

/**
 * Claims the directory for this process; a lock left by a process that no longer lives is taken over.
 * @returns how to give it back
 * @throws EarshotError conflict, naming the owner
 */
export function claimDataDirectory(directory: string): () => void {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, fileName);
  const mine = `${process.pid} ${hostname()}\n`;
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(path, mine, { flag: "wx" });
      break;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST" || attempt > 2)
        throw new EarshotError("unavailable", "data_directory_unusable", "The column store's directory cannot be written.", {
          remedy: `Look at the rights and the free space of ${directory}.`,
          cause,
        });
      const owner = ownerOf(path);
      if (owner !== undefined && isAlive(path, owner))
        throw new EarshotError(
          "conflict",
          "data_directory_in_use",
          `Process ${owner.pid} on ${owner.host} uses the column store in ${directory}.`,
          {
            remedy: "Stop that process first (one process owns a data directory), or use another EARSHOT_DATA_DIR.",
            details: { pid: owner.pid },
            cause,
          },
        );
      rmSync(path, { force: true });
    }
  }
  heldHere.add(path);
  return () => {
    heldHere.delete(path);
    if (ownerOf(path)?.pid === process.pid) rmSync(path, { force: true });
  };
}

function ownerOf(path: string): { pid: number; host: string } | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  const [pid, host = ""] = text.trim().split(" ");
  return { pid: Number(pid), host };
}

/**
 * Of another host name: a container that was made anew over the same volume, so its process is gone. Of our own number but not held
 * by us: a former life, since numbers begin again in a new container.
 */
function isAlive(path: string, owner: { pid: number; host: string }): boolean {
  if (owner.host !== hostname() || !(owner.pid > 0)) return false;
  if (owner.pid === process.pid) return heldHere.has(path);
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
