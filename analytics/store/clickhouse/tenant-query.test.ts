import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tenantId } from "@earshot/proto/ids.ts";
import { describe, expect, it } from "vitest";
import { tablesOfCalls } from "./call-tables.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { ofTenant, tenantQueries } from "./tenant-query.ts";

function recorded() {
  const ran: { sql: string; params: Readonly<Record<string, unknown>> }[] = [];
  const connection: ColumnStoreConnection = {
    cluster: undefined,
    term: 0,
    upToDate: (_tables, work) => work(),
    command: async () => {},
    execute: async () => {},
    query: async (sql, params) => {
      ran.push({ sql, params });
      return [];
    },
    insert: async () => {},
    exportTable: async () => {},
    importTable: async () => {},
    close: async () => {},
  };
  return { ran, query: tenantQueries(connection) };
}

describe("the tenant's query layer", () => {
  const tenant = tenantId("t1");

  it("binds the tenant itself", async () => {
    const { ran, query } = recorded();
    await query(tenant, `SELECT 1 FROM calls FINAL WHERE ${ofTenant} AND call_id = {id:String}`, { id: "x" });
    expect(ran).toEqual([{ sql: expect.any(String), params: { id: "x", tenant: "t1" } }]);
  });

  it.each([
    ["no condition", "SELECT 1 FROM calls"],
    ["another column's condition", "SELECT 1 FROM calls WHERE call_id = {tenant:String}"],
    ["the condition in the SELECT list only", `SELECT ${ofTenant} FROM calls WHERE 1`],
    ["a subquery without it", `SELECT 1 FROM calls WHERE ${ofTenant} AND call_key IN (SELECT call_key FROM segments)`],
    ["a join without it", `SELECT 1 FROM calls JOIN segments USING call_id WHERE ${ofTenant}`],
    ["a join by comma", `SELECT 1 FROM calls, segments FINAL WHERE ${ofTenant}`],
    ["a second SELECT without it", `SELECT 1 FROM calls WHERE ${ofTenant} UNION ALL SELECT 1 FROM calls`],
    ["an OR beside it", `SELECT 1 FROM calls WHERE ${ofTenant} OR 1`],
    [
      "an OR after a subquery",
      `SELECT 1 FROM calls WHERE ${ofTenant} AND call_key IN (SELECT call_key FROM segments WHERE ${ofTenant}) OR 1 = 1`,
    ],
    ["a comment", `SELECT 1 FROM calls -- WHERE ${ofTenant}`],
    ["a second statement", `SELECT 1 FROM calls WHERE ${ofTenant}; SELECT 1 FROM calls WHERE ${ofTenant}`],
    ["something else than SELECT", `DELETE FROM calls WHERE ${ofTenant}`],
    ["no table at all", "SELECT 1"],
  ])("refuses %s", async (_, sql) => {
    const { ran, query } = recorded();
    await expect(query(tenant, sql)).rejects.toMatchObject({ code: "query_without_tenant", category: "bug" });
    expect(ran).toEqual([]);
  });

  it("knows every table that has rows of calls: none is joined by comma", async () => {
    const { ran, query } = recorded();
    const migrations = join(import.meta.dirname, "migrations");
    const sql = readdirSync(migrations).map((name) => readFileSync(join(migrations, name), "utf8"));
    const made = sql.flatMap((text) => [...text.matchAll(/CREATE TABLE IF NOT EXISTS (\w+)\s*\(\s*tenant/g)].map(([, name]) => name!));
    expect(made.toSorted()).toEqual(tablesOfCalls.toSorted());
    for (const table of made)
      await expect(query(tenant, `SELECT 1 FROM calls, ${table} FINAL WHERE ${ofTenant}`), table).rejects.toMatchObject({
        category: "bug",
      });
    expect(ran).toEqual([]);
  });

  it("refuses an empty tenant, and one smuggled in among the parameters", async () => {
    const { ran, query } = recorded();
    const sql = `SELECT 1 FROM calls WHERE ${ofTenant}`;
    await expect(query(tenantId(""), sql)).rejects.toThrow();
    await expect(query(tenant, sql, { tenant: "other" })).rejects.toThrow();
    expect(ran).toEqual([]);
  });

  it("is the only reader: nothing else in this folder asks the connection, but what looks at engine, replicas and schema, the settling of calls, its parts and the backup of everything", () => {
    const readers = readdirSync(import.meta.dirname)
      .filter((name) => name.endsWith(".ts") && !name.includes(".test."))
      .filter((name) =>
        /connection\.query|client\.query|connection\(\)\.query/.test(readFileSync(join(import.meta.dirname, name), "utf8")),
      );
    expect(readers.sort()).toEqual([
      "cluster.ts",
      "connection.ts",
      "engine-version.ts",
      "migrate.ts",
      "parts-without-sums.ts",
      "replaced-parts.ts",
      "settle.ts",
      "table-dump.ts",
      "tenant-query.ts",
    ]);
  });
});
