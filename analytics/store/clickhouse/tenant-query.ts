/** The only way to read: a query that does not ask for one tenant's rows does not run. */

import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { tablesOfCalls } from "./call-tables.ts";
import type { ColumnStoreConnection } from "./column-store.ts";

/** The condition that every table in a statement must carry, word for word. */
export const ofTenant = "tenant = {tenant:String}";

export type TenantQuery = <T>(tenant: TenantId, sql: string, params?: Readonly<Record<string, unknown>>) => Promise<T[]>;

const commaJoin = new RegExp(`,\\s*(${tablesOfCalls.join("|")})\\s+(FINAL|WHERE|AS)\\b`, "i");
const tableReference = /\b(?:FROM|JOIN)\s+(?!\()([A-Za-z_][\w.]*)/gi;

/**
 * Binds `{tenant:String}` and refuses a statement in which any table is read without `tenant = {tenant:String}`, that has more than
 * one statement, or that ORs past the condition at its own level.
 * @throws EarshotError bug: such a statement is a mistake of ours, found by the first test that runs it
 */
export function tenantQueries(connection: ColumnStoreConnection): TenantQuery {
  return async <T>(tenant: TenantId, sql: string, params: Readonly<Record<string, unknown>> = {}): Promise<T[]> => {
    if (tenant === "") throw refused("the tenant is empty");
    if ("tenant" in params) throw refused("the tenant is bound by the query layer alone");
    checkStatement(sql);
    return connection.query<T>(sql, { ...params, tenant });
  };
}

const checked = new Set<string>();

function checkStatement(sql: string): void {
  if (checked.has(sql)) return;
  if (!/^\s*(SELECT|WITH)\b/i.test(sql)) throw refused("it does not begin with SELECT");
  if (sql.includes(";")) throw refused("it has more than one statement");
  if (sql.includes("--") || sql.includes("/*")) throw refused("it has a comment, which may hide the condition");
  const tables = [...sql.matchAll(tableReference)].length;
  if (tables === 0) throw refused("it reads no table by name");
  // "WHERE tenant = ..." directly after the table: an AND may follow, an OR at the same level may not come before it.
  const conditions = sql.split(`WHERE ${ofTenant}`).length - 1;
  if (conditions !== tables) throw refused(`it reads ${tables} tables, of which ${conditions} only the tenant's`);
  if (hasBareOr(sql)) throw refused("it has an OR beside the tenant's condition");
  if (commaJoin.test(sql)) throw refused("it joins tables by comma");
  // Statements are made of a few filters: what was checked once is not checked again, within bounds.
  if (checked.size < 2000) checked.add(sql);
}

/** An OR in the same brackets as a tenant's condition would let other tenants' rows in. */
function hasBareOr(sql: string): boolean {
  const open: number[] = [0];
  const conditions = new Set<number>();
  const ors = new Set<number>();
  let groups = 0;
  for (const token of sql.matchAll(/\(|\)|\bOR\b|WHERE tenant = \{tenant:String\}/gi)) {
    const group = open.at(-1) ?? 0;
    if (token[0] === "(") open.push(++groups);
    else if (token[0] === ")") open.pop();
    else if (token[0].toUpperCase() === "OR") ors.add(group);
    else conditions.add(group);
  }
  return [...ors].some((group) => conditions.has(group));
}

function refused(why: string): EarshotError {
  return new EarshotError("bug", "query_without_tenant", `A query of the column store was refused: ${why}.`);
}
