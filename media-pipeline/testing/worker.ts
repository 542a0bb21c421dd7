/** Starts pipeline workers as processes of their own, and ends them as tests and benches want. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

export class Worker {
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  output = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#gone = new Promise((resolve) => child.once("exit", () => resolve()));
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => (this.output = (this.output + chunk).slice(-20_000)));
  }

  /** Resolves when it is ready. @throws Error with its output where it ends before */
  static async start(env: Readonly<Record<string, string>>): Promise<Worker> {
    const script = join(import.meta.dirname, "worker-process.ts");
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const worker = new Worker(child);
    while (!worker.output.includes("ready")) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`a worker ended at its start: ${worker.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return worker;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill(signal);
    await this.#gone;
  }
}
