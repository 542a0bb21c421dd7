/** One child process that is started, ended, paused and started again under the same name. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export type ManagedProcessOptions = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid?: number;
  readonly gid?: number;
  /** Printed when it serves. */
  readonly ready: RegExp;
  readonly startMs: number;
  /** Each chunk it prints. */
  readonly onOutput?: (text: string) => void;
  /** It ended and nobody had asked it to. */
  readonly onDeath?: (how: string) => void;
};

/** Of its output, for the error when it does not start and for tests. */
const keptCharacters = 400_000;

export class ManagedProcess {
  readonly name: string;
  readonly #options: ManagedProcessOptions;
  #child: ChildProcess | undefined;
  #output = "";
  #asked = false;

  constructor(options: ManagedProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** undefined where it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Everything printed since its last start, the newest last. */
  get output(): string {
    return this.#output;
  }

  /** Resolves when it serves. @throws Error with what it printed where it ends, or is not ready in time */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const { name, command, args, env, uid, gid, ready, startMs } = this.#options;
    this.#output = "";
    this.#asked = false;
    const child = spawn(command, [...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env }, uid, gid });
    this.#child = child;
    const keep = (data: Buffer): void => {
      const text = data.toString("utf8");
      this.#output = (this.#output + text).slice(-keptCharacters);
      this.#options.onOutput?.(text);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    let serving = false;
    let failure = "";
    child.once("error", (error) => {
      failure = error.message;
    });
    child.once("close", (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      failure ||= signal === null ? `exit code ${code}` : signal;
      if (serving && !this.#asked) this.#options.onDeath?.(failure);
    });
    const deadline = performance.now() + startMs;
    while (!ready.test(this.#output)) {
      if (failure !== "") throw new Error(`${name} did not start (${failure}):\n${this.#output.slice(-4000)}`);
      if (performance.now() > deadline) {
        await this.#end("SIGKILL");
        throw new Error(`${name} was not ready within ${startMs} ms:\n${this.#output.slice(-4000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    serving = true;
  }

  /** @returns how it ended: its exit code, or the signal's name */
  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> {
    return this.#end(signal);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** It stands still, with its connections open. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async #end(signal: NodeJS.Signals): Promise<number | string> {
    const child = this.#child;
    this.#asked = true;
    if (child === undefined) return 0;
    const closed = once(child, "close");
    child.kill(signal);
    // A paused process gets its signal when it goes on.
    child.kill("SIGCONT");
    await closed;
    return child.exitCode ?? child.signalCode ?? 0;
  }
}
