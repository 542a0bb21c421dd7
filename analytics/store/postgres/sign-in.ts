/** Signing in to a PostgreSQL server at the start: what its URLs say, and what is wrong, said with the setting to change. */
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import pg, { type Client, type ClientConfig } from "pg";

export const applicationEnv = "EARSHOT_RELATIONAL_STORE";
export const ownerEnv = "EARSHOT_RELATIONAL_STORE_OWNER";
/** The oldest that PostgreSQL itself still mends, and the oldest of which the contract suite is run: 15. */
export const oldestServer = 150_000;

/** One of the two sign-ins and the setting that names it. */
export type SignIn = { readonly env: string; readonly config: ClientConfig };

export function signInOf(env: string, url: string, settings: { readonly queryTimeoutMs: number }): SignIn {
  return {
    env,
    config: {
      connectionString: url,
      application_name: "earshot",
      connectionTimeoutMillis: settings.queryTimeoutMs,
      keepAlive: true,
    },
  };
}

/**
 * What can be known of the URLs without connecting.
 * @param ownerUrl empty where the application's role migrates
 * @throws EarshotError invalid_request, without any part of a URL that may be a password
 */
export function checkUrls(url: string, ownerUrl: string): void {
  const embedded = url.startsWith("embedded:");
  if (embedded && ownerUrl !== "")
    throw invalid(`${ownerEnv} is set, and ${applicationEnv} is the embedded server.`, `Leave ${ownerEnv} out, or name a server in both.`);
  if (embedded) return;
  const application = parsed(applicationEnv, url);
  if (ownerUrl === "") return;
  const owner = parsed(ownerEnv, ownerUrl);
  if (owner.database !== application.database)
    throw invalid(
      `${applicationEnv} names the database "${application.database}", ${ownerEnv} "${owner.database}".`,
      "Name the same database in both.",
    );
  if (owner.user === application.user)
    throw invalid(
      `${applicationEnv} and ${ownerEnv} sign in as the same role, "${owner.user}".`,
      `Give the application a role of its own (deploy/docs/postgresql.md), or leave ${ownerEnv} out.`,
    );
}

function parsed(env: string, url: string): Client {
  try {
    return new pg.Client({ connectionString: url });
  } catch (error) {
    const { code = "", path = "" } = error as { code?: string; path?: string };
    // A cause would carry the URL.
    if (code === "ENOENT" || code === "EACCES")
      throw invalid(`${env} names a certificate that cannot be read: ${path}.`, "Mend sslrootcert, sslcert or sslkey.");
    throw invalid(
      `${env} is no URL that can be read.`,
      "Write postgres://user:password@host:5432/database, with characters such as @ : / ? # % of a password as %40 %3A %2F %3F %23 %25.",
    );
  }
}

const invalid = (message: string, remedy: string): EarshotError =>
  new EarshotError("invalid_request", "database_url_invalid", message, { remedy });

/**
 * Signs in, looks at the server's version, runs `work` and signs off.
 * @throws EarshotError that names the setting; whatever `work` throws
 */
export async function signedIn<T>({ env, config }: SignIn, log: Log, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(config);
  client.on("error", () => log.warn({}, "The connection to PostgreSQL was lost while it was being prepared"));
  try {
    await client.connect();
  } catch (cause) {
    throw refusal(env, client, cause);
  }
  try {
    const { rows } = await client.query<{ server_version_num: string }>("show server_version_num");
    checkServer(Number(rows[0]?.server_version_num), env);
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** @param version as in server_version_num: 150018 is 15.18 */
export function checkServer(version: number, env: string): void {
  if (version >= oldestServer) return;
  const major = (number: number): number => Math.floor(number / 10_000);
  throw new EarshotError(
    "conflict",
    "database_too_old",
    `The PostgreSQL server is version ${major(version)}; ${major(oldestServer)} is the oldest that is supported.`,
    {
      remedy: `Upgrade the server, or name another in ${env}.`,
    },
  );
}

/** What a server, or the way to it, says to a sign-in that it refuses. */
function refusal(env: string, client: Client, cause: unknown): EarshotError {
  const { code = "", message = "" } = cause as { code?: string; message?: string };
  const where = `${client.host}:${client.port}`;
  const say = (category: "unavailable" | "forbidden" | "not_found", name: string, text: string, remedy: string): EarshotError =>
    new EarshotError(category, name, text, { remedy, cause });
  if (code === "28P01")
    return say(
      "forbidden",
      "database_password_wrong",
      `PostgreSQL does not take the password of the role "${client.user}", or has no such role.`,
      `Check user and password in ${env}.`,
    );
  if (code === "28000")
    return say(
      "forbidden",
      "database_sign_in_refused",
      `PostgreSQL at ${where} does not let the role "${client.user}" in from here.`,
      `Check that the role may log in and that pg_hba.conf has a line for it and this host; where that line is "hostssl", add ?sslmode=verify-full to ${env}.`,
    );
  if (code === "3D000")
    return say(
      "not_found",
      "database_missing",
      `PostgreSQL at ${where} has no database "${client.database}".`,
      `Create it (CREATE DATABASE "${client.database}"; see deploy/docs/postgresql.md), or mend the name in ${env}.`,
    );
  if (code === "53300")
    return say(
      "unavailable",
      "database_full",
      "PostgreSQL has no connection to spare.",
      "Lower EARSHOT_POSTGRES_POOL, or raise the server's max_connections.",
    );
  // The texts are the client's own: it has no code for them.
  if (/does not support SSL|error establishing an SSL/.test(message))
    return say(
      "forbidden",
      "database_tls_refused",
      `PostgreSQL at ${where} offers no TLS, and ${env} asks for it.`,
      `Set "ssl = on" with a certificate on the server; where the way to it is safe without, drop sslmode from ${env}.`,
    );
  if (/^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_)/.test(code))
    return say(
      "forbidden",
      "database_tls_refused",
      `The TLS certificate of PostgreSQL at ${where} is not accepted (${code}).`,
      `Name its authority with ?sslmode=verify-full&sslrootcert=FILE in ${env}, and the host as the certificate names it.`,
    );
  return say(
    "unavailable",
    "database_unreachable",
    `PostgreSQL cannot be reached at ${where}.`,
    `Check host and port in ${env}, and that the server runs and takes connections from here.`,
  );
}
