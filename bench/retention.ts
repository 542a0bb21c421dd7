/**
 * What taking calls away costs: a batch of a tenant's oldest calls (2,000, as a sweep takes them) out of many, beside the time the same calls
 * take to be found, and what it costs to take them off the disk at the end of the day.
 * Options: --calls N in all (default 1,000,000), of ten tenants; --batches N (default 5).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seedLarge } from "@earshot/analytics/seed/large.ts";
import { createClickHouseCallStore } from "@earshot/analytics/store/clickhouse/call-store.ts";
import { storeSettings } from "@earshot/analytics/store/settings.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { tenantId } from "@earshot/proto/ids.ts";

const { values } = parseArgs({ options: { calls: { type: "string", default: "1000000" }, batches: { type: "string", default: "5" } } });
const calls = Number(values.calls);
const batchCalls = 2000;
const directory = await mkdtemp(join(tmpdir(), "earshot-bench-retention-"));
const settings = readSettings({ store: storeSettings }, { EARSHOT_COLUMN_STORE_QUERY_SECONDS: "600" }).values.store;
const store = createClickHouseCallStore({
  url: `chdb:${directory}`,
  log: silentLog,
  metrics: createMetrics(),
  clock: systemClock,
  settings,
  settles: false,
});
await store.start();
try {
  const dayMs = 86_400_000;
  await seedLarge(
    store.connection(),
    { calls, tenants: Array.from({ length: 10 }, (_, i) => `tenant-${i}`), days: 90, firstDayMs: Date.now() - 90 * dayMs },
    () => {},
  );
  const [row] = await store.connection().query<{ tenant: string }>("SELECT tenant FROM calls GROUP BY tenant ORDER BY tenant LIMIT 1", {});
  const tenant = tenantId(row!.tenant);
  const timed = async <T>(work: () => Promise<T>): Promise<[T, number]> => {
    const from = performance.now();
    return [await work(), performance.now() - from];
  };
  for (let i = 0; i < Number(values.batches); i++) {
    const [expired, foundMs] = await timed(() => store.expiredCalls(tenant, Date.now(), batchCalls));
    const cpu = process.cpuUsage();
    const [, deletedMs] = await timed(() =>
      store.deleteCalls(
        tenant,
        expired.map(({ callId }) => callId),
      ),
    );
    const { user, system } = process.cpuUsage(cpu);
    const perCall = (user + system) / expired.length;
    console.log(
      `batch ${i + 1}: ${expired.length} of ${calls} calls found in ${foundMs.toFixed(0)} ms, deleted in ${deletedMs.toFixed(0)} ms ` +
        `(${(deletedMs / foundMs).toFixed(1)} x), ${perCall.toFixed(0)} us CPU per call`,
    );
  }
  const [, erasedMs] = await timed(() => store.eraseDeleted());
  console.log(`taken off the disk in ${(erasedMs / 1000).toFixed(1)} s, once a day`);
} finally {
  await store.stop(1000);
  await rm(directory, { recursive: true, force: true });
}
