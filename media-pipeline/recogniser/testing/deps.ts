/** What engines are made with, for tests: default settings, a silent log, real time. */
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import type { EngineDeps } from "../engine.ts";
import { type RecogniserSettings, recogniserSettings } from "../settings.ts";

export function engineDeps(settings: Partial<RecogniserSettings> = {}, dataDir = ""): EngineDeps {
  const defaults = Object.fromEntries(Object.entries(recogniserSettings).map(([name, spec]) => [name, spec.default])) as RecogniserSettings;
  return { settings: { ...defaults, ...settings }, log: silentLog, metrics: createMetrics(), clock: systemClock, dataDir };
}
