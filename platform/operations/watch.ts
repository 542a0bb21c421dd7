/** Asks a store now and then whether it answers, so that health is true also while nobody uses it. */

import { EarshotError } from "@earshot/proto/errors.ts";
import type { Clock } from "../clock/clock.ts";
import type { Component } from "../lifecycle/component.ts";

export type StoreWatch = Component & {
  /** Why it cannot be used, as of the last question; undefined where it answers. */
  readonly fault: string | undefined;
};

const everyMs = 2000;
/** A server that takes connections and answers nothing is away too. */
const answerMs = 5000;

/** @param ask rejects where the store cannot be used; never asked twice at once */
export function watchStore(name: string, clock: Clock, ask: () => Promise<unknown>): StoreWatch {
  let fault: string | undefined;
  let asking = false;
  let cancel = () => {};
  const question = async (): Promise<void> => {
    asking = true;
    const cancelLate = clock.after(answerMs, () => {
      fault = `it has not answered for ${answerMs / 1000} s`;
    });
    try {
      await ask();
      fault = undefined;
    } catch (error) {
      fault = error instanceof EarshotError ? error.message : "a question to it failed";
    } finally {
      cancelLate();
      asking = false;
    }
  };
  return {
    name: `${name} watch`,
    get fault() {
      return fault;
    },
    async start() {
      cancel = clock.every(everyMs, () => {
        if (!asking) void question();
      });
    },
    async stop() {
      cancel();
    },
  };
}
