/** The three stores of an installation, opened by its settings while no role of it runs on embedded stores. */
import { resolve } from "node:path";
import type { ClickHouseCallStore } from "@earshot/analytics/store/clickhouse/call-store.ts";
import { openCallStore, openDirectoryStore } from "@earshot/analytics/store/open.ts";
import type { PostgresDirectoryStore } from "@earshot/analytics/store/postgres/directory-store.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { type Running, run } from "@earshot/platform/lifecycle/run.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { openObjectStore } from "@earshot/platform/object-store/open.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { allSettings } from "../settings.ts";

export type Stores = {
  readonly directory: PostgresDirectoryStore;
  readonly calls: ClickHouseCallStore;
  readonly objects: ObjectStore;
  close(): Promise<void>;
};

/** @throws EarshotError invalid_request naming every fault of the settings; conflict where a running Earshot owns the data */
export async function openStores(env: NodeJS.ProcessEnv): Promise<Stores> {
  const { values: settings, faults } = readSettings(allSettings, env);
  if (faults.length > 0)
    throw new EarshotError("invalid_request", "bad_settings", faults.map(({ env: name, problem }) => `${name}: ${problem}`).join("; "));
  const dataDir = resolve(settings.platform.dataDir);
  const log = createLog({ level: "warn" });
  const clock = systemClock;
  const metrics = createMetrics();
  const directory = openDirectoryStore({ settings: settings.store, postgres: settings.postgres, dataDir, log, clock });
  const calls = openCallStore({ settings: settings.store, dataDir, log, metrics, clock });
  const objects = openObjectStore({ settings: settings.platform, dataDir, clock, log });
  const running: Running = await run([directory, calls, objects], { log, clock });
  return { directory, calls, objects, close: () => running.stop(30_000) };
}
