/** The event log that EARSHOT_EVENT_LOG names. */
import { join, resolve } from "node:path";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import type { EventLogSettings, PlatformSettings } from "../settings.ts";
import { createEmbeddedEventLog } from "./embedded.ts";
import { createKafkaEventLog } from "./kafka/kafka.ts";
import type { EventLog } from "./port.ts";
import { createSpoolingEventLog, spoolHeaderBytes } from "./spooling.ts";

export type OpenEventLogOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly settings: EventLogSettings & Pick<PlatformSettings, "eventLog" | "dataDir" | "spoolBytes">;
};

/** More than one process may stand on it. */
export function isSharedEventLog(url: string): boolean {
  return !url.startsWith("embedded:");
}

/** @throws EarshotError invalid_request where the URL is not one of its adapter's */
export function openEventLog({ settings, ...rest }: OpenEventLogOptions): EventLog {
  const url = settings.eventLog;
  if (isSharedEventLog(url)) return createKafkaEventLog({ ...rest, settings, url });
  const folder = url.slice(url.indexOf(":") + 1);
  const directory = folder === "" ? join(resolve(settings.dataDir), "event-log") : resolve(folder);
  return createEmbeddedEventLog({ ...rest, settings, directory });
}

/**
 * The same; where it is shared, what is written while it is away goes to a spool under EARSHOT_DATA_DIR.
 * @throws EarshotError as openEventLog
 */
export function openSpoolingEventLog(options: OpenEventLogOptions): EventLog {
  const log = openEventLog(options);
  const { settings, clock, metrics } = options;
  if (!isSharedEventLog(settings.eventLog)) return log;
  const spool = createEmbeddedEventLog({
    directory: join(resolve(settings.dataDir), "event-log-spool"),
    clock,
    log: options.log,
    // Its figures are the decorator's; under the event log's own names they would count everything twice.
    metrics: createMetrics(),
    settings: { ...settings, maxRecordBytes: settings.maxRecordBytes + spoolHeaderBytes },
  });
  return createSpoolingEventLog({
    log,
    spool,
    clock,
    logger: options.log,
    metrics,
    maxBytes: settings.spoolBytes,
    maxRecordBytes: settings.maxRecordBytes,
    retryMs: settings.retryFirstMs,
  });
}
