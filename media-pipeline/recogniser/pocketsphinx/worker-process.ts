/** One decoding child process, started again when it dies. */
import { type ChildProcess, fork } from "node:child_process";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./messages.ts";

const firstRestartMs = 250;
const slowestRestartMs = 30_000;

export type WorkerEvents = {
  ready(worker: WorkerProcess): void;
  message(worker: WorkerProcess, message: FromWorker): void;
  /** The process is gone, and with it whatever it decoded; a new one is on its way. */
  died(worker: WorkerProcess): void;
};

export class WorkerProcess {
  /** Utterances that hold one of its decoders. */
  readonly utterances = new Set<number>();
  ready = false;
  readonly #setup: WorkerSetup;
  readonly #events: WorkerEvents;
  readonly #clock: Clock;
  readonly #log: Log;
  #child: ChildProcess | undefined;
  #restartMs = firstRestartMs;
  #cancelRestart: () => void = () => {};
  #stopping = false;
  #reason = "";

  constructor(setup: WorkerSetup, events: WorkerEvents, clock: Clock, log: Log) {
    this.#setup = setup;
    this.#events = events;
    this.#clock = clock;
    this.#log = log;
  }

  /** Why it is not ready: the library's last complaint. */
  get reason(): string {
    return this.#reason;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  spawn(): void {
    const child = fork(new URL("./worker.ts", import.meta.url), {
      // Nothing of the parent's flags (inspectors, test runners) may reach the child.
      execArgv: ["--disable-warning=ExperimentalWarning"],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child = child;
    child.on("message", (message) => this.#receive(message as FromWorker));
    child.on("error", (error) => {
      this.#reason = error.message;
    });
    child.once("exit", (code, signal) => this.#exited(child, code, signal));
    this.send({ kind: "setup", setup: this.#setup });
  }

  /** Sent at once or lost with the process; the audio is copied into the channel. */
  send(message: ToWorker): void {
    if (this.#child?.connected === true) this.#child.send(message, () => {});
  }

  kill(): void {
    this.#stopping = true;
    this.ready = false;
    this.#cancelRestart();
    this.#child?.kill("SIGKILL");
  }

  #receive(message: FromWorker): void {
    if (message.kind === "ready") {
      this.ready = true;
      this.#restartMs = firstRestartMs;
      this.#events.ready(this);
    } else if (message.kind === "unusable") {
      this.#reason = message.reason;
      this.#child?.kill("SIGKILL");
    } else this.#events.message(this, message);
  }

  #exited(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#child !== child) return;
    this.ready = false;
    this.#child = undefined;
    if (this.#stopping) return;
    this.#log.warn({ code, signal, reason: this.#reason, restartMs: this.#restartMs }, "pocketsphinx worker ended; starting it again");
    this.#events.died(this);
    this.utterances.clear();
    this.#cancelRestart = this.#clock.after(this.#restartMs, () => this.spawn());
    this.#restartMs = Math.min(slowestRestartMs, this.#restartMs * 2);
  }
}
