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
 * Roles and who is a member of them are the server's, and the lock is the database's: another database that is prepared at the same moment may
 * have made one just now. Then: unique_violation, duplicate_object, and the internal error "tuple concurrently updated". Each comes when the other
 * has committed, so that the next try finds its role; so many databases may get in each other's way in a row.
 */
const collisions = ["23505", "42710", "XX000"];
const mostTries = 20;

type Migration = { readonly name: string; readonly sql: string; readonly sha256: string };

/**
 * What has not been applied yet, in order; everything where the role may not even look.
 * @throws EarshotError conflict where an applied migration's text has changed, or the database is newer than this program
 */
export async function pendingMigrations(client: Client): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort();
  const applied = await appliedMigrations(client);
  for (const name of applied.keys()) {
    if (!names.includes(name))
      throw new EarshotError("conflict", "database_newer", "The database has been migrated by a newer Earshot.", {
        remedy: "Start the newer version, or restore a backup made before the upgrade.",
        details: { migration: name },
      });
  }
  const pending: Migration[] = [];
  for (const name of names) {
    const sql = await readFile(new URL(name, directory), "utf8");
    const sha256 = createHash("sha256").update(sql).digest("hex");
    const before = applied.get(name);
    if (before === undefined) pending.push({ name, sql, sha256 });
    else if (before !== sha256)
      throw new EarshotError("conflict", "migration_changed", "A migration that was applied has changed since.", {
        remedy: "Restore the file as released; add a new migration for a change.",
        details: { migration: name },
      });
  }
  return pending;
}

async function appliedMigrations(client: Client): Promise<Map<string, string>> {
  try {
    const { rows } = await client.query<{ name: string; sha256: string }>("select name, sha256 from earshot.migrations");
    return new Map(rows.map(({ name, sha256 }) => [name, sha256]));
  } catch (error) {
    // No such schema, no such table, or no right to look into it.
    if (["3F000", "42P01", "42501"].includes((error as { code?: string }).code ?? "")) return new Map();
    throw error;
  }
}

/**
 * Applies what is pending; whoever comes second waits, up to the connection's statement timeout, and finds it done.
 * @param application the role that the application signs in as, where it is another than this connection's: it is made a member of earshot_app
 * @throws EarshotError as pendingMigrations; forbidden where this role may not do what the migrations need; timeout
 */
export async function migrate(client: Client, log: Log, application?: string): Promise<void> {
  try {
    await client.query("select pg_advisory_lock($1)", [lockKey]);
    try {
      await client.query("create schema if not exists earshot");
      await client.query(
        "create table if not exists earshot.migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())",
      );
      for (const migration of await pendingMigrations(client)) await besideOthers(() => apply(client, log, migration));
      if (application !== undefined) await besideOthers(() => admit(client, application));
    } finally {
      await client.query("select pg_advisory_unlock($1)", [lockKey]);
    }
  } catch (error) {
    throw explained(error, client);
  }
}

async function besideOthers(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      await work();
      return;
    } catch (error) {
      if (tries === mostTries || !collisions.includes((error as { code?: string }).code ?? "")) throw error;
    }
}

async function apply(client: Client, log: Log, { name, sql, sha256 }: Migration): Promise<void> {
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

async function admit(client: Client, application: string): Promise<void> {
  const { rows } = await client.query<{ member: boolean }>("select pg_has_role($1, 'earshot_app', 'MEMBER') as member", [application]);
  if (rows[0]?.member !== true) await client.query(`grant earshot_app to ${client.escapeIdentifier(application)}`);
}

function explained(error: unknown, client: Client): unknown {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (code === "42501")
    return new EarshotError("forbidden", "database_owner_too_weak", `The role "${client.user}" may not prepare the database: ${message}.`, {
      remedy: "Let it own the database and have CREATEROLE, or create the roles beforehand: deploy/docs/postgresql.md.",
      cause: error,
    });
  if (code === "57014")
    return new EarshotError("timeout", "migration_slow", "Preparing the database took too long, or another process holds it.", {
      remedy:
        "Look for a hanging Earshot in pg_stat_activity, or raise EARSHOT_POSTGRES_MIGRATION_TIMEOUT_MS; nothing unfinished was kept.",
      cause: error,
    });
  return error;
}
