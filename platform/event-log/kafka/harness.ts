/** The Kafka event log for contract tests: one broker for all, a prefix of its own for each. */
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../../clock/clock.ts";
import { silentLog } from "../../log/log.ts";
import { createMetrics } from "../../metrics/metrics.ts";
import { defaultPlatformSettings, type EventLogSettings } from "../../settings.ts";
import { contractLimits, type EventLogHarness } from "../contract.ts";
import type { EventLog } from "../port.ts";
import type { KafkaBroker } from "../testing/kafka-broker.ts";
import { createKafkaEventLog } from "./kafka.ts";

/** Not started. */
export function makeOn(url: string, settings: Partial<EventLogSettings> = {}, clock: Clock = systemClock): EventLog {
  return createKafkaEventLog({
    url,
    clock,
    log: silentLog,
    metrics: createMetrics(),
    settings: {
      ...defaultPlatformSettings(),
      ...contractLimits,
      kafkaPartitions: 1,
      kafkaSessionMs: 2000,
      // Checks publish one record after the other.
      kafkaIntervalMs: 2,
      offsetIntervalMs: 100,
      ...settings,
    },
  });
}

/** Started. */
export async function openOn(url: string, settings: Partial<EventLogSettings> = {}): Promise<EventLog> {
  const made = makeOn(url, settings);
  await made.start();
  return made;
}

export async function makeKafkaHarness(broker: KafkaBroker): Promise<EventLogHarness> {
  const url = `${broker.url}/${randomUUID().slice(0, 8)}`;
  const first = await openOn(url);
  let log = first;
  return {
    log: first,
    async restart() {
      await log.stop(5000);
      log = await openOn(url);
      return log;
    },
    async crash() {
      // Out of time: what is in hand is not waited for, what is handled and not stored stays so.
      await log.stop(0);
      log = await openOn(url);
      return log;
    },
    async dispose() {
      await log.stop(0);
      await first.stop(0);
    },
  };
}
