/** A store at a URL as the contract's checks want it: with a clock that they turn, and a restart that they do not notice. */
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { type ClickHouseCallStore, createClickHouseCallStore } from "../call-store.ts";
import type { ColumnStoreSettings } from "../connection.ts";
import type { ContractSubject } from "../contract.ts";

/** Not started. */
export function storeSubject(
  url: string,
  settings: ColumnStoreSettings,
  clock = new ManualClock(),
): ContractSubject & { readonly started: ClickHouseCallStore } {
  const make = () => createClickHouseCallStore({ url, log: silentLog, metrics: createMetrics(), clock, settings });
  let current = make();
  // A restart must not leave a check with a store that is closed.
  const store = new Proxy({} as ClickHouseCallStore, { get: (_, name) => Reflect.get(current, name) });
  return {
    store,
    started: store,
    clock,
    async restart() {
      await current.stop(1000);
      current = make();
      await current.start();
    },
    maintain: () => current.settle(),
  };
}
