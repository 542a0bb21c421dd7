/**
 * A ClickHouse server for tests, where no package brings one: ClickHouse's own engine (chDB) in a process of its own behind the HTTP interface
 * that @clickhouse/client speaks. It can be killed, paused and started again on the same data and port.
 *
 * ```ts
 * const front = await startClickHouseFront({ directory });            // or { directory, port, user, password }
 * const store = createClickHouseCallStore({ url: front.url, ... });   // clickhouse://user:password@127.0.0.1:PORT/default
 * await front.kill();                                                 // SIGKILL: connections are reset, then refused
 * await front.restart();                                              // the same data, port and password
 * front.pause(); front.resume();                                      // SIGSTOP and SIGCONT: connections are taken, nothing is answered
 * await front.holdInsert("segments");                                 // the next insert there is stored and never answered; resolves when it is
 * await front.stop();
 * ```
 *
 * What it is not: a server. No replication, no keeper, no users or quotas but the one, no asynchronous inserts (the setting is taken, and means nothing).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { FrontCluster } from "./cluster-statements.ts";

export type ClickHouseFrontOptions = {
  /** The engine's data; kept when the front ends. */
  readonly directory: string;
  /** 0 = any free one; a restart keeps it. */
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  /** Plays an older server: says that it is this version, and refuses statements with names that it does not know. */
  readonly older?: { readonly version: string; readonly unknown: readonly string[] };
  /** Plays a replica of a cluster, whose rules statements are held to: see cluster-statements.ts. */
  readonly cluster?: FrontCluster;
  /** Default "default", which is always there. */
  readonly database?: string;
};

export type ClickHouseFront = {
  readonly url: string;
  readonly port: number;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
  /** The next insert into this table is stored and never answered: its writer stands between write and commit. Resolves when one is. */
  holdInsert(table: string): Promise<void>;
};

export async function startClickHouseFront(options: ClickHouseFrontOptions): Promise<ClickHouseFront> {
  const { directory, user = "earshot", password = "secret", older = { version: "", unknown: [] }, cluster, database = "default" } = options;
  let child: ChildProcess;
  let port = options.port ?? 0;
  const start = async () => {
    // Parameters come in the address, for which a server takes a megabyte (http_max_uri_size).
    const options = ["--disable-warning=ExperimentalWarning", `--max-http-header-size=${1024 * 1024}`];
    child = spawn(process.execPath, [...options, join(import.meta.dirname, "clickhouse-front-process.ts")], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
      env: {
        ...process.env,
        FRONT_DIRECTORY: directory,
        FRONT_PORT: String(port),
        FRONT_USER: user,
        FRONT_PASSWORD: password,
        FRONT_VERSION: older.version,
        FRONT_UNKNOWN: older.unknown.join(","),
        ...(cluster === undefined ? {} : { FRONT_CLUSTER: JSON.stringify(cluster) }),
      },
    });
    for await (const line of createInterface({ input: child.stdout! })) {
      port = Number(line);
      return;
    }
    throw new Error("The ClickHouse front did not start.");
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    // A paused process gets its signal when it goes on.
    child.kill("SIGCONT");
    await ended;
  };
  await start();
  return {
    url: `clickhouse://${user}:${password}@127.0.0.1:${port}/${database}`,
    port,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    async restart() {
      await end("SIGTERM");
      await start();
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async holdInsert(table) {
      const held = once(child, "message");
      child.send(table);
      await held;
    },
  };
}
