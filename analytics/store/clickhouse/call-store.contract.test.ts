import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { callQuery } from "@earshot/proto/api/calls.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { storeSettings } from "../settings.ts";
import { createClickHouseCallStore } from "./call-store.ts";
import { type ContractSubject, callStoreChecks, exampleCall } from "./contract.ts";
import { checkVersion, newerNames } from "./engine-version.ts";
import { makeMissingSums } from "./parts-without-sums.ts";
import { type ClickHouseFront, startClickHouseFront } from "./testing/clickhouse-front.ts";
import { storeSubject } from "./testing/contract-subject.ts";

const settings = readSettings({ store: storeSettings }, {}).values.store;
const subjectAt = (url: string, asked = settings) => storeSubject(url, asked);

describe("chDB in process", () => {
  const directory = mkdtempSync(join(tmpdir(), "earshot-store-"));
  const subject = subjectAt(`chdb:${directory}`);
  beforeAll(() => subject.started.start());
  afterAll(async () => {
    await subject.started.stop(1000);
    rmSync(directory, { recursive: true, force: true });
  });
  for (const check of callStoreChecks) it(check.name, () => check.run(() => subject));

  it("refuses a second owner of the directory by name", async () => {
    const second = subjectAt(`chdb:${directory}`).started;
    await expect(second.start()).rejects.toMatchObject({ code: "data_directory_in_use", category: "conflict" });
  });

  it("has each migration once, however often it starts", async () => {
    await subject.restart();
    const rows = await subject.started.connection().query<{ name: string }>("SELECT name FROM schema_migrations ORDER BY name", {});
    expect(rows.map((row) => row.name)).toEqual([
      "0001-calls.sql",
      "0002-segments.sql",
      "0003-facts.sql",
      "0004-projections-by-merges.sql",
      "0005-searched-terms.sql",
      "0006-open-segments.sql",
      "0007-parts-without-positions.sql",
    ]);
    expect(subject.started.limitation).toBeUndefined();
  });

  it("has the words of open calls by themselves for as long as they are open, also of calls written before it had", async () => {
    const { store, clock, started } = subject;
    const tenant = tenantId("open-words");
    const apart = async () => {
      const sql = "SELECT DISTINCT call_id AS id FROM open_segments WHERE tenant = {tenant:String} ORDER BY id";
      return (await started.connection().query<{ id: string }>(sql, { tenant })).map(({ id }) => id);
    };
    const found = async (q: string) => (await store.listCalls(tenant, callQuery.parse({ q }), "UTC")).data.map(({ id }) => id);
    for (const id of ["w1", "w2", "w3"]) await store.write(exampleCall(tenant, id, clock.now() - 30_000, ["a word of its own"]));
    await store.write(exampleCall(tenant, "import", clock.now() - 600_000, ["a word of its own"]));
    expect(await apart()).toEqual(["w1", "w2", "w3"]);
    await started.connection().execute("DELETE FROM open_segments WHERE call_id = 'w1'", {});
    expect((await found('"word of"')).toSorted()).toEqual(["import", "w2", "w3"]);
    await subject.restart();
    expect((await found('"word of"')).toSorted()).toEqual(["import", "w1", "w2", "w3"]);
    await started.deleteCalls(tenant, ["w2"]);
    expect(await apart()).toEqual(["w1", "w3"]);
    clock.advance(300_000);
    await started.settle();
    expect(await apart()).toEqual([]);
    expect((await found('"word of"')).toSorted()).toEqual(["import", "w1", "w3"]);
  });

  it("keeps replaced parts no longer than the setting says, in no table", async () => {
    const tables = await subject.started
      .connection()
      .query<{ name: string; definition: string }>(
        "SELECT name, create_table_query AS definition FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'",
        {},
      );
    expect(tables.length).toBeGreaterThan(9);
    for (const { name, definition } of tables) {
      expect(definition, name).toContain(`old_parts_lifetime = ${settings.replacedPartSeconds},`);
      // The engine's own longest wait until it looks for them is five minutes.
      expect(definition, name).toContain("max_cleanup_delay_period = 2,");
      expect(definition, name).toContain("fsync_part_directory = 1");
      expect(definition, name).toContain("concurrent_part_removal_threshold = 100000");
    }
  });

  it.runIf(process.platform === "linux")("gives what its allocator has free back after a second", async () => {
    const [allocator] = await subject.started
      .connection()
      .query<{ decay: string }>("SELECT extract(stats, 'arenas.dirty_decay_ms: ([0-9]+)') AS decay FROM system.jemalloc_stats", {});
    expect(allocator?.decay).toBe("1000");
  });

  it("merges a part that was left alone between merged ones", async () => {
    const connection = subject.started.connection();
    const settled = async (tenant: string) => {
      await subject.store.write(exampleCall(tenantId(tenant), tenant, subject.clock.now() - 600_000));
      await subject.started.settle();
    };
    const merge = () => connection.command("OPTIMIZE TABLE calls FINAL SETTINGS optimize_throw_if_noop = 1");
    await connection.command(
      "ALTER TABLE calls MATERIALIZE PROJECTION per_quarter, MATERIALIZE PROJECTION names SETTINGS mutations_sync = 1",
    );
    await settled("left-alone");
    await expect(merge()).rejects.toThrow(/different projection sets/);
    expect(await makeMissingSums(connection)).toBe(0);
    expect(await makeMissingSums(connection, 0)).toBe(1);
    await vi.waitFor(merge, { timeout: 10_000, interval: 100 });
    expect((await subject.store.listCalls(tenantId("left-alone"), callQuery.parse({}), "UTC")).total).toBe(1);
    expect((await subject.store.statistics(tenantId("left-alone"), callQuery.parse({}), "UTC")).calls).toBe(1);
  });

  it("ends a query that takes too long, in the engine too", async () => {
    const started = performance.now();
    const slow = subject.started
      .connection()
      .query("SELECT count() FROM system.numbers WHERE sleepEachRow(0.001) = 1 SETTINGS max_execution_time = 0.3", {});
    await expect(slow).rejects.toMatchObject({ category: "timeout" });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("a store that forgets the tenant, or writes twice, fails the checks", async () => {
    const failed: string[] = [];
    const fails = async (broken: ContractSubject["store"]) => {
      for (const check of callStoreChecks.slice(0, 3))
        await check.run(() => ({ ...subject, store: broken })).catch(() => failed.push(check.name));
    };
    await fails(
      new Proxy(subject.store, {
        get: (store, name) =>
          name === "listCalls" || name === "transcript"
            ? (_tenant: TenantId, ...rest: unknown[]) => (Reflect.get(store, name) as (...args: unknown[]) => unknown)("read-back", ...rest)
            : Reflect.get(store, name),
      }),
    );
    expect(failed).toContain("keeps tenants apart in every read");
    failed.length = 0;
    await fails(new Proxy(subject.store, { get: (store, name) => (name === "write" ? async () => {} : Reflect.get(store, name)) }));
    expect(failed.length).toBeGreaterThan(0);
  });

  it("remembers conditions that nobody asks again for ten minutes at most", async () => {
    const connection = subject.started.connection();
    const remembered = async (): Promise<Set<string>> => {
      const rows = await connection.query<{ key: string }>("SELECT toString(key_hash) AS key FROM system.query_condition_cache", {});
      return new Set(rows.map((row) => row.key));
    };
    await connection.command("CREATE TABLE conditions (at Int64, id String) ENGINE = MergeTree ORDER BY at");
    await connection.command("INSERT INTO conditions SELECT number, toString(number) FROM numbers(1000)");
    const before = await remembered();
    for (let i = 0; i < 20; i++) await connection.query("SELECT at FROM conditions WHERE id = {id:String}", { id: `call ${i}` });
    const ours = [...(await remembered())].filter((key) => !before.has(key));
    expect(ours).toHaveLength(20);
    subject.clock.advance(600_000);
    // What else falls due meanwhile is remembered anew.
    const left = async (): Promise<number> => {
      const now = await remembered();
      return ours.filter((key) => now.has(key)).length;
    };
    await expect.poll(left, { timeout: 10_000 }).toBe(0);
    await connection.command("DROP TABLE conditions");
  });
});

describe("the engine behind ClickHouse's HTTP interface", () => {
  const directory = mkdtempSync(join(tmpdir(), "earshot-store-http-"));
  let front: ClickHouseFront;
  let subject: ReturnType<typeof subjectAt>;
  beforeAll(async () => {
    front = await startClickHouseFront({ directory });
    subject = subjectAt(front.url);
    await subject.started.start();
  });
  afterAll(async () => {
    await subject.started.stop(1000);
    await front.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  for (const check of callStoreChecks) it(check.name, () => check.run(() => subject));

  it.each([
    ["password", (url: string) => url.replace(":secret@", ":wrong@"), "column_store_access", /password/],
    ["database", (url: string) => url.replace("/default", "/nowhere"), "column_store_database", /CREATE DATABASE/],
    ["port", (url: string) => url.replace(/:\d+\//, ":1/"), "column_store_unreachable", /EARSHOT_COLUMN_STORE/],
  ])("does not start with a wrong %s, and says what to do", async (_, wrong, code, remedy) => {
    await expect(subjectAt(wrong(front.url)).started.start()).rejects.toMatchObject({
      code,
      category: "unavailable",
      remedy: expect.stringMatching(remedy),
    });
  });

  it("leaves small inserts to the server to put together, where it is told to, and large ones not", async () => {
    const asked: { table: string; isAsync: boolean; isWaitedFor: boolean }[] = [];
    const recorder = createServer((request, response) => {
      const { searchParams } = new URL(request.url!, front.url.replace("clickhouse", "http"));
      const table = /^INSERT INTO (\w+)/.exec(searchParams.get("query") ?? "")?.[1];
      const [isAsync, isWaitedFor] = ["async_insert", "wait_for_async_insert"].map((name) => searchParams.get(name) === "1");
      if (table !== undefined) asked.push({ table, isAsync: isAsync!, isWaitedFor: isWaitedFor! });
      const onward = forward({ port: front.port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    await new Promise<void>((resolve) => recorder.listen(0, "127.0.0.1", resolve));
    const url = front.url.replace(`:${front.port}/`, `:${(recorder.address() as AddressInfo).port}/`);
    const clock = new ManualClock();
    const store = createClickHouseCallStore({
      url,
      log: silentLog,
      metrics: createMetrics(),
      clock,
      settings: { ...settings, columnStoreAsyncRows: 5 },
    });
    try {
      await store.start();
      const tenant = tenantId("asynchronous");
      const call = (index: number) => exampleCall(tenant, `call-${index}`, clock.now() - 60_000);
      await store.write(call(0));
      await store.write(Array.from({ length: 5 }, (_, index) => call(index + 1)).flat());
      const ofOpen = asked.filter(({ table }) => table === "calls_open");
      expect(ofOpen).toEqual([
        { table: "calls_open", isAsync: true, isWaitedFor: true },
        { table: "calls_open", isAsync: false, isWaitedFor: false },
      ]);
      expect((await store.listCalls(tenant, callQuery.parse({}), "UTC")).total).toBe(6);
    } finally {
      await store.stop(1000);
      recorder.closeAllConnections();
      recorder.close();
    }
  });

  it("is made once by two processes that start on an empty server at the same time", async () => {
    const empty = mkdtempSync(join(tmpdir(), "earshot-store-empty-"));
    const fresh = await startClickHouseFront({ directory: empty });
    const both = [subjectAt(fresh.url), subjectAt(fresh.url)].map(({ started }) => started);
    try {
      await Promise.all(both.map((store) => store.start()));
      const tenant = tenantId("two-first-starts");
      await both[0]!.write(exampleCall(tenant, "call", Date.now() - 600_000));
      expect((await both[1]!.listCalls(tenant, callQuery.parse({}), "UTC")).total).toBe(1);
      await Promise.all(both.map((store) => store.stop(1000)));
      const third = subjectAt(fresh.url).started;
      await third.start();
      await third.stop(1000);
    } finally {
      await fresh.stop();
      rmSync(empty, { recursive: true, force: true });
    }
  });

  it("does not start on an engine older than its tables", () => {
    for (const version of ["24.8.1.2", "24.10.1", "26.7.3.1", "27.1"]) expect(() => checkVersion(version)).not.toThrow();
    for (const version of ["24.7.9.1", "23.12.1", ""])
      expect(() => checkVersion(version)).toThrow(expect.objectContaining({ code: "column_store_version", category: "conflict" }));
  });

  it("is away for a while: reads and writes say so, and go on when it is back, with nothing lost or doubled", async () => {
    const tenant = tenantId("away");
    const { clock, store } = subject;
    const startMs = clock.now() - 30_000;
    await store.write(exampleCall(tenant, "before", startMs));
    await front.kill();
    const events = exampleCall(tenant, "while", startMs + 1);
    await expect(store.write(events)).rejects.toMatchObject({ category: "unavailable" });
    await expect(store.listCalls(tenant, callQuery.parse({}), "UTC")).rejects.toMatchObject({
      category: "unavailable",
      code: "column_store_unreachable",
    });
    expect(subject.started.fault).toMatch(/does not answer/);
    await front.restart();
    await store.write(events);
    expect(subject.started.fault).toBeUndefined();
    await store.write(events);
    expect((await store.listCalls(tenant, callQuery.parse({}), "UTC")).data.map(({ id }) => id)).toEqual(["while", "before"]);
    expect(await store.transcript(tenant, "while")).toHaveLength(2);
  });
});

describe("the engine as a server 24.8, without the names it does not know", () => {
  const directory = mkdtempSync(join(tmpdir(), "earshot-store-older-"));
  let front: ClickHouseFront;
  let subject: ReturnType<typeof subjectAt>;
  beforeAll(async () => {
    // `tokenizer`: of a text index alone.
    front = await startClickHouseFront({ directory, older: { version: "24.8.4.13", unknown: [...newerNames, "tokenizer"] } });
    subject = subjectAt(front.url);
    await subject.started.start();
  });
  afterAll(async () => {
    await subject.started.stop(1000);
    await front.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  for (const check of callStoreChecks) it(check.name, () => check.run(() => subject));

  it("says that it reads more, and goes on so when the server is upgraded", async () => {
    expect(subject.started.limitation).toMatch(/older than 26\.7/);
    await subject.started.stop(1000);
    await front.stop();
    front = await startClickHouseFront({ directory });
    subject = subjectAt(front.url);
    await subject.started.start();
    expect(subject.started.limitation).toMatch(/older than 26\.7/);
    const tenant = tenantId("upgraded");
    await subject.store.write(exampleCall(tenant, "call", subject.clock.now() - 600_000));
    await subject.started.settle();
    expect((await subject.store.listCalls(tenant, callQuery.parse({ q: '"WANT a refund" hello' }), "UTC")).total).toBe(1);
    expect((await subject.store.listCalls(tenant, callQuery.parse({ q: '"there I want"' }), "UTC")).total).toBe(0);
  });
});

const server = process.env.EARSHOT_TEST_CLICKHOUSE;
// Skipped with REQUIRE_SERVERS=1 too: no package brings a server, and its engine and its interface are tested above.
describe.skipIf(server === undefined)(
  "a ClickHouse server (EARSHOT_TEST_CLICKHOUSE, an empty database; a cluster with EARSHOT_TEST_CLICKHOUSE_CLUSTER)",
  () => {
    const cluster = process.env.EARSHOT_TEST_CLICKHOUSE_CLUSTER ?? "";
    const subject = subjectAt(server ?? "", { ...settings, columnStoreCluster: cluster });
    beforeAll(() => subject.started.start());
    afterAll(() => subject.started.stop(1000));
    for (const check of callStoreChecks) it(check.name, () => check.run(() => subject));
  },
);
