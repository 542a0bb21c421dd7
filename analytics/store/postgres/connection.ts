/** Reaches PostgreSQL (ours or yours), migrates it, and opens the pool of the role that row-level security binds. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import pg, { type Client, type ClientConfig, type Pool } from "pg";
import { startEmbeddedServer } from "./embedded-server.ts";
import { migrate } from "./migrate.ts";
import type { ServerState } from "./server-keeper.ts";
import type { postgresSettings } from "./settings.ts";

export type Connection = {
  pool: Pool /** The server's owner, for tests that look underneath. */;
  owner: ClientConfig;
  close(deadlineMs: number): Promise<void>;
};

export async function openConnection(options: {
  url: string;
  dataDir: string;
  log: Log;
  settings: SettingsOf<typeof postgresSettings>;
  clock: Clock;
  onState(state: ServerState): void;
}): Promise<Connection> {
  const { url, settings, log } = options;
  if (!url.startsWith("embedded:")) {
    const owner: ClientConfig = {
      connectionString: url,
      application_name: "earshot",
      connectionTimeoutMillis: settings.queryTimeoutMs,
    };
    await prepare(owner, log);
    // The role is part of the connection: RESET ROLE comes back to it.
    const pool = await openPool({ ...owner, options: "-c role=earshot_app" }, options);
    return { pool, owner, close: () => pool.end() };
  }
  const server = await startEmbeddedServer(url.slice("embedded:".length) || join(options.dataDir, "postgres"), options);
  try {
    const owner: ClientConfig = {
      host: "127.0.0.1",
      port: server.port,
      user: "postgres",
      password: server.password,
      database: "postgres",
      application_name: "earshot",
      connectionTimeoutMillis: settings.queryTimeoutMs,
    };
    // A new password at each start: nothing outside this process ever needs it.
    const password = randomBytes(24).toString("base64url");
    await prepare(owner, log, (client) => client.query(`alter role earshot_app login password '${password}'`));
    const pool = await openPool({ ...owner, user: "earshot_app", password }, options);
    return {
      pool,
      owner,
      async close(deadlineMs) {
        await pool.end();
        await server.stop(deadlineMs);
      },
    };
  } catch (error) {
    await server.stop(1000);
    throw error;
  }
}

async function prepare(owner: ClientConfig, log: Log, then?: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(owner);
  client.on("error", () => log.warn({}, "The connection to PostgreSQL was lost while it was being prepared"));
  try {
    await client.connect();
  } catch (cause) {
    throw new EarshotError("unavailable", "database_unreachable", "PostgreSQL cannot be reached.", {
      remedy: "Check EARSHOT_RELATIONAL_STORE: host, port, user, password and database, and that the server runs.",
      cause,
    });
  }
  try {
    await migrate(client, log);
    await then?.(client);
  } finally {
    await client.end();
  }
}

async function openPool(
  connection: ClientConfig,
  { settings, log }: { settings: SettingsOf<typeof postgresSettings>; log: Log },
): Promise<Pool> {
  const pool = new pg.Pool({
    ...connection,
    max: settings.poolSize,
    statement_timeout: settings.queryTimeoutMs,
    connectionTimeoutMillis: settings.queryTimeoutMs,
    idleTimeoutMillis: 60_000,
  });
  // Said once a connection breaks by itself; those that `end` closes may report it too.
  pool.on("error", () => {
    if (!pool.ending) log.warn({}, "An idle connection to PostgreSQL was lost");
  });
  const { rows } = await pool.query<{ rolsuper: boolean; rolbypassrls: boolean }>(
    "select rolsuper, rolbypassrls from pg_roles where rolname = current_user",
  );
  if (rows[0] === undefined || rows[0].rolsuper || rows[0].rolbypassrls) {
    await pool.end();
    throw new EarshotError("forbidden", "database_role_too_strong", "The application's database role is not bound by row-level security.", {
      remedy:
        "Let EARSHOT_RELATIONAL_STORE name a user that may SET ROLE earshot_app, without a connection pooler that drops start-up options.",
    });
  }
  return pool;
}
