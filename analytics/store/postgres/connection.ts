/**
 * Reaches PostgreSQL (ours or yours), migrates it, and opens the pool of the role that row-level security binds.
 *
 * Two sign-ins: the owner's, which makes and changes tables and is used for nothing else, and the application's, which is a member of
 * earshot_app and cannot bypass row-level security. With one URL its role is both, and the application's connections take earshot_app on.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import pg, { type Client, type ClientConfig, type Pool } from "pg";
import { startEmbeddedServer } from "./embedded-server.ts";
import { checkLogin, checkMember, checkStrength, type Login } from "./login-check.ts";
import { migrate, pendingMigrations } from "./migrate.ts";
import type { ServerState } from "./server-keeper.ts";
import type { postgresSettings } from "./settings.ts";
import { applicationEnv, ownerEnv, type SignIn, signedIn, signInOf } from "./sign-in.ts";

export type Connection = {
  pool: Pool;
  /** How to sign in as the tables' owner, where this process knows it; for tests that look underneath. */
  owner: ClientConfig | undefined;
  close(deadlineMs: number): Promise<void>;
};

export type ConnectionOptions = {
  /** `embedded:[DIR]`, or the application's `postgres://` URL */
  url: string;
  /** The owner's `postgres://` URL; empty: the application's role migrates where it may */
  ownerUrl: string;
  dataDir: string;
  log: Log;
  settings: SettingsOf<typeof postgresSettings>;
  clock: Clock;
  onState(state: ServerState): void;
};

/** @throws EarshotError that says which setting to change, or what to do on the server */
export function openConnection(options: ConnectionOptions): Promise<Connection> {
  return options.url.startsWith("embedded:") ? openEmbedded(options) : openServer(options);
}

async function openServer(options: ConnectionOptions): Promise<Connection> {
  const { url, ownerUrl, settings, log } = options;
  const application = signInOf(applicationEnv, url, settings);
  const owner = ownerUrl === "" ? undefined : signInOf(ownerEnv, ownerUrl, settings);
  // Who is too strong to be the application is told before anything is made.
  const login = await signedIn(application, log, checkStrength);
  if (owner === undefined) await signedIn(migrating(application, settings), log, (client) => migrateAsApplication(client, login, log));
  else await signedIn(migrating(owner, settings), log, (client) => migrate(client, log, login.login));
  const { ownsTables } = await signedIn(application, log, (client) => checkLogin(client, owner !== undefined));
  if (ownsTables)
    log.warn({ login: login.login }, `The application signs in as the owner of its tables; a role of its own is safer: see ${ownerEnv}`);
  // The role is part of the connection: RESET ROLE comes back to it.
  const pool = await openPool({ ...application.config, options: "-c role=earshot_app" }, options);
  return { pool, owner: owner?.config ?? (ownsTables ? application.config : undefined), close: () => pool.end() };
}

async function migrateAsApplication(client: Client, login: Login, log: Log): Promise<void> {
  // Who is no member may not even see what has been applied.
  if (login.has_schema && !login.may_migrate) checkMember(login);
  if ((await pendingMigrations(client)).length === 0) return;
  if (login.may_migrate) return migrate(client, log);
  throw new EarshotError(
    "conflict",
    "database_not_migrated",
    `The database is not prepared for this version, and the role "${login.login}" may not do that.`,
    { remedy: `Set ${ownerEnv} to the URL of the database's owner, for one process at least.` },
  );
}

async function openEmbedded(options: ConnectionOptions): Promise<Connection> {
  const { url, settings, log } = options;
  const server = await startEmbeddedServer(url.slice("embedded:".length) || join(options.dataDir, "postgres"), options);
  try {
    const owner: SignIn = {
      env: applicationEnv,
      config: {
        host: "127.0.0.1",
        port: server.port,
        user: "postgres",
        password: server.password,
        database: "postgres",
        application_name: "earshot",
        connectionTimeoutMillis: settings.queryTimeoutMs,
      },
    };
    // A new password at each start: nothing outside this process ever needs it.
    const password = randomBytes(24).toString("base64url");
    await signedIn(migrating(owner, settings), log, async (client) => {
      await migrate(client, log);
      await client.query(`alter role earshot_app login password '${password}'`);
    });
    const application: SignIn = { ...owner, config: { ...owner.config, user: "earshot_app", password } };
    await signedIn(application, log, (client) => checkLogin(client, true));
    const pool = await openPool(application.config, options);
    return {
      pool,
      owner: owner.config,
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

/** A migration may take long; it and the wait for another process's are bounded by a setting of their own. */
function migrating({ env, config }: SignIn, settings: SettingsOf<typeof postgresSettings>): SignIn {
  return { env, config: { ...config, statement_timeout: settings.migrationTimeoutMs } };
}

/** A server that hangs cancels nothing: the client gives up by itself this much later. */
const hangMs = 1000;

async function openPool(connection: ClientConfig, { settings, log }: ConnectionOptions): Promise<Pool> {
  const pool = new pg.Pool({
    ...connection,
    max: settings.poolSize,
    statement_timeout: settings.queryTimeoutMs,
    query_timeout: settings.queryTimeoutMs + hangMs,
    // What a process that is cut off has locked is free again for the others.
    idle_in_transaction_session_timeout: settings.queryTimeoutMs,
    connectionTimeoutMillis: settings.queryTimeoutMs,
    idleTimeoutMillis: 60_000,
  });
  // Said once a connection breaks by itself; those that `end` closes may report it too.
  pool.on("error", () => {
    if (!pool.ending) log.warn({}, "An idle connection to PostgreSQL was lost");
  });
  // The pool listens to idle connections alone. Whoever uses a lost one gets the error from the query; unheard, the event would end the process.
  pool.on("connect", (client) => client.on("error", () => {}));
  try {
    const { rows } = await pool.query<{ role: string }>("select current_user::text as role");
    if (rows[0]?.role !== "earshot_app")
      throw new EarshotError("forbidden", "database_role_lost", "The connections to PostgreSQL do not take on the role earshot_app.", {
        remedy: `Name the server itself in ${applicationEnv}, or a pooler that passes start-up options on.`,
      });
  } catch (error) {
    await pool.end();
    throw error;
  }
  return pool;
}
