/** Reading again what the log has of the calls' audio and words. */
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { decodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import { type CallState, notePublished } from "./call-state.ts";

const readBatch = 500;
type Source = { readonly eventLog: EventLog; readonly log: Log };

/** Gives every record of media.v1 in [from, to) to `take`; one that it cannot use is logged and passed over. */
export async function readMedia(
  { eventLog, log }: Source,
  partition: number,
  from: number,
  to: number,
  take: (key: string, offset: number, value: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let at = from; at < to; ) {
    const records = await eventLog.read("media.v1", partition, at, Math.min(readBatch, to - at));
    if (records.length === 0) return;
    for (const { key, offset, value } of records) {
      if (offset >= to) return;
      try {
        await take(key, offset, value);
      } catch (error) {
        log.warn({ err: error, partition, offset }, "a record of media.v1 cannot be read again");
      }
    }
    at = records.at(-1)!.offset + 1;
  }
}

/** Brings states up to date with the segments that were published after they were saved: no word is said twice. */
export async function notePublishedSince({ eventLog, log }: Source, partition: number, states: readonly CallState[]): Promise<void> {
  if (states.length === 0) return;
  const bounds = (await eventLog.bounds("transcripts.v1")).find((one) => one.partition === partition);
  const segments = new Map<string, PayloadOf<"transcriptSegment">[]>(states.map(({ call }) => [call.callId, []]));
  const least = Math.min(...states.map(({ checkpoint }) => checkpoint.transcriptsFrom));
  for (let at = Math.max(least, bounds?.first ?? 0); at < (bounds?.next ?? 0); ) {
    const records = await eventLog.read("transcripts.v1", partition, at, readBatch);
    if (records.length === 0) break;
    for (const { key, offset, value } of records) {
      const list = segments.get(key);
      if (list === undefined) continue;
      try {
        const { payload } = decodeEvent(value);
        if (payload.case === "transcriptSegment") list.push(payload.value);
      } catch (error) {
        log.warn({ err: error, partition, offset }, "a record of transcripts.v1 cannot be read again");
      }
    }
    at = records.at(-1)!.offset + 1;
  }
  for (const { call, checkpoint } of states) {
    notePublished(checkpoint, segments.get(call.callId)!, (leg) => ({
      $typeName: "earshot.v1.LegCheckpoint",
      leg,
      storeRate: 0,
      settledToMs: 0,
      recordedToMs: 0,
      speech: [],
      finals: [],
      words: 0,
      noiseFloorDb: -70,
      begun: [],
    }));
  }
}
