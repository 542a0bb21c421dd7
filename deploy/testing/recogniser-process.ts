/** The recogniser server as its user runs it: a child process on a port of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../recogniser-server/main.ts", import.meta.url));

export type RecogniserProcess = {
  readonly port: number;
  readonly pid: number;
  /** What it said of itself. */
  readonly banner: string;
  /** kill -9 */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
};

/** Resolves when it serves. @throws with what it printed where it ends instead */
export async function startRecogniser(env: Record<string, string> = {}): Promise<RecogniserProcess> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, EARSHOT_RECOGNISER_PORT: "0", EARSHOT_ASR: "pocketsphinx", EARSHOT_GRPC_ASR_URL: "", ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => {
      output += data.toString("utf8");
    });
  const deadline = performance.now() + 60_000;
  let banner: RegExpExecArray | null = null;
  while (banner === null) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`The recogniser did not serve:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    banner = /^Speech recogniser .* serves on \S+:(\d+).*$/m.exec(output);
  }
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exited = once(child, "exit");
    child.kill(signal);
    // A paused process gets its signal when it goes on.
    child.kill("SIGCONT");
    await exited;
    return child.exitCode;
  };
  return {
    port: Number(banner[1]),
    pid: child.pid!,
    banner: banner[0],
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
  };
}
