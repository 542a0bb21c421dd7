/** Memory as the kernel sees it, from /proc of the process under test (Linux): bytes and counts by name. */
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Figures } from "./inside-figures.ts";

export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

/**
 * Resident bytes by kind of mapping, threads and open files. Pages of mapped files (the engine's library alone has some 200 MiB) are the page
 * cache's: they count as resident, and the kernel takes them back when it needs them.
 */
export function outsideFigures(pid: number): Figures {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const figures: Figures = {
    threads: Number(/Threads:\s+(\d+)/.exec(status)?.[1]),
    files: readdirSync(`/proc/${pid}/fd`).length,
  };
  const names = { VmRSS: "resident", RssAnon: "resident.anonymous", RssFile: "resident.files", RssShmem: "resident.shared" };
  for (const [field, name] of Object.entries(names)) figures[name] = Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  let mapping = "";
  for (const line of readFileSync(`/proc/${pid}/smaps`, "utf8").split("\n")) {
    const header = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ *(.*)$/.exec(line);
    if (header !== null) {
      const [, from, to, path] = header as unknown as [string, string, string, string];
      mapping = path === "" ? anonymous(Number.parseInt(from, 16), Number.parseInt(to, 16)) : path.startsWith("[") ? path : basename(path);
      continue;
    }
    const kB = Number(/^Rss:\s+(\d+) kB/.exec(line)?.[1] ?? 0);
    if (kB > 0) figures[`mapping.${mapping}`] = (figures[`mapping.${mapping}`] ?? 0) + kB * 1024;
  }
  return figures;
}

const v8PageBytes = 256 * 1024;
const arenaBytes = 64 * 1024 * 1024;

/**
 * Told by where they begin: V8's heap is of pages of this size, those that it keeps for later among them, which its own figures leave out; glibc's
 * arenas but the first ("[heap]") begin at multiples of their greatest size. The rest is the engine's allocator, mostly.
 */
function anonymous(from: number, to: number): string {
  if (from % v8PageBytes === 0 && (to - from) % v8PageBytes === 0 && to - from <= 4 * v8PageBytes) return "anonymous.v8";
  return from % arenaBytes === 0 ? "anonymous.malloc" : "anonymous";
}
