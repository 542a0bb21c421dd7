/** `npm run backup -- --to FOLDER`: everything that an installation remembers, as plain files. */
import { createWriteStream, existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { storedTables } from "@earshot/analytics/store/clickhouse/table-dump.ts";
import { dumpTenant } from "@earshot/analytics/store/postgres/directory-dump.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { backupFormat, type Manifest, paths } from "./format.ts";
import { report } from "./report.ts";
import { openStores, type Stores } from "./stores.ts";

const usage = `npm run backup -- --to FOLDER
  Writes tenants, people, settings, calls, transcripts and recordings to a new or empty folder.
  Embedded stores: stop Earshot first. Servers: it may run; calls that end meanwhile may be missing.
  Not in it: the event log (calls that are up) and signed-in sessions.`;

/** @throws EarshotError conflict where the folder is not empty; whatever a store reports */
export async function backUp(stores: Stores, folder: string, say: (line: string) => void): Promise<Manifest> {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new EarshotError("conflict", "folder_not_empty", `${folder} is not empty; nothing was written.`, {
      remedy: "Name a new folder for each backup.",
    });
  const tenants: Manifest["tenants"] = [];
  const objects: Manifest["objects"] = [];
  for (const { id, name } of await stores.directory.tenants()) {
    const tables: Record<string, number> = {};
    for (const { table, rows } of await dumpTenant(stores.directory.pool, id)) {
      const file = paths.table(folder, id, table);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, rows.map((row) => `${row}\n`).join(""), { mode: 0o600 });
      tables[table] = rows.length;
    }
    tenants.push({ id, tables });
    let bytes = 0;
    let count = 0;
    for await (const { key, bytes: size, sha256 } of stores.objects.list(id, "")) {
      const objectName = key.slice(key.indexOf(id) + id.length + 1);
      const file = paths.object(folder, id, objectName);
      await mkdir(dirname(file), { recursive: true });
      await pipeline(await stores.objects.get(id, objectName), createWriteStream(file, { mode: 0o600 }));
      objects.push({ tenant: id, name: objectName, bytes: size, sha256 });
      bytes += size;
      if (++count % 500 === 0) say(`  ${name}: ${count} recordings, ${(bytes / 2 ** 20).toFixed(0)} MiB so far`);
    }
    say(`  ${name}: settings, ${count} recordings, ${(bytes / 2 ** 20).toFixed(1)} MiB`);
  }
  const columns: Manifest["columns"] = [];
  const connection = stores.calls.connection();
  for (const table of await storedTables(connection)) {
    const file = paths.columns(folder, table.name);
    await mkdir(dirname(file), { recursive: true });
    await connection.exportTable(table, resolve(file));
    columns.push({ table: table.name, rows: table.rows });
    say(`  ${table.name}: ${table.rows} rows`);
  }
  const version = (JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;
  const createdAt = new Date(systemClock.now()).toISOString();
  const manifest: Manifest = { format: backupFormat, version, createdAt, tenants, columns, objects };
  await writeFile(`${folder}/manifest.json`, `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
  return manifest;
}

if (import.meta.main)
  await report(usage, async () => {
    const { to } = parseArgs({ options: { to: { type: "string" } } }).values;
    if (to === undefined) return undefined;
    const stores = await openStores(process.env);
    try {
      const { tenants, objects } = await backUp(stores, resolve(to), (line) => console.log(line));
      return `Backed up ${tenants.length} tenants and ${objects.length} recordings to ${resolve(to)}. It holds password hashes and what people said: keep it as safe as the data.`;
    } finally {
      await stores.close();
    }
  });
