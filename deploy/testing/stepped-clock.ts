/**
 * A wall clock that a test sets for some processes, with libfaketime; their monotonic clock stays the machine's.
 *
 *     const clock = createSteppedClock(folder);      // steppedClockMissing() says why there can be none here
 *     spawn("node", ["server.ts"], { env: { ...process.env, ...clock.env } })
 *     clock.step(2 * 3_600_000);                     // for all of them, within a second
 */
import { globSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type SteppedClock = {
  readonly env: Readonly<Record<string, string>>;
  /** How far the wall clock is before the machine's from now on, milliseconds; negative = behind. */
  step(ms: number): void;
};

const library = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1")[0];

/** @returns why there can be none here, empty where there can. @throws Error instead with REQUIRE_SERVERS=1 */
export function steppedClockMissing(): string {
  if (library !== undefined) return "";
  const missing = "libfaketime is not installed (Debian: libfaketime)";
  if (process.env.REQUIRE_SERVERS === "1") throw new Error(`REQUIRE_SERVERS=1, but ${missing}`);
  return missing;
}

/** @param folder where the file lies that tells the processes their time */
export function createSteppedClock(folder: string): SteppedClock {
  const file = join(folder, "clock");
  const step = (ms: number): void => {
    // Whole or not at all: it is read every second.
    writeFileSync(`${file}.new`, `${ms < 0 ? "-" : "+"}${Math.abs(ms) / 1000}\n`);
    renameSync(`${file}.new`, file);
  };
  step(0);
  return {
    env: {
      LD_PRELOAD: library ?? "",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
    step,
  };
}
