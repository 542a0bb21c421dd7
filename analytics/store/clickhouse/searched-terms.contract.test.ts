/** The index of words and pairs: in a data directory that was made without it, in parts that lack it, and that queries are answered by it. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { callQuery } from "@earshot/proto/api/calls.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { storeSettings } from "../settings.ts";
import { callFilter } from "./call-filter.ts";
import { CallStates } from "./call-states.ts";
import { openColumnStore } from "./connection.ts";
import { exampleCall } from "./contract.ts";
import { EventWriter } from "./event-writer.ts";
import { migrate } from "./migrate.ts";
import { ofTenant, tenantQueries } from "./tenant-query.ts";
import { storeSubject } from "./testing/contract-subject.ts";
import { textIndexSearch } from "./word-search.ts";

const settings = readSettings({ store: storeSettings }, {}).values.store;
const directory = mkdtempSync(join(tmpdir(), "earshot-terms-"));
const clock = new ManualClock();
const tenant = tenantId("terms");
const subject = storeSubject(`chdb:${join(directory, "data")}`, settings, clock);

/** As the migrations before the index, and before the words of open calls by themselves, leave it: with two settled calls and an open one. */
async function writeBefore(): Promise<void> {
  const folder = join(directory, "migrations");
  mkdirSync(folder);
  const all = join(import.meta.dirname, "migrations");
  for (const name of readdirSync(all)) if (!/^000[57]/.test(name)) cpSync(join(all, name), join(folder, name));
  const connection = await openColumnStore(`chdb:${join(directory, "data")}`, settings, clock);
  await migrate(connection, clock, silentLog, folder);
  // As parts of many calls are: a file for each column and index.
  await connection.command("ALTER TABLE calls MODIFY SETTING min_bytes_for_wide_part = 0");
  const states = new CallStates(tenantQueries(connection), connection, settings.liveCallStates);
  const writer = new EventWriter(connection, states, createMetrics(), clock);
  await writer.write(exampleCall(tenant, "before-1", clock.now() - 60_000, ["Please CANCEL my contract"]));
  await writer.write(exampleCall(tenant, "before-2", clock.now() - 59_000, ["cancel my order", "not my contract"]));
  await writer.write(exampleCall(tenantId("other"), "theirs", clock.now() - 59_000, ["cancel my contract"]));
  clock.advance(300_000);
  await writer.settle(() => true);
  await writer.write(exampleCall(tenant, "open", clock.now() - 30_000, ["my contract please"]));
  // Today's writer wants it.
  await connection.command("DROP TABLE open_segments");
  await connection.command("DELETE FROM schema_migrations WHERE name = '0006-open-segments.sql'");
  await connection.close();
}

beforeAll(async () => {
  await writeBefore();
  await subject.started.start();
});
afterAll(async () => {
  await subject.started.stop(1000);
  rmSync(directory, { recursive: true, force: true });
});

const found = async (q: string) => {
  const { data, total } = await subject.store.listCalls(tenant, callQuery.parse({ q }), "UTC");
  expect(total).toBe(data.length);
  return data.map((call) => call.id);
};
const checkFound = async (late: readonly string[] = []) => {
  expect(await found("cancel")).toEqual(["before-2", "before-1"]);
  expect(await found('"my contract"')).toEqual([...late, "open", "before-2", "before-1"]);
  expect(await found('"cancel my contract"')).toEqual(["before-1"]);
  expect(await found('contract "cancel my"')).toEqual(["before-2", "before-1"]);
  expect(await found('"my cancel"')).toEqual([]);
};
const built = async () => {
  const [row] = await subject.started
    .connection()
    .query<{ undone: number }>("SELECT toFloat64(count()) AS undone FROM system.mutations WHERE table = 'calls' AND NOT is_done", {});
  return row!.undone === 0;
};
/** What the engine would do for a search, as it explains it. */
const explained = async (q: string) => {
  const filter = callFilter(callQuery.parse({ q }), textIndexSearch);
  const rows = await subject.started
    .connection()
    .query<{ explain: string }>(`EXPLAIN indexes = 1, actions = 1 SELECT count() FROM calls WHERE ${ofTenant}${filter.settled}`, {
      ...filter.params,
      tenant,
    });
  return rows.map(({ explain }) => explain).join("\n");
};

it("searches a data directory made before the index as a whole, from the start on and when the index is built", async () => {
  await checkFound();
  await expect.poll(built, { timeout: 10_000 }).toBe(true);
  await checkFound();
  // The old index is gone from the disk too, its positions with it.
  const parts = await subject.started
    .connection()
    .query<{ path: string }>("SELECT path FROM system.parts WHERE table = 'calls' AND active", {});
  const files = parts.flatMap(({ path }) => readdirSync(path));
  expect(files.filter((file) => file.startsWith("skp_idx_terms")).length).toBeGreaterThan(0);
  expect(files.filter((file) => file.startsWith("skp_idx_words"))).toEqual([]);
  expect(
    await subject.started.connection().query("SELECT name FROM system.data_skipping_indices WHERE table = 'calls' ORDER BY name", {}),
  ).toEqual([{ name: "call_id_bloom" }, { name: "terms" }]);
});

it("answers words and pairs by the index alone, and reads what was said for longer phrases only", async () => {
  for (const q of ["cancel contract", '"my contract"', 'please "my contract"']) {
    const plan = await explained(q);
    expect(plan).toContain("Name: terms");
    expect(plan).toContain("__text_index_terms_hasAll");
    expect(plan).not.toMatch(/Output:.*\bsaid\b/);
  }
  expect(await explained('"cancel my contract"')).toContain("__text_index_terms_hasAll");
  expect(await explained("neversaid")).toMatch(/Parts: 0\/1/);
});

it("finds the same in parts that lack the index, beside others that have it", async () => {
  const connection = subject.started.connection();
  await connection.command("ALTER TABLE calls CLEAR INDEX terms SETTINGS mutations_sync = 1");
  await checkFound();
  await subject.store.write(exampleCall(tenant, "late", clock.now() - 10_000, ["my contract"]));
  clock.advance(300_000);
  await subject.started.settle();
  await checkFound(["late"]);
  await connection.command("OPTIMIZE TABLE calls FINAL");
  await checkFound(["late"]);
  await connection.execute(`DELETE FROM calls WHERE ${ofTenant} AND call_id = 'late'`, { tenant });
  await checkFound();
});
