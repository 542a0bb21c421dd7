/**
 * What a backup is on disk: plain files that do not depend on the adapters, so that a backup of one machine can be restored into a cluster.
 *
 *   manifest.json                     written last: a folder without it is no backup
 *   relational/<tenant>/<table>.ndjson  one row a line, as PostgreSQL writes it in JSON
 *   columns/<table>.native            ClickHouse's Native format
 *   objects/<tenant>/<name>           recordings and what else the object store holds
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";
import { z } from "zod";

export const backupFormat = 1;

const manifest = z.object({
  format: z.literal(backupFormat),
  /** Earshot's version that made it. */
  version: z.string(),
  createdAt: z.iso.datetime(),
  tenants: z.array(z.object({ id: z.string(), tables: z.record(z.string(), z.number().int()) })),
  columns: z.array(z.object({ table: z.string(), rows: z.number().int() })),
  objects: z.array(z.object({ tenant: z.string(), name: z.string(), bytes: z.number().int(), sha256: z.string() })),
});
export type Manifest = z.infer<typeof manifest>;

/** @throws EarshotError not_found where the folder holds no finished backup; corrupt where its manifest is not one of this format */
export function readManifest(folder: string): Manifest {
  let text: string;
  try {
    text = readFileSync(join(folder, "manifest.json"), "utf8");
  } catch (cause) {
    throw new EarshotError("not_found", "no_backup", `There is no finished backup in ${folder}: manifest.json is missing.`, {
      remedy: "Name the folder that `npm run backup -- --to` was given. A backup that was cut short has no manifest; make it again.",
      cause,
    });
  }
  try {
    return manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new EarshotError("corrupt", "bad_manifest", "The backup's manifest cannot be read by this version.", {
      remedy: "Restore with the version that made the backup; its number stands in manifest.json.",
      cause,
    });
  }
}

export const paths = {
  table: (folder: string, tenant: string, table: string) => join(folder, "relational", tenant, `${table}.ndjson`),
  columns: (folder: string, table: string) => join(folder, "columns", `${table}.native`),
  object: (folder: string, tenant: string, name: string) => join(folder, "objects", tenant, name),
};
