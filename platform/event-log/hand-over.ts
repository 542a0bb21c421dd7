/** Calls of a subscriber's `assigned` and `revoked`. The same for every adapter. */
import type { Log } from "../log/log.ts";
import { errorCode } from "./dead-letter.ts";
import type { Lease } from "./lease.ts";
import type { AssignedFrom, RevokedWhy, SubscribeOptions } from "./port.ts";

/** A partition that is taken over, and where each of its topics is read from. */
type Taken = {
  readonly index: number;
  readonly lease: Lease | undefined;
  readonly readers: readonly { readonly topic: string; readonly handled: number }[];
};

/**
 * Calls `assigned` for the partitions whose lease has not ended, again after a pause where it throws, until it resolves or the leases end.
 * Opens their leases: `revoked` is due to them from here on.
 */
export async function callAssigned(
  options: SubscribeOptions,
  shares: readonly Taken[],
  isOurs: () => boolean,
  backoff: { readonly firstBackoffMs: number; readonly maxBackoffMs: number; readonly log: Log },
): Promise<void> {
  const from: AssignedFrom = (topic, partition) =>
    shares.find(({ index }) => index === partition)!.readers.find((reader) => reader.topic === topic)!.handled;
  for (let attempts = 1; ; attempts++) {
    const held = shares.filter(({ lease }) => lease?.isEnded === false);
    const partitions = held.map(({ index }) => index);
    if (partitions.length === 0) return;
    try {
      if (options.durable !== false) await options.assigned?.(partitions, isOurs, from);
      for (const { lease } of held) lease!.isOpen = true;
      return;
    } catch (err) {
      const where = { group: options.group, partitions, code: errorCode(err), attempts };
      backoff.log.error({ ...where, err }, "event log: a subscriber could not take partitions over; tried again");
      await Promise.race(
        held.map(({ lease }) => lease!.pause(Math.min(backoff.maxBackoffMs, backoff.firstBackoffMs * 2 ** (attempts - 1)))),
      );
    }
  }
}

/** Calls `revoked` for the partitions that were taken over; what it throws is logged, and the partitions go all the same. */
export async function callRevoked(
  options: SubscribeOptions,
  shares: readonly { readonly index: number; readonly lease: Lease | undefined }[],
  why: RevokedWhy,
  log: Log,
): Promise<void> {
  const partitions = shares.filter(({ lease }) => lease?.isOpen === true).map(({ index }) => index);
  if (options.revoked === undefined || options.durable === false || partitions.length === 0) return;
  try {
    await options.revoked(partitions, why);
  } catch (err) {
    log.error({ err, group: options.group, partitions, why }, "event log: a subscriber failed while it gave partitions up");
  }
}
