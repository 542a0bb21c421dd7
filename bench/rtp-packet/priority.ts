/**
 * All that takes part in the measurement runs before the rest of the machine, alike: a receiver that has to wait for the processor reads its
 * packets in heaps, and heaps are cheaper. Where real-time scheduling is not permitted, everything runs as it may, and the bench says so.
 */
import { spawnSync } from "node:child_process";

const scheduler = ["chrt", "--rr", "10"] as const;

let permitted: boolean | undefined;

/** @returns the command line to put before a program's own; empty where it is not permitted */
export function ahead(): readonly string[] {
  permitted ??= spawnSync(scheduler[0], [...scheduler.slice(1), "true"]).status === 0;
  return permitted ? scheduler : [];
}
