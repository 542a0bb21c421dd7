/** Earshot as its user runs it: a child process on free ports with a data directory of its own. For end-to-end tests and benches. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import nodeFlags from "../setup/node-flags.json" with { type: "json" };

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

export type EarshotProcess = {
  readonly pid: number;
  readonly httpPort: number;
  readonly sipPort: number;
  readonly apiKey: string;
  readonly password: string;
  readonly dataDir: string;
  /** From spawn to ready. */
  readonly secondsToReady: number;
  /** Everything printed so far. */
  output(): string;
  /** GET with the API key. @throws with status and body where the answer is not 2xx */
  get<T>(path: string): Promise<T>;
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Ctrl-C; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** kill -9; the data directory stays. */
  kill(): Promise<void>;
};

/**
 * @param options.dataDir an earlier one, to start again on what is there; kept on stop then
 * @param options.script in place of deploy/main.ts
 */
export async function startEarshot(
  options: { dataDir?: string; env?: Record<string, string>; args?: string[]; script?: string } = {},
): Promise<EarshotProcess> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "earshot-e2e-"));
  const rtpFrom = 30_000 + Math.floor(Math.random() * 80) * 200;
  const apiKey = "ear_e2e_0123456789abcdef0123456789abcdef";
  const password = "correct horse battery staple";
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...nodeFlags, options.script ?? main, ...(options.args ?? [])], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NODE_ENV: "production",
      EARSHOT_DATA_DIR: dataDir,
      EARSHOT_HTTP_PORT: "0",
      EARSHOT_SIP_PORT: "0",
      EARSHOT_RTP_PORTS: `${rtpFrom}-${rtpFrom + 199}`,
      EARSHOT_ADMIN_API_KEY: apiKey,
      EARSHOT_ADMIN_PASSWORD: password,
      EARSHOT_DRAIN_SECONDS: "1",
      ...options.env,
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => {
      output += data.toString("utf8");
    });
  const { httpPort, sipPort } = await ready(child, () => output);
  const secondsToReady = (performance.now() - startedAt) / 1000;
  const base = `http://127.0.0.1:${httpPort}`;
  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${base}${path}`, { ...init, headers: { authorization: `Bearer ${apiKey}`, ...init.headers } });
  return {
    pid: child.pid!,
    httpPort,
    sipPort,
    apiKey,
    password,
    dataDir,
    secondsToReady,
    output: () => output,
    request,
    async get<T>(path: string): Promise<T> {
      const response = await request(path);
      if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, "exit");
        child.kill("SIGINT");
        await exited;
      }
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
      return child.exitCode;
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** The banner is printed when everything serves, and names the ports that were free. */
async function ready(child: ChildProcess, output: () => string): Promise<{ httpPort: number; sipPort: number }> {
  const deadline = performance.now() + 90_000;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`Earshot exited with ${child.exitCode} before it was ready:\n${output()}`);
    const web = /^ +web +http:\/\/[^:]+:(\d+)$/m.exec(output());
    const sip = /^ +sip\/udp +\S+:(\d+)$/m.exec(output());
    if (web !== null && sip !== null) return { httpPort: Number(web[1]), sipPort: Number(sip[1]) };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill("SIGKILL");
  throw new Error(`Earshot was not ready within 90 s:\n${output()}`);
}

/** Asks until `check` is true. @throws with the last value where it is not within `ms` */
export async function eventually<T>(ask: () => Promise<T>, check: (value: T) => boolean, ms: number): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await ask();
    if (check(value)) return value;
    if (performance.now() > deadline) throw new Error(`Not within ${ms} ms; the last answer was ${JSON.stringify(value).slice(0, 2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
