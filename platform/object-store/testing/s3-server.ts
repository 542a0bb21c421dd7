/**
 * A real S3 server on loopback for tests: versitygw over a folder. It can be killed and started again on the same data and port, and paused.
 *
 *     const server = await startS3Server();                 // undefined where versitygw is not installed
 *     const env = server.env("bucket/prefix");              // EARSHOT_OBJECT_STORE, EARSHOT_S3_ENDPOINT ... for a process or readSettings
 *     await server.kill(); ... await server.restart();      // the same data, the same port
 *     server.pause(); ... server.resume();                  // takes connections and answers nothing
 *     await server.dispose();
 *
 * `VERSITYGW_BIN` names the binary; otherwise the PATH and Go's own folder are searched. With REQUIRE_SERVERS=1 a missing binary is an error.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "../../testing/free-port.ts";

export type S3Server = {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Folder of the buckets: one folder each, objects as files. */
  readonly data: string;
  makeBucket(name: string): Promise<void>;
  /** What a process is given to use `s3://<bucketAndPrefix>` of this server. */
  env(bucketAndPrefix: string): Record<string, string>;
  /** SIGKILL, in the middle of whatever it does. */
  kill(): Promise<void>;
  /** Again on the same data and port; kills it first where it still runs. */
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Ends it and removes its folder. */
  dispose(): Promise<void>;
};

const credentials = { accessKeyId: "earshot-test", secretAccessKey: "earshot-test-secret" } as const;
const region = "eu-test-1";

/** @returns the path of versitygw, undefined where there is none */
export function findS3Server(): string | undefined {
  const named = process.env.VERSITYGW_BIN;
  if (named !== undefined && named !== "") return existsSync(named) ? named : undefined;
  let goBin = join(homedir(), "go", "bin");
  try {
    goBin = join(execFileSync("go", ["env", "GOPATH"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim(), "bin");
  } catch {}
  return [...(process.env.PATH ?? "").split(delimiter), goBin].map((folder) => join(folder, "versitygw")).find((path) => existsSync(path));
}

/** Reason for a visible skip, "" where the server is there. */
export const s3ServerMissing: string = findS3Server() === undefined ? "versitygw is not installed (see .ci/run)" : "";

/** @throws where REQUIRE_SERVERS=1 and there is no server, or where it does not come up in 20 s */
export async function startS3Server(): Promise<S3Server | undefined> {
  const binary = findS3Server();
  if (binary === undefined) {
    if (process.env.REQUIRE_SERVERS === "1") throw new Error(`REQUIRE_SERVERS=1, but ${s3ServerMissing}`);
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), "earshot-s3-server-"));
  const data = join(folder, "data");
  const sidecar = join(folder, "metadata");
  for (const path of [data, sidecar]) await mkdir(path);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const output = openSync(join(folder, "output"), "a");
    const args = ["--port", `127.0.0.1:${port}`, "--region", region, "--keep-alive", "--quiet", "posix", "--sidecar", sidecar, data];
    const env = { ...process.env, ROOT_ACCESS_KEY_ID: credentials.accessKeyId, ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey };
    const started = spawn(binary, args, { stdio: ["ignore", output, output], env });
    child = started;
    for (let tries = 0; !(await accepts(port)); tries++) {
      if (started.exitCode !== null || tries > 400)
        throw new Error(`versitygw does not serve on ${endpoint}: ${await readFile(join(folder, "output"), "utf8")}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "exit");
    running.kill("SIGKILL");
    await gone;
  };

  await start();
  return {
    endpoint,
    region,
    ...credentials,
    data,
    makeBucket: async (name) => {
      await mkdir(join(data, name));
    },
    env: (bucketAndPrefix) => ({
      EARSHOT_OBJECT_STORE: `s3://${bucketAndPrefix}`,
      EARSHOT_S3_ENDPOINT: endpoint,
      EARSHOT_S3_REGION: region,
      EARSHOT_S3_ACCESS_KEY_ID: credentials.accessKeyId,
      EARSHOT_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    }),
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    dispose: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
