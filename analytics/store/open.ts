/** The stores that EARSHOT_COLUMN_STORE and EARSHOT_RELATIONAL_STORE name. */
import { join } from "node:path";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { type ClickHouseCallStore, createClickHouseCallStore } from "./clickhouse/call-store.ts";
import { createDirectoryStore, type DirectoryStoreOptions, type PostgresDirectoryStore } from "./postgres/directory-store.ts";
import type { postgresSettings } from "./postgres/settings.ts";
import type { storeSettings } from "./settings.ts";

type StoreSettings = SettingsOf<typeof storeSettings>;

/** Not started. @param options `dataDir`: where `chdb:` alone puts its folder; `settles`: see `createClickHouseCallStore` */
export function openCallStore(options: {
  settings: StoreSettings;
  dataDir: string;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  settles?: boolean;
}): ClickHouseCallStore {
  const { dataDir, ...rest } = options;
  const { columnStore } = options.settings;
  return createClickHouseCallStore({ ...rest, url: columnStore === "chdb:" ? `chdb:${join(dataDir, "clickhouse")}` : columnStore });
}

/**
 * Not started. @param options `dataDir`: where `embedded:` alone puts its folder
 * @throws EarshotError invalid_request where the URLs cannot be right
 */
export function openDirectoryStore(
  options: { settings: StoreSettings; postgres: SettingsOf<typeof postgresSettings> } & Pick<
    DirectoryStoreOptions,
    "dataDir" | "log" | "clock" | "onState"
  >,
): PostgresDirectoryStore {
  const { settings, postgres, ...rest } = options;
  return createDirectoryStore({ ...rest, url: settings.relationalStore, ownerUrl: settings.relationalStoreOwner, settings: postgres });
}
