/** Brings a server back that ended by itself: some tries with growing pauses; one that keeps ending is left alone. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";

export type ServerState = "up" | "restarting" | "ended";
/** Ends a server that was launched. */
export type StopServer = (deadlineMs: number) => Promise<void>;

/** Before each try; past the last the server counts as ended. */
export const restartPausesMs = [500, 1000, 2000, 4000, 8000, 16_000, 30_000] as const;
/** A server that was up for this long starts with the first pause again. */
export const stableMs = 300_000;

export type ServerKeeperOptions = {
  /** @param onExit to be called when the server ends without having been asked to */
  launch(onExit: () => void): Promise<StopServer>;
  onState(state: ServerState): void;
  log: Log;
  clock: Clock;
};

export class ServerKeeper {
  readonly #options: ServerKeeperOptions;
  #stopServer: StopServer | undefined;
  #tries = 0;
  #upAtMs = 0;
  #stopping = false;
  #cancelPause: (() => void) | undefined;
  #launching: Promise<void> = Promise.resolve();

  constructor(options: ServerKeeperOptions) {
    this.#options = options;
  }

  /** @throws what the first launch throws */
  async start(): Promise<void> {
    this.#stopServer = await this.#options.launch(() => this.#lost());
    this.#upAtMs = this.#options.clock.monotonicMs();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#cancelPause?.();
    await this.#launching;
    await this.#stopServer?.(deadlineMs);
  }

  #lost(): void {
    const { clock } = this.#options;
    this.#stopServer = undefined;
    if (clock.monotonicMs() - this.#upAtMs >= stableMs) this.#tries = 0;
    if (!this.#stopping) this.#tryAgain();
  }

  #tryAgain(): void {
    const { clock, onState, log } = this.#options;
    const pauseMs = restartPausesMs[this.#tries];
    this.#tries += 1;
    if (pauseMs === undefined) {
      log.error({ tries: restartPausesMs.length }, "PostgreSQL keeps ending; it is not started again");
      onState("ended");
      return;
    }
    log.error({ pauseMs }, "PostgreSQL ended by itself; it is started again");
    onState("restarting");
    this.#cancelPause = clock.after(pauseMs, () => {
      this.#launching = this.#launch();
    });
  }

  async #launch(): Promise<void> {
    const { clock, onState, log, launch } = this.#options;
    try {
      this.#stopServer = await launch(() => this.#lost());
    } catch (err) {
      log.error({ err }, "PostgreSQL did not start again");
      if (!this.#stopping) this.#tryAgain();
      return;
    }
    this.#upAtMs = clock.monotonicMs();
    log.info({}, "PostgreSQL is up again");
    onState("up");
  }
}
