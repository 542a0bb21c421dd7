/** Writes calls for ever and says how many each acknowledged batch had: a test kills it. Arguments: URL of the store, a number for the ids. */
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { createClickHouseCallStore } from "../../store/clickhouse/call-store.ts";
import { exampleCall } from "../../store/clickhouse/contract.ts";
import { storeSettings } from "../../store/settings.ts";

const [url = "", round = "0"] = process.argv.slice(2);
const callsPerBatch = 20;
const settings = readSettings({ store: storeSettings }, {}).values.store;
const store = createClickHouseCallStore({ url, log: silentLog, metrics: createMetrics(), clock: systemClock, settings });
await store.start();
for (let batch = 0; batch < 200; batch++) {
  const startMs = Date.now() - 60_000 - (batch % 2) * 600_000;
  await store.write(
    Array.from({ length: callsPerBatch }, (_, index) => exampleCall("t1", `k${round}-${batch}-${index}`, startMs + index)).flat(),
  );
  console.log(callsPerBatch);
}
