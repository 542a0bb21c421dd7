/** `npm run restore -- --from FOLDER`: a backup into an installation that is still empty, whatever adapters it stands on. */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { storedTables } from "@earshot/analytics/store/clickhouse/table-dump.ts";
import { isEmptyDirectory, loadTenant } from "@earshot/analytics/store/postgres/directory-dump.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { type Manifest, paths, readManifest } from "./format.ts";
import { report } from "./report.ts";
import { openStores, type Stores } from "./stores.ts";

const usage = `npm run restore -- --from FOLDER
  Puts a backup into an installation that nobody has used yet: set EARSHOT_DATA_DIR or the stores' variables to new, empty ones.
  Start Earshot afterwards. People sign in with their passwords of then.`;

/**
 * Tenants come last, so that a restore that was cut short leaves an installation that is still empty to look at, and is begun again on new stores.
 * @throws EarshotError conflict where there is data already; corrupt where a file is not what the manifest says
 */
export async function restore(stores: Stores, folder: string, say: (line: string) => void): Promise<Manifest> {
  const manifest = readManifest(folder);
  const connection = stores.calls.connection();
  const tables = await storedTables(connection);
  if (!(await isEmptyDirectory(stores.directory.pool)) || tables.some(({ rows }) => rows > 0))
    throw new EarshotError("conflict", "not_empty", "There is data in these stores already; nothing was changed.", {
      remedy: "Restore into new stores: another EARSHOT_DATA_DIR, or empty databases.",
    });
  const unknown = manifest.columns.find(({ table, rows }) => rows > 0 && !tables.some(({ name }) => name === table));
  if (unknown !== undefined)
    throw new EarshotError("invalid_request", "backup_of_another_version", `This version has no table "${unknown.table}".`, {
      remedy: `Restore with version ${manifest.version}, then upgrade.`,
    });
  for (const table of tables) {
    const kept = manifest.columns.find((one) => one.table === table.name);
    if (kept === undefined) continue;
    await connection.importTable(table, resolve(paths.columns(folder, table.name)));
  }
  for (const { name, rows } of await storedTables(connection)) {
    const expected = manifest.columns.find(({ table }) => table === name)?.rows ?? 0;
    if (rows !== expected) throw damaged(`${name} has ${rows} rows; the backup was made of ${expected}.`);
    say(`  ${name}: ${rows} rows`);
  }
  for (const { tenant, name, sha256 } of manifest.objects) {
    const stored = await stores.objects.put(tenantId(tenant), name, createReadStream(paths.object(folder, tenant, name)));
    if (stored.sha256 !== sha256) throw damaged(`${name} is not the object that was backed up.`);
  }
  say(`  ${manifest.objects.length} recordings`);
  for (const { id, tables: counts } of manifest.tenants) {
    const dumps = [];
    for (const [table, count] of Object.entries(counts)) {
      const rows = (await readFile(paths.table(folder, id, table), "utf8")).split("\n").filter((line) => line !== "");
      if (rows.length !== count) throw damaged(`${table} of tenant ${id} has ${rows.length} rows; the backup was made of ${count}.`);
      dumps.push({ table, rows });
    }
    await loadTenant(stores.directory.pool, tenantId(id), dumps);
  }
  return manifest;
}

const damaged = (message: string): EarshotError =>
  new EarshotError("corrupt", "backup_damaged", message, {
    remedy: "The backup's files were changed or cut short. Use another backup, on new stores.",
  });

if (import.meta.main)
  await report(usage, async () => {
    const { from } = parseArgs({ options: { from: { type: "string" } } }).values;
    if (from === undefined) return undefined;
    const stores = await openStores(process.env);
    try {
      const { tenants, createdAt } = await restore(stores, resolve(from), (line) => console.log(line));
      return `Restored ${tenants.length} tenants as they were at ${createdAt}.`;
    } finally {
      await stores.close();
    }
  });
