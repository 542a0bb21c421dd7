import type { EventLog } from "@earshot/platform/event-log/port.ts";

/**
 * The first record of a partition appended at or after `sinceMs`, found by halving: a start must not read a week to find a minute.
 * @returns an offset within `first..next`; `next` where all are older
 */
export async function firstOffsetSince(
  eventLog: Pick<EventLog, "read">,
  topic: string,
  partition: number,
  { first, next }: { first: number; next: number },
  sinceMs: number,
): Promise<number> {
  let low = first;
  let high = next;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const [record] = await eventLog.read(topic, partition, middle, 1);
    // Retention may drop segments while we look: what is gone is older.
    if (record !== undefined && record.appendedAtMs >= sinceMs) high = middle;
    else low = Math.max(middle, record?.offset ?? middle) + 1;
  }
  return low;
}
