/** Reading back what is on the log, without a group. */
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { decodeEvent, type Event } from "@earshot/proto/event.ts";

const batch = 1000;

/** Every event of a partition that was appended at or after `sinceMs`, in order. What cannot be decoded is passed over. */
export async function* eventsSince(eventLog: EventLog, topic: string, wanted: number, sinceMs: number): AsyncGenerator<Event> {
  for (const { partition, first, next } of await eventLog.bounds(topic)) {
    if (partition !== wanted) continue;
    for (let offset = await offsetSince(eventLog, topic, partition, first, next, sinceMs); offset < next; ) {
      const records = await eventLog.read(topic, partition, offset, Math.min(batch, next - offset));
      if (records.length === 0) break;
      for (const record of records) {
        let event: Event;
        try {
          event = decodeEvent(record.value);
        } catch {
          // The group that handles the record puts it aside; a replay only rebuilds what was understood.
          continue;
        }
        yield event;
      }
      offset = records.at(-1)!.offset + 1;
    }
  }
}

/** The first offset appended at or after `sinceMs`, by halving: times rise with offsets. */
async function offsetSince(
  eventLog: EventLog,
  topic: string,
  partition: number,
  first: number,
  next: number,
  sinceMs: number,
): Promise<number> {
  let low = first;
  let high = next;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const [record] = await eventLog.read(topic, partition, middle, 1);
    // Nothing there: retention took it in the meantime, or it is damaged.
    if (record === undefined || record.appendedAtMs < sinceMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
