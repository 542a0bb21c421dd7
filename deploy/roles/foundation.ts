/** What every role stands on: clock, log, metrics, event log, object store. One per process, however many roles it runs. */
import { resolve } from "node:path";
import { type Clock, systemClock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import { openEventLog, openSpoolingEventLog } from "@earshot/platform/event-log/open.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { createMetrics, type Metrics } from "@earshot/platform/metrics/metrics.ts";
import { openObjectStore } from "@earshot/platform/object-store/open.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { watchObjectStore } from "@earshot/platform/object-store/watched.ts";
import type { PartHealth } from "@earshot/platform/operations/health.ts";
import { topicsWithMedia } from "@earshot/proto/topics.ts";
import type { allSettings } from "../settings.ts";

export type Settings = { readonly [K in keyof typeof allSettings]: SettingsOf<(typeof allSettings)[K]> };

export type Foundation = {
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly version: string;
  readonly dataDir: string;
  readonly eventLog: EventLog;
  readonly objectStore: ObjectStore;
  /** In start order, before every role's. */
  readonly components: readonly Component[];
  readonly adapters: Readonly<Record<string, string>>;
  health(): readonly PartHealth[];
};

export type FoundationOptions = {
  readonly settings: Settings;
  readonly log: Log;
  readonly version: string;
  /** What is written goes to this machine's disk while a shared event log is away: for a process whose calls cannot wait. */
  readonly spools: boolean;
  /** Recordings are written or read here. Where they are not, an object store that is away is nothing to this process. */
  readonly usesObjects: boolean;
};

/** Builds; starts nothing. */
export function buildFoundation({ settings, log, version, spools, usesObjects }: FoundationOptions): Foundation {
  const clock = systemClock;
  const metrics = createMetrics({ defaults: true });
  const dataDir = resolve(settings.platform.dataDir);
  const open = spools ? openSpoolingEventLog : openEventLog;
  const eventLog = open({ clock, log, metrics, settings: settings.platform });
  const objectStore = watchObjectStore(openObjectStore({ settings: settings.platform, dataDir, clock, log }), clock);
  const objectHealth = (): PartHealth =>
    objectStore.fault === undefined
      ? { part: "object store", state: "up", detail: "" }
      : { part: "object store", state: "degraded", detail: `recordings wait: ${objectStore.fault}` };
  return {
    settings,
    log,
    metrics,
    clock,
    version,
    dataDir,
    eventLog,
    objectStore,
    components: [
      eventLog,
      {
        name: "topics",
        start: () => eventLog.declare(topicsWithMedia(settings.platform.mediaRetentionMiB * 1024 * 1024)),
        stop: async () => {},
      },
      ...(usesObjects ? [objectStore] : []),
    ],
    adapters: {
      "event log": withoutPassword(settings.platform.eventLog),
      ...(usesObjects ? { "object store": settings.platform.objectStore } : {}),
    },
    health: () => [{ part: "event log", ...eventLog.health() }, ...(usesObjects ? [objectHealth()] : [])],
  };
}

/** An adapter's URL as it may be printed: a password stands before the last @ of the host, or among the parameters. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, "//***@").replace(/([?&]\w*password=)[^&#]*/gi, "$1***");
}
