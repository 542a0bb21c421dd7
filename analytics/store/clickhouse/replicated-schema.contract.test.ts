/**
 * The tables as the engine itself makes them on a cluster: replicated, entered in a real ZooKeeper, by two replicas. How far it goes: the engine in
 * process has no port at which other replicas fetch data, and holds such tables read-only; it has no thread for ON CLUSTER either, which the
 * front takes off.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tablesOfCalls } from "./call-tables.ts";
import { createDatabase } from "./cluster.ts";
import { statementsOf } from "./migrate.ts";
import { olderStatement } from "./older-schema.ts";
import { replicatedStatement } from "./replicated-schema.ts";
import { type ClickHouseFront, startClickHouseFront } from "./testing/clickhouse-front.ts";
import { startZooKeeper, zookeeperMissing } from "./testing/zookeeper.ts";

const folder = join(import.meta.dirname, "migrations");
const statements = readdirSync(folder).flatMap((name) => statementsOf(readFileSync(join(folder, name), "utf8")));
/** Tables are made; they cannot be altered while they are read-only. */
const replicated = (all: readonly string[]) =>
  all.filter((statement) => statement.startsWith("CREATE")).map((statement) => replicatedStatement(statement, "main"));

const missing = zookeeperMissing();
describe.skipIf(missing !== "")(`replicated tables in a real ZooKeeper${missing && ` (${missing})`}`, () => {
  const directories = ["one", "two"].map((name) => mkdtempSync(join(tmpdir(), `earshot-replica-${name}-`)));
  let keeper: Awaited<ReturnType<typeof startZooKeeper>>;
  let fronts: ClickHouseFront[] = [];
  const asked = async (front: ClickHouseFront, query: string) => {
    const client = createClient({ url: front.url.replace("clickhouse:", "http:"), log: { level: 127 } });
    try {
      return /^(SELECT|EXISTS)/.test(query)
        ? await (await client.query({ query, format: "JSONEachRow" })).json()
        : await client.command({ query });
    } finally {
      await client.close();
    }
  };
  beforeAll(async () => {
    keeper = await startZooKeeper();
    const cluster = { name: "main", replicas: 2, keeperPort: keeper.port };
    fronts = await Promise.all(
      ["one", "two"].map((replica, i) => startClickHouseFront({ directory: directories[i]!, cluster: { ...cluster, replica } })),
    );
  });
  afterAll(async () => {
    // Killed: the engine waits for its tables to become writable before it closes them.
    await Promise.all(fronts.map((front) => front.kill()));
    await keeper?.stop();
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });

  it.each([
    ["newest", statements, "newest"],
    ["older", statements.flatMap((statement) => olderStatement(statement) ?? []), "older"],
  ])("takes the %s schema on two replicas, as one table each", async (_, all, database) => {
    for (const front of fronts) {
      await asked(front, `CREATE DATABASE ${database}`);
      const place = { ...front, url: front.url.replace("/default", `/${database}`) };
      for (const statement of replicated(all)) await asked(place, statement);
      // As at a later start, after a replica has joined.
      for (const statement of replicated(all)) await asked(place, statement);
    }
    const two = fronts[1]!;
    const tables = (await asked(
      two,
      `SELECT table AS name, toFloat64(total_replicas) AS replicas, zookeeper_path AS path FROM system.replicas WHERE database = '${database}' ORDER BY name`,
    )) as { name: string; replicas: number; path: string }[];
    expect(tables).toEqual(
      [...tablesOfCalls].sort().map((name) => ({ name, replicas: 2, path: `/clickhouse/tables/01/${database}/${name}` })),
    );
    const engines = (await asked(two, `SELECT name, engine FROM system.tables WHERE database = '${database}'`)) as {
      name: string;
      engine: string;
    }[];
    for (const { name, engine } of engines) expect(engine).toBe(name === "calls" ? "ReplicatedMergeTree" : "ReplicatedReplacingMergeTree");
  });

  it("reads every statement as one for the cluster", async () => {
    const client = createClient({ url: fronts[0]!.url.replace("clickhouse:", "http:") });
    for (const statement of [...statements.map((one) => replicatedStatement(one, "main")), createDatabase("main", "with`quote")]) {
      // As a parameter: the front takes nothing off it.
      const read = await client.query({
        query: "SELECT formatQuery({sql:String}) AS sql",
        query_params: { sql: statement },
        format: "JSONEachRow",
      });
      const [{ sql }] = (await read.json()) as [{ sql: string }];
      expect(sql).toMatch(
        /^(CREATE TABLE IF NOT EXISTS \w+|ALTER TABLE \w+|CREATE DATABASE IF NOT EXISTS `with\\`quote`) ON CLUSTER main\n?/,
      );
    }
    await client.close();
  });

  it("takes every kind of deletion that there is, and refuses one with a subquery", async () => {
    const deletion = (where: string) =>
      asked({ ...fronts[0]!, url: fronts[0]!.url.replace("/default", "/newest") }, `DELETE FROM calls_open WHERE ${where}`).catch(
        (error: unknown) => (error as { code: string }).code,
      );
    // 236 and 242: it would be done if the table were not read-only here.
    const readOnly = expect.stringMatching(/^(236|242)$/);
    expect(await deletion("(tenant, call_id) IN arrayZip(['a', 'b'], ['1', '2'])")).toEqual(readOnly);
    expect(await deletion("tenant = 'a' AND call_id IN ['1', '2']")).toEqual(readOnly);
    expect(await deletion("call_id IN (SELECT '1')")).toBe("36");
  });

  it("refuses a table that is not the other replica's", async () => {
    const make = (front: ClickHouseFront, key: string) =>
      asked(
        front,
        replicatedStatement(`CREATE TABLE IF NOT EXISTS unlike (a String, b String)\nENGINE = MergeTree\nORDER BY ${key}`, "main"),
      );
    await make(fronts[0]!, "a");
    await expect(make(fronts[1]!, "b")).rejects.toThrow(/differs in primary key/);
  });
});
