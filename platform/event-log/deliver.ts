/**
 * Hands records to a subscriber and deals with what it throws. The same for every adapter.
 *
 * By the error's category (proto/errors.ts): retry = again after a pause, up to `maxAttempts`, then dead letter; drop = counted and passed over;
 * dead-letter = put aside at once. `crash` (a bug) is logged with its stack and put aside too: stopping the process would bring the same record
 * back after the restart and block its partition for ever.
 */
import { categories, categoryOf, EarshotError } from "@earshot/proto/errors.ts";
import type { Log } from "../log/log.ts";
import { errorCode } from "./dead-letter.ts";
import type { LogRecord } from "./port.ts";

export type Delivery = {
  readonly group: string;
  readonly maxAttempts: number;
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly log: Log;
  handle(batch: readonly LogRecord[]): Promise<void> | void;
  /** Puts the record aside; throws where it cannot. */
  deadLetter(record: LogRecord, error: unknown, attempts: number): Promise<void>;
  /** Told of every record that is passed over and not put aside. */
  dropped(record: LogRecord, code: string): void;
  /** Resolves after `ms`, or earlier when stopping. */
  pause(ms: number): Promise<void>;
  stopping(): boolean;
};

/** @returns how many records, from the first, are done with; fewer than all only where the subscriber is stopping */
export async function deliver(batch: readonly LogRecord[], to: Delivery): Promise<number> {
  let failure: { error: unknown } | undefined;
  try {
    const result = to.handle(batch);
    if (result !== undefined) await result;
    return batch.length;
  } catch (error) {
    // A batch of one has had its first try.
    if (batch.length === 1) failure = { error };
  }
  for (let i = 0; i < batch.length; i++) {
    // A stopping subscriber is not handed more; what is left comes again after the restart.
    if (to.stopping() && failure === undefined) return i;
    if (!(await deliverOne(batch[i]!, to, failure))) return i;
    failure = undefined;
  }
  return batch.length;
}

/** @returns false where the subscriber stops before the record is settled */
async function deliverOne(record: LogRecord, to: Delivery, first: { error: unknown } | undefined): Promise<boolean> {
  for (let attempts = 1; ; attempts++) {
    let error: unknown;
    if (attempts === 1 && first !== undefined) error = first.error;
    else
      try {
        await to.handle([record]);
        return true;
      } catch (thrown) {
        error = thrown;
      }
    const code = errorCode(error);
    const action = categories[categoryOf(error)].consumer;
    const where = { group: to.group, topic: record.topic, partition: record.partition, offset: record.offset, code, attempts };
    if (action === "drop") {
      to.log.debug(where, "event log: a record was passed over, as its error says");
      to.dropped(record, code);
      return true;
    }
    if (action !== "retry" || attempts >= to.maxAttempts) {
      if (action === "crash") to.log.error({ ...where, err: error }, "event log: a bug in a handler; the record is put aside");
      else to.log.warn(where, "event log: a record was put aside on dead-letter.v1");
      return putAside(record, error, attempts, to, where);
    }
    if (to.stopping()) return false;
    const asked = error instanceof EarshotError ? (error.retryAfterMs ?? 0) : 0;
    await to.pause(Math.min(to.maxBackoffMs, Math.max(asked, to.firstBackoffMs * 2 ** (attempts - 1))));
    if (to.stopping()) return false;
  }
}

async function putAside(
  record: LogRecord,
  error: unknown,
  attempts: number,
  to: Delivery,
  where: Record<string, unknown>,
): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      await to.deadLetter(record, error, attempts);
      return true;
    } catch (cause) {
      if (tries >= to.maxAttempts) {
        to.log.error({ ...where, because: errorCode(cause) }, "event log: a record could not be put aside and is passed over");
        to.dropped(record, errorCode(error));
        return true;
      }
      if (to.stopping()) return false;
      await to.pause(to.firstBackoffMs * 2 ** (tries - 1));
    }
  }
}
