/** All rows of one tenant out of PostgreSQL and back in, as JSON text, through row-level security like everything else. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { ClientBase, Pool } from "pg";
import { lookUp, withTenant } from "./tenant-scope.ts";

/** Sessions are not kept: after a restore people sign in again. */
const leftOut = new Set(["sessions"]);
const rowsPerInsert = 500;

export type TableDump = { readonly table: string; readonly rows: readonly string[] };

/** Every tenant table with its rows, each row one JSON object as PostgreSQL writes it; a table comes after those it refers to. */
export function dumpTenant(pool: Pool, tenant: TenantId): Promise<TableDump[]> {
  return withTenant(pool, tenant, async (db) => {
    const tables = await tenantTables(db);
    // One statement sees one snapshot, so that no row refers to one that came later.
    const { rows } = await db.query<{ table: string; row: string }>(
      tables.map((table) => `select '${table}' as table, to_jsonb(t)::text as row from earshot.${table} t`).join(" union all "),
    );
    return tables.map((table) => ({ table, rows: rows.filter((one) => one.table === table).map(({ row }) => row) }));
  });
}

/**
 * Writes a dump of this tenant, all or nothing.
 * @throws EarshotError invalid_request where the dump has a table that this version does not know; conflict where a row is there already
 */
export function loadTenant(pool: Pool, tenant: TenantId, dumps: readonly TableDump[]): Promise<void> {
  return withTenant(pool, tenant, async (db) => {
    const known = await tenantTables(db);
    const unknown = dumps.find(({ table }) => !known.includes(table));
    if (unknown !== undefined)
      throw new EarshotError("invalid_request", "backup_of_another_version", `This version has no table "${unknown.table}".`, {
        remedy: "Restore with the version that made the backup, then upgrade.",
      });
    for (const table of known) {
      const rows = dumps.find((dump) => dump.table === table)?.rows ?? [];
      const columns = await ownColumns(db, table);
      for (let at = 0; at < rows.length; at += rowsPerInsert)
        await db.query(
          `insert into earshot.${table} (${columns}) select ${columns} from json_populate_recordset(null::earshot.${table}, $1::json)`,
          [`[${rows.slice(at, at + rowsPerInsert).join(",")}]`],
        );
    }
  });
}

/** Is nobody in this database yet? */
export async function isEmptyDirectory(pool: Pool): Promise<boolean> {
  return (await lookUp(pool, "all_tenants()", [])).length === 0;
}

/** Names from the catalogue of our own schema. */
async function tenantTables(db: ClientBase): Promise<string[]> {
  const { rows: tables } = await db.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'earshot' and c.relkind = 'r' and c.relrowsecurity order by 1`,
  );
  const { rows: references } = await db.query<{ table: string; target: string }>(
    `select c.conrelid::regclass::text as table, c.confrelid::regclass::text as target from pg_constraint c
     join pg_namespace n on n.oid = c.connamespace where n.nspname = 'earshot' and c.contype = 'f'`,
  );
  const bare = (name: string): string => name.replace(/^earshot\./, "");
  const ordered: string[] = [];
  const visit = (name: string): void => {
    if (ordered.includes(name)) return;
    for (const { table, target } of references) if (bare(table) === name && bare(target) !== name) visit(bare(target));
    ordered.push(name);
  };
  for (const { name } of tables) visit(name);
  return ordered.filter((name) => !leftOut.has(name));
}

/** Columns whose values are the rows' own: PostgreSQL makes the others again. */
async function ownColumns(db: ClientBase, table: string): Promise<string> {
  const { rows } = await db.query<{ name: string }>(
    `select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped
     and attidentity = '' and attgenerated = '' order by attnum`,
    [`earshot.${table}`],
  );
  return rows.map(({ name }) => `"${name}"`).join(", ");
}
