/** The event log that EARSHOT_EVENT_LOG names. */
import { join, resolve } from "node:path";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { EventLogSettings, PlatformSettings } from "../settings.ts";
import { createEmbeddedEventLog } from "./embedded.ts";
import { createKafkaEventLog } from "./kafka/kafka.ts";
import type { EventLog } from "./port.ts";

export type OpenEventLogOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly settings: EventLogSettings & Pick<PlatformSettings, "eventLog" | "dataDir">;
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
