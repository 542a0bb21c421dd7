/**
 * Cost of call records on their way into the column store, µs of CPU (user + system, every thread, merges included) per record in batches of
 * 10,000, beside what ClickHouse itself takes in the same run to write such rows, made by SQL and read from a file.
 * Options: --batches N (default 10).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import v8 from "node:v8";
import vm from "node:vm";
import { makeEvent } from "@earshot/analytics/seed/make-event.ts";
import { callsTable, writeSettledCall } from "@earshot/analytics/store/clickhouse/call-row.ts";
import { CallState } from "@earshot/analytics/store/clickhouse/call-state.ts";
import { createClickHouseCallStore } from "@earshot/analytics/store/clickhouse/call-store.ts";
import { NativeBlock } from "@earshot/analytics/store/clickhouse/native-block.ts";
import { storeSettings } from "@earshot/analytics/store/settings.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { decodeEvent, type Event, encodeEvent } from "@earshot/proto/event.ts";

const rowsPerBatch = 10_000;
const goalMicros = 6;
const { values } = parseArgs({ options: { batches: { type: "string", default: "10" } } });
const batches = Math.max(1, Number(values.batches));

/** A call record that stands alone: its end, with the start and the legs. */
function record(number: number): Event {
  const startedAtMs = Date.now() - 90_000_000 + number * 40;
  const address = (user: string) => ({ name: "", address: `sip:${user}@pbx.example` });
  return makeEvent("bench", `0198f6a2-7c1e-7d3a-9b1c-${String(number).padStart(12, "0")}`, startedAtMs + 180_000, {
    case: "callEnded",
    value: {
      startedAtMs,
      endedAtMs: startedAtMs + 30_000 + (number % 1000) * 300,
      termination: "bye",
      packetsReceived: 9000 + (number % 500),
      legs: [
        {
          index: 0,
          label: "1",
          speaker: 1,
          speakerReason: "extension-map",
          participant: address(`1${number % 100}`),
          agentName: `Agent ${number % 200}`,
          codec: 1,
          state: "active",
        },
        {
          index: 1,
          label: "2",
          speaker: 2,
          speakerReason: "extension-map",
          participant: address(`+4930${1_000_000 + ((number * 7919) % 1_000_000)}`),
          codec: 1,
          state: "active",
        },
      ],
    },
  });
}

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;

/** Only `work` is measured: each batch is made just before it, and what making it left behind is collected before, too. */
async function cost<T>(name: string, make: (batch: number) => T, work: (made: T, batch: number) => Promise<void>): Promise<number> {
  await work(make(0), 0);
  let micros = 0;
  let wallMs = 0;
  for (let batch = 1; batch <= batches; batch++) {
    const made = make(batch);
    collectGarbage();
    // The collector's threads go on sweeping for a while.
    await setTimeout(100);
    const before = process.cpuUsage();
    const from = performance.now();
    await work(made, batch);
    const { user, system } = process.cpuUsage(before);
    micros += user + system;
    wallMs += performance.now() - from;
  }
  micros /= batches * rowsPerBatch;
  console.log(
    `  ${name.padEnd(52)} ${micros.toFixed(2).padStart(7)} µs CPU per row   ${(wallMs / batches).toFixed(0).padStart(6)} ms per batch`,
  );
  return micros;
}

const directory = await mkdtemp(join(tmpdir(), "earshot-bench-ingest-"));
const settings = readSettings({ store: storeSettings }, {}).values.store;
const store = createClickHouseCallStore({
  url: `chdb:${directory}`,
  log: silentLog,
  metrics: createMetrics(),
  clock: systemClock,
  settings,
});
await store.start();
try {
  const connection = store.connection();
  const batchOf = (batch: number) => Array.from({ length: rowsPerBatch }, (_, index) => record(batch * rowsPerBatch + index));
  console.log(`Call records into the column store, ${batches} batches of ${rowsPerBatch}:`);

  for (const table of ["floor_sql", "floor_file"]) await connection.command(`CREATE TABLE ${table} AS calls`);
  const bySql = await cost(
    "ClickHouse: INSERT ... SELECT FROM numbers()",
    () => {},
    (_, batch) =>
      connection.command(`INSERT INTO floor_sql (tenant, newest_first, call_id, version, started_at, ended_at, duration_ms, termination, agent, caller, card)
      SELECT 'bench', -1764000000000 + number * 40, concat('0198f6a2-7c1e-7d3a-9b1c-', leftPad(toString(number), 12, '0')), 2,
        fromUnixTimestamp64Milli(1764000000000 + number * 40, 'UTC'), fromUnixTimestamp64Milli(1764000000000 + number * 40 + 180000, 'UTC'), 180000, 'bye',
        concat('Agent ', toString(number % 200)), concat('+4930', toString(1000000 + number * 7919 % 1000000)),
        concat('{"id":"', toString(number), '","legs":[', repeat('{"index":0,"label":"1","speaker":"agent","address":"sip:101@pbx.example"},', 9), ']}')
      FROM numbers(${batch * rowsPerBatch}, ${rowsPerBatch})`),
  );
  const byFile = await cost(
    "the same rows, made before, from a file",
    (batch) => {
      const rows = new NativeBlock(callsTable);
      for (const event of batchOf(batch)) {
        const state = new CallState(event.tenantId, event.callId);
        state.apply(event);
        writeSettledCall(rows, event.tenantId, 2, state.toCard(), "");
      }
      return rows;
    },
    (rows) => connection.insert({ ...callsTable, name: "floor_file" }, rows),
  );
  const written = await cost("CallStore.write(10,000 CallEnded), decoded before", batchOf, (events) => store.write(events));
  const decoded = await cost(
    "decoding the log's bytes (protobuf), apart",
    (batch) => batchOf(batch).map((event) => encodeEvent(event)),
    async (records) => {
      for (const bytes of records) decodeEvent(bytes);
    },
  );
  const [count] = await connection.query<{ calls: number }>(
    "SELECT toFloat64(uniqExact(call_id)) AS calls FROM (SELECT call_id FROM calls UNION ALL SELECT call_id FROM calls_open)",
    {},
  );
  console.log(`  stored: ${count?.calls} calls (${(batches + 1) * rowsPerBatch} expected)`);
  console.log(
    `  ratio to ClickHouse by SQL ${(written / bySql).toFixed(2)}, to the file ${(written / byFile).toFixed(2)}; with decoding ${((written + decoded) / bySql).toFixed(2)}. Goal: ${goalMicros} µs per row, ${(written / goalMicros).toFixed(2)} of it.`,
  );
} finally {
  await store.stop(5000);
  await rm(directory, { recursive: true, force: true });
}
