/** Starts components in order and stops them in reverse. Only `main` may exit the process: this never does. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { Component } from "./component.ts";

export type Running = {
  /** Does everything serve? False as soon as stopping begins. For `/readyz`. */
  isReady(): boolean;
  /** Stops all, last started first, within `deadlineMs` in all. Called again, it waits for the first call. Never throws. */
  stop(deadlineMs: number): Promise<void>;
};

/**
 * Starts each component when the ones before it serve.
 * @throws what a component's start threw; what had been started is stopped by then
 */
export async function run(
  components: readonly Component[],
  options: { log: Log; clock: Clock /** For stopping what was started when a later start fails. */; failedStartDeadlineMs?: number },
): Promise<Running> {
  const { log, clock } = options;
  const started: Component[] = [];
  let ready = false;
  let stopping: Promise<void> | undefined;

  const stopAll = async (deadlineMs: number): Promise<void> => {
    const end = clock.monotonicMs() + deadlineMs;
    for (const component of started.toReversed()) {
      const left = Math.max(0, end - clock.monotonicMs());
      const from = clock.monotonicMs();
      try {
        await inTime(component, left, clock);
        log.debug({ component: component.name, tookMs: Math.round(clock.monotonicMs() - from) }, "stopped");
      } catch (err) {
        // One that fails to stop must not keep the others from storing what they hold.
        log.error({ err, component: component.name }, "a component did not stop in order");
      }
    }
  };

  for (const component of components) {
    try {
      await component.start();
    } catch (error) {
      log.error({ component: component.name }, "a component did not start; stopping what runs");
      await stopAll(options.failedStartDeadlineMs ?? 5000);
      throw error;
    }
    started.push(component);
    log.debug({ component: component.name }, "started");
  }
  ready = true;
  return {
    isReady: () => ready,
    stop(deadlineMs) {
      ready = false;
      stopping ??= stopAll(deadlineMs);
      return stopping;
    },
  };
}

/** Lets a component stop for as long as it was given and a little, then goes on without it. */
async function inTime(component: Component, leftMs: number, clock: Clock): Promise<void> {
  const graceMs = 500;
  let cancel: () => void = () => {};
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(leftMs + graceMs, () =>
      reject(new EarshotError("timeout", "stop_deadline_passed", "A component went on beyond its deadline and was left behind.")),
    );
  });
  try {
    await Promise.race([component.stop(leftMs), late]);
  } finally {
    cancel();
  }
}
