/** The store on a cluster's replica, played by the engine behind an HTTP front that holds statements to a cluster's rules. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { callQuery } from "@earshot/proto/api/calls.ts";
import type { EarshotError } from "@earshot/proto/errors.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { storeSettings } from "../settings.ts";
import type { ClickHouseCallStore } from "./call-store.ts";
import { tablesOfCalls } from "./call-tables.ts";
import { checkOneReplica } from "./cluster.ts";
import { callStoreChecks, exampleCall } from "./contract.ts";
import { type ClickHouseFront, startClickHouseFront } from "./testing/clickhouse-front.ts";
import type { FrontCluster } from "./testing/cluster-statements.ts";
import { storeSubject } from "./testing/contract-subject.ts";
import { laggingReplicas, proxyTo, refusal } from "./testing/front-proxy.ts";

const settings = readSettings({ store: storeSettings }, { EARSHOT_COLUMN_STORE_CLUSTER: "calls_cluster" }).values.store;
const threeReplicas: FrontCluster = { name: "calls_cluster", replica: "one", replicas: 3 };
const subjectAt = (url: string, clock?: ManualClock, asked = settings) => storeSubject(url, asked, clock);

describe("a replica of a cluster, its statements held to a cluster's rules", () => {
  const directory = mkdtempSync(join(tmpdir(), "earshot-store-cluster-"));
  let front: ClickHouseFront;
  let subject: ReturnType<typeof subjectAt>;
  beforeAll(async () => {
    front = await startClickHouseFront({ directory, cluster: threeReplicas, database: "earshot" });
    subject = subjectAt(front.url);
    await subject.started.start();
  });
  afterAll(async () => {
    await subject.started.stop(1000);
    await front.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  for (const check of callStoreChecks) it(check.name, () => check.run(() => subject));

  it("makes the database and every table, and again where a replica joined that has none", async () => {
    const tables = await subject.started
      .connection()
      .query<{ name: string }>("SELECT name FROM system.tables WHERE database = 'earshot' ORDER BY name", {});
    expect(tables.map(({ name }) => name)).toEqual([...tablesOfCalls, "schema_migrations"].sort());
    await subject.started.stop(1000);
    const made = async (cluster: FrontCluster) => {
      await front.stop();
      front = await startClickHouseFront({ directory, cluster, database: "earshot" });
      const passed: string[] = [];
      const proxy = await proxyTo(front, (sql, pass) => {
        passed.push(sql);
        return pass();
      });
      subject = subjectAt(proxy.url);
      await subject.started.start();
      const statements = passed.filter((sql) => /^CREATE TABLE/.test(sql));
      await subject.started.stop(1000);
      proxy.away();
      return statements.length;
    };
    expect(await made(threeReplicas)).toBe(0);
    expect(await made({ ...threeReplicas, replicas: 4, registered: 3 })).toBe(tables.length);
    subject = subjectAt(front.url);
    await subject.started.start();
  });

  it("catches up with the other replicas before every read that decides something", async () => {
    const seen: string[] = [];
    const proxy = await proxyTo(front, (sql, pass) => {
      seen.push(sql);
      return pass();
    });
    const { started: store, clock } = subjectAt(proxy.url, subject.clock);
    await store.start();
    try {
      const tenant = tenantId("caught-up");
      const events = exampleCall(tenant, "call", clock.now() - 600_000);
      const syncedBefore = async (work: () => Promise<unknown>, read: RegExp): Promise<string[]> => {
        seen.length = 0;
        await work();
        const first = seen.findIndex((sql) => read.test(sql));
        expect(first, `a read like ${read}`).toBeGreaterThan(0);
        return seen.slice(0, first).flatMap((sql) => /^SYSTEM SYNC REPLICA (\w+) LIGHTWEIGHT$/.exec(sql)?.[1] ?? []);
      };
      expect(await syncedBefore(() => store.write(events.slice(0, 1)), /FROM calls_open FINAL/)).toEqual(
        expect.arrayContaining(["calls", "calls_open"]),
      );
      store.release();
      expect(await syncedBefore(() => store.write(events.slice(1)), /FROM sentiments FINAL/)).toEqual(
        expect.arrayContaining(["calls_open", "sentiments", "ledger", "conversations"]),
      );
      clock.advance(600_000);
      expect(await syncedBefore(() => store.settle(), /in_settled, .* FROM calls_open FINAL/)).toEqual(["calls_open", "calls", "segments"]);
      expect(await syncedBefore(() => store.expiredCalls(tenant, clock.now(), 10), /FROM calls WHERE/)).toEqual(["calls", "recordings"]);
      // Before it settles for the first time, it waits for the deletions of whoever did before.
      const deletions = () => seen.filter((sql) => /^DELETE FROM \w+ WHERE call_id = ''$/.test(sql)).length;
      await store.settle();
      expect(deletions()).toBe(0);
      await store.settles(undefined);
      await store.settles(() => true);
      await store.settle();
      expect(deletions()).toBe(2);
    } finally {
      await store.stop(1000);
      proxy.away();
    }
  });

  /** A call of which one process writes the first half to one replica, and another process the second half to another replica, and settles it. */
  const handedOver = async (tenant: TenantId, catchesUp: boolean) => {
    const { one, two } = await laggingReplicas(front, catchesUp);
    // Each has its clock: one alone settles calls.
    const { started: first, clock } = subjectAt(one.url);
    const { started: second, clock: later } = subjectAt(two.url);
    await Promise.all([first.start(), second.start()]);
    try {
      const events = exampleCall(tenant, "moved", clock.now() - 60_000);
      await first.write(events.slice(0, events.length / 2));
      await second.write(events.slice(events.length / 2));
      later.advance(600_000);
      await second.settle();
    } finally {
      await Promise.all([first.stop(1000), second.stop(1000)]);
      one.away();
      two.away();
    }
    const { data, total } = await subject.store.listCalls(tenant, callQuery.parse({ q: '"Hello there"' }), "UTC");
    const [listed] = data;
    return { total, agentSentiment: listed?.agentSentiment, segments: (await subject.store.transcript(tenant, "moved")).length };
  };

  it("takes a call over on a replica that lags behind the one it was written to, whole and once", async () => {
    const whole = tenantId("in-one-piece");
    await subject.store.write(exampleCall(whole, "moved", subject.clock.now() - 60_000));
    const { data } = await subject.store.listCalls(whole, callQuery.parse({}), "UTC");
    const expected = { total: 1, agentSentiment: data[0]!.agentSentiment, segments: 2 };
    expect(expected.agentSentiment).not.toBeNull();
    expect(await handedOver(tenantId("moved"), true)).toEqual(expected);
    expect(await handedOver(tenantId("moved-blindly"), false), "without catching up").not.toEqual(expected);
  });

  it("says what a cluster refuses, and turns from a replica without its keeper to another", async () => {
    const refuses = new Map<RegExp, string>();
    const one = await proxyTo(front, (sql, pass) => {
      const error = [...refuses].find(([statement]) => statement.test(sql))?.[1];
      return error === undefined ? pass() : refusal(error);
    });
    const two = await proxyTo(front);
    const alone = subjectAt(one.url, subject.clock).started;
    const both = subjectAt(one.url.replace(/@(.*)\//, `@127.0.0.1:${one.port},127.0.0.1:${two.port}/`), subject.clock).started;
    await alone.start();
    await both.start();
    const tenant = tenantId("refused");
    const write = (store: ClickHouseCallStore, id: string) => store.write(exampleCall(tenant, id, subject.clock.now() - 1000));
    try {
      refuses.set(/^SYSTEM SYNC/, "Code: 159. DB::Exception: SYNC REPLICA earshot.calls: command timed out. (TIMEOUT_EXCEEDED)");
      await expect(write(alone, "behind")).rejects.toMatchObject({ code: "column_store_behind", category: "unavailable" });
      refuses.clear();
      refuses.set(
        /^INSERT/,
        "Code: 285. DB::Exception: Number of alive replicas (1) is less than requested quorum (2/3). (TOO_FEW_LIVE_REPLICAS)",
      );
      await expect(write(alone, "few")).rejects.toMatchObject({ code: "column_store_quorum", remedy: expect.stringMatching(/QUORUM/) });
      expect(alone.fault).toMatch(/Too few replicas/);
      refuses.clear();
      // Stored by one replica, not by the quorum: to be read, but to be written again.
      await write(alone, "doubtful");
      alone.release();
      refuses.set(/^INSERT INTO calls_open/, "Code: 319. DB::Exception: Timeout while waiting for quorum. (UNKNOWN_STATUS_OF_INSERT)");
      const again = exampleCall(tenant, "doubtful", subject.clock.now() - 1000).concat(
        exampleCall(tenant, "new", subject.clock.now() - 1000),
      );
      await expect(alone.write(again)).rejects.toMatchObject({ code: "column_store_quorum" });
      refuses.clear();
      const versions = () =>
        alone
          .connection()
          .query<{ version: number }>("SELECT toFloat64(version) AS version FROM calls_open FINAL WHERE call_id = 'doubtful'", {});
      const [before] = await versions();
      await alone.write(again);
      expect((await versions())[0]!.version).toBeGreaterThan(before!.version);
      refuses.set(/./, "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)");
      await expect(write(alone, "read-only")).rejects.toMatchObject({
        code: "column_store_read_only",
        remedy: expect.stringMatching(/Keeper/),
      });
      await write(both, "stored").catch(() => write(both, "stored"));
      expect((await both.listCalls(tenant, callQuery.parse({}), "UTC")).data.map(({ id }) => id)).toEqual(
        expect.arrayContaining(["stored"]),
      );
    } finally {
      await Promise.all([alone.stop(1000), both.stop(1000)]);
      one.away();
      two.away();
    }
  });

  it("goes on with another replica when its own is away", async () => {
    const [one, two] = [await proxyTo(front), await proxyTo(front)];
    const { started: store, clock } = subjectAt(one.url.replace(/@(.*)\//, `@127.0.0.1:${one.port},127.0.0.1:${two.port}/`), subject.clock);
    await store.start();
    const tenant = tenantId("away");
    const list = async () => (await store.listCalls(tenant, callQuery.parse({}), "UTC")).data.map(({ id }) => id);
    const write = async (id: string) => {
      const events = exampleCall(tenant, id, clock.now() - 1000);
      // As ingest does: what failed is written again.
      await store.write(events).catch((error: unknown) => {
        expect(error).toMatchObject({ category: "unavailable" });
        return store.write(events);
      });
    };
    try {
      await write("both-up");
      one.away();
      expect(await list()).toEqual(["both-up"]);
      await write("one-away");
      await one.back();
      two.away();
      expect(await list()).toEqual(expect.arrayContaining(["both-up", "one-away"]));
      await write("two-away");
      expect((await list()).sort()).toEqual(["both-up", "one-away", "two-away"]);
      expect(store.fault).toBeUndefined();
      one.away();
      await expect(list()).rejects.toMatchObject({ code: "column_store_unreachable", category: "unavailable" });
      expect(store.fault).toMatch(/does not answer/);
    } finally {
      await store.stop(1000);
      one.away();
      two.away();
    }
  });

  it("says that a replica is away, and that it is back", async () => {
    await subject.started.stop(1000);
    const startedWith = async (active: number) => {
      await front.stop();
      front = await startClickHouseFront({ directory, cluster: { ...threeReplicas, active }, database: "earshot" });
      subject = subjectAt(front.url);
      await subject.started.start();
      subject.clock.advance(30_000);
      await subject.started.settles(undefined);
      return subject.started.limitation;
    };
    expect(await startedWith(2)).toBe("1 of 3 replicas of the column store are away.");
    await subject.started.stop(1000);
    expect(await startedWith(3)).toBeUndefined();
  });
});

describe("a cluster that lacks something", () => {
  const refused = async (cluster: FrontCluster, asked = settings, urlOf = (front: ClickHouseFront) => front.url) => {
    const directory = mkdtempSync(join(tmpdir(), "earshot-store-lacking-"));
    const front = await startClickHouseFront({ directory, cluster });
    try {
      return await subjectAt(urlOf(front), new ManualClock(), asked)
        .started.start()
        .then(
          () => "started",
          (error: EarshotError) => `${error.category}: ${error.message} ${error.remedy}`,
        );
    } finally {
      await front.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  };

  it("is refused at the start, with what to mend", async () => {
    expect(await refused({ ...threeReplicas, name: "other" })).toMatch(
      /^conflict: .* no cluster 'calls_cluster'; it knows: other\. .*EARSHOT_COLUMN_STORE_CLUSTER.*remote_servers/,
    );
    expect(await refused({ ...threeReplicas, lacks: "macros" })).toMatch(/^conflict: .*\{shard\} and no macro \{replica\}.*<macros>/);
    expect(await refused({ ...threeReplicas, lacks: "keeper" })).toMatch(/^conflict: .*no keeper.*<zookeeper>/);
  });

  it("needs a server, and several hosts need a cluster", async () => {
    await expect(subjectAt("chdb:/nowhere").started.start()).rejects.toMatchObject({ code: "column_store_cluster" });
    const alone = subjectAt("clickhouse://127.0.0.1:1,127.0.0.1:2/earshot", new ManualClock(), { ...settings, columnStoreCluster: "" });
    await expect(alone.started.start()).rejects.toMatchObject({
      code: "column_store_cluster",
      remedy: expect.stringContaining("EARSHOT_COLUMN_STORE_CLUSTER"),
    });
    expect(() => checkOneReplica(["one", "two", "one"])).toThrow(/several replicas \(one, two\)/);
  });
});
