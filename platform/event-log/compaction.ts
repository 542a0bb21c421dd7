/**
 * Compaction: the newest record of each key is appended again, with its time, and the sealed segments it stood in are deleted. Nothing is
 * rewritten in place, so offsets stay without gaps and a crash in between leaves a record twice, never not at all.
 */
import { Cursor } from "./cursor.ts";
import type { Partition } from "./partition.ts";

const recordsAtOnce = 500;

/** Compacts a partition that has grown to more than twice what the last pass left. One pass at a time. */
export async function compact(partition: Partition): Promise<void> {
  const { segmentBytes } = partition.limits;
  if (partition.bytes < partition.bytesAfterCompaction * 2 + segmentBytes * 2) return;
  const appendedMeanwhile = new Set<string>();
  partition.appendedKeys = appendedMeanwhile;
  try {
    const end = partition.next;
    await partition.write();
    const sealed = partition.sealedSegments();
    const last = sealed.at(-1);
    if (partition.written < end || last === undefined) return;
    const sealedEnd = partition.endOf(last);
    const newest = new Map<string, number>();
    if (!(await walk(partition, end, (key, offset) => newest.set(key, offset)))) return;
    let appended = -1;
    const isRead = await walk(partition, sealedEnd, (key, offset, value, appendedAtMs) => {
      // An empty value ends its key: all that it outlived goes with it.
      if (newest.get(key) !== offset || value.length === 0 || appendedMeanwhile.has(key)) return;
      appended = partition.append(key, value, appendedAtMs);
    });
    if (!isRead) return;
    if (appended >= 0) await partition.durably(appended);
    for (const _ of sealed) await partition.deleteOldest();
    partition.bytesAfterCompaction = partition.bytes;
  } finally {
    partition.appendedKeys = undefined;
  }
}

/** @returns false where it could not be read up to `end` */
async function walk(
  partition: Partition,
  end: number,
  visit: (key: string, offset: number, value: Uint8Array, appendedAtMs: number) => void,
): Promise<boolean> {
  const cursor = new Cursor(partition, partition.first, () => {});
  while (cursor.offset < end) {
    const from = cursor.offset;
    const records = await cursor.fetch(Math.min(recordsAtOnce, end - from));
    if (records.length === 0 && cursor.offset === from) return false;
    for (const { key, offset, value, appendedAtMs } of records) visit(key, offset, value, appendedAtMs);
    cursor.release();
    if (partition.dirty) await partition.write();
  }
  return true;
}
