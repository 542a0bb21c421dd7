/** One process per data directory: a second writer would tear the first one's files. */
import { readFileSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";

/** A process for ever: its pid, and what tells it from a later process with the same pid (Linux: boot and start time). */
function identity(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return `${pid} ${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()} ${startTime}`;
  } catch {
    try {
      process.kill(pid, 0);
      return `${pid}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? `${pid}` : undefined;
    }
  }
}

/**
 * Takes the directory for this process. A lock whose holder is gone is taken over.
 * @returns gives it back
 * @throws EarshotError conflict where a live process (this one included) holds it
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, "LOCK");
  const mine = `${identity(process.pid) ?? process.pid}`;
  for (let attempt = 0; ; attempt++) {
    try {
      const handle = await open(path, "wx", 0o640);
      await handle.writeFile(mine);
      await handle.close();
      return () => rm(path, { force: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
      const holder = (await readFile(path, "utf8").catch(() => "")).trim();
      const pid = Number(holder.split(" ")[0]);
      if (attempt > 0 || (holder !== "" && identity(pid) === holder))
        throw new EarshotError("conflict", "data_directory_in_use", "Another process uses this data directory.", {
          remedy: "Stop the other process, or set EARSHOT_DATA_DIR to another directory.",
          details: { pid },
          cause,
        });
      await rm(path, { force: true });
    }
  }
}
