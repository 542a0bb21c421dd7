/** A spooling event log for tests: over any log, with a spool in a folder of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock/clock.ts";
import { type Log, silentLog } from "../log/log.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { defaultPlatformSettings } from "../settings.ts";
import { contractLimits, type EventLogHarness } from "./contract.ts";
import { createEmbeddedEventLog } from "./embedded.ts";
import { makeEmbeddedHarness } from "./embedded-harness.ts";
import type { EventLog } from "./port.ts";
import { createSpoolingEventLog } from "./spooling.ts";

/** Not started. */
export function spoolOver(log: EventLog, directory: string, maxBytes = 16 * 1024 * 1024, logger: Log = silentLog): EventLog {
  const metrics = createMetrics();
  const settings = { ...defaultPlatformSettings(), retryFirstMs: 20, retryMaxMs: 200 };
  const spool = createEmbeddedEventLog({ directory, clock: systemClock, log: silentLog, metrics, settings });
  return createSpoolingEventLog({
    log,
    spool,
    clock: systemClock,
    logger,
    metrics: createMetrics(),
    maxBytes,
    maxRecordBytes: contractLimits.maxRecordBytes,
    retryMs: 20,
  });
}

/** @param maxBytes small: the contract expects that there is an end to what is taken */
export async function makeSpoolingHarness(maxBytes = 128 * 1024): Promise<EventLogHarness> {
  const inner = await makeEmbeddedHarness();
  const directories: string[] = [];
  const opened: EventLog[] = [];
  const over = async (log: EventLog): Promise<EventLog> => {
    directories.push(await mkdtemp(join(tmpdir(), "earshot-spool-")));
    const made = spoolOver(log, directories.at(-1)!, maxBytes);
    await made.start();
    opened.push(made);
    return made;
  };
  return {
    log: await over(inner.log),
    holdsBytes: contractLimits.writeBufferBytes + maxBytes,
    async restart() {
      await opened.at(-1)!.stop(1000);
      return over(await inner.restart());
    },
    async crash() {
      return over(await inner.crash());
    },
    async dispose() {
      for (const one of opened) await one.stop(50);
      await inner.dispose();
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
    },
  };
}
