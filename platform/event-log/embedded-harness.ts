/** The embedded event log for contract tests: a folder of its own, and a crash made by leaving the old instance for a copy of its files. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock/clock.ts";
import { silentLog } from "../log/log.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { defaultPlatformSettings, type EventLogSettings } from "../settings.ts";
import { contractLimits, type EventLogHarness } from "./contract.ts";
import { createEmbeddedEventLog } from "./embedded.ts";
import type { EventLog } from "./port.ts";

export async function makeEmbeddedHarness(settings: Partial<EventLogSettings> = {}): Promise<EventLogHarness> {
  const directories: string[] = [];
  let log: EventLog;
  const fresh = async (): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), "earshot-event-log-"));
    directories.push(directory);
    return directory;
  };
  const open = async (directory: string): Promise<EventLog> => {
    const made = createEmbeddedEventLog({
      directory,
      clock: systemClock,
      log: silentLog,
      metrics: createMetrics(),
      settings: { ...defaultPlatformSettings(), ...contractLimits, ...settings },
    });
    await made.start();
    return made;
  };
  const first = await open(await fresh());
  log = first;
  const opened = [first];
  return {
    log: first,
    async restart() {
      await log.stop(1000);
      log = await open(directories.at(-1)!);
      opened.push(log);
      return log;
    },
    async crash() {
      const from = directories.at(-1)!;
      const to = await fresh();
      await cp(from, to, { recursive: true });
      // Its holder would be dead.
      await rm(join(to, "LOCK"), { force: true });
      log = await open(to);
      opened.push(log);
      return log;
    },
    async dispose() {
      for (const one of opened) await one.stop(50);
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
    },
  };
}
