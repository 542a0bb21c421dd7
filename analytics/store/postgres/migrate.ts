/** Numbered migrations, each applied once, in order, in a transaction; several starting processes wait for each other. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Client } from "pg";

const directory = new URL("./migrations/", import.meta.url);
/** Any constant: the advisory lock that one migrating process holds. */
const lockKey = 4_158_201_307;

/**
 * @throws EarshotError conflict where an applied migration's text has changed, or the database is newer than this program
 */
export async function migrate(client: Client, log: Log): Promise<void> {
  const files = (await readdir(directory)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort();
  await client.query("select pg_advisory_lock($1)", [lockKey]);
  try {
    await client.query("create schema if not exists earshot");
    await client.query(
      "create table if not exists earshot.migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())",
    );
    const applied = new Map(
      (await client.query<{ name: string; sha256: string }>("select name, sha256 from earshot.migrations")).rows.map((row) => [
        row.name,
        row.sha256,
      ]),
    );
    for (const name of applied.keys()) {
      if (!files.includes(name))
        throw new EarshotError("conflict", "database_newer", "The database has been migrated by a newer Earshot.", {
          remedy: "Start the newer version, or restore a backup made before the upgrade.",
          details: { migration: name },
        });
    }
    for (const name of files) {
      const sql = await readFile(new URL(name, directory), "utf8");
      const sha256 = createHash("sha256").update(sql).digest("hex");
      const before = applied.get(name);
      if (before === sha256) continue;
      if (before !== undefined)
        throw new EarshotError("conflict", "migration_changed", "A migration that was applied has changed since.", {
          remedy: "Restore the file as released; add a new migration for a change.",
          details: { migration: name },
        });
      await client.query("begin");
      try {
        await client.query(sql);
        await client.query("insert into earshot.migrations (name, sha256) values ($1, $2)", [name, sha256]);
        await client.query("commit");
      } catch (error) {
        await client.query("rollback");
        throw error;
      }
      log.info({ migration: name }, "PostgreSQL migration applied");
    }
  } finally {
    await client.query("select pg_advisory_unlock($1)", [lockKey]);
  }
}
