/** Whether workers have heard all that was said: what a point of this bench stands on. */
import type { EventLog, LogRecord } from "@earshot/platform/event-log/port.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import type { TopicName } from "@earshot/proto/topics.ts";
import { type BacklogCall, type Turn, turnsOf } from "./backlog.ts";

const readAtOnce = 5000;
/** Of a turn, the least that final segments cover: quiet ends of words and breaths between them are no speech. */
const leastCoveredPercent = 50;
/** @yields every record of a topic, partition by partition */
export async function* recordsOf(eventLog: EventLog, topic: TopicName): AsyncGenerator<LogRecord> {
  for (const { partition, first, next } of await eventLog.bounds(topic))
    for (let at = first; at < next; ) {
      const records = await eventLog.read(topic, partition, at, Math.min(readAtOnce, next - at));
      if (records.length === 0) break;
      yield* records;
      at = records.at(-1)!.offset + 1;
    }
}

export type Transcripts = { readonly partials: number /** By call. */; readonly finals: ReadonlyMap<string, readonly Turn[]> };

export async function readTranscripts(eventLog: EventLog): Promise<Transcripts> {
  const finals = new Map<string, Turn[]>();
  let partials = 0;
  for await (const { key, value } of recordsOf(eventLog, "transcripts.v1")) {
    const { payload } = decodeEvent(value);
    if (payload.case !== "transcriptSegment") continue;
    const { leg, startMs, endMs, final } = payload.value;
    if (!final) {
      partials++;
      continue;
    }
    const of = finals.get(key);
    if (of === undefined) finals.set(key, [{ leg, startMs, endMs }]);
    else of.push({ leg, startMs, endMs });
  }
  return { partials, finals };
}

/** @returns the turns of the dialogues that are in no final segment, for people; empty where all was heard */
export function notHeard(calls: readonly BacklogCall[], finals: Transcripts["finals"]): string[] {
  const missing: string[] = [];
  for (const call of calls) {
    const segments = finals.get(call.id) ?? [];
    for (const turn of turnsOf(call)) {
      const percent = Math.round(covered(turn, segments) * 100);
      if (percent >= leastCoveredPercent) continue;
      const { leg, startMs, endMs } = turn;
      const where = `${call.id} (${call.scenario} from ${call.shiftMs} ms): leg ${leg}, ${startMs} to ${endMs} ms`;
      missing.push(`${where}: only ${percent} % is in a segment`);
    }
  }
  return missing;
}

/**
 * Calls whose number of segments is not what most calls of the same audio have: of a sound that the call's beginning or end cuts off it hangs on one
 * window whether it is a word.
 */
export function cutOtherwise(calls: readonly BacklogCall[], finals: Transcripts["finals"]): number {
  const byAudio = new Map<string, Map<number, number>>();
  for (const { id, scenario, shiftMs } of calls) {
    const audio = `${scenario} ${shiftMs}`;
    const counts = byAudio.get(audio) ?? new Map<number, number>();
    const segments = finals.get(id)?.length ?? 0;
    byAudio.set(audio, counts.set(segments, (counts.get(segments) ?? 0) + 1));
  }
  return [...byAudio.values()].reduce(
    (sum, counts) => sum + [...counts.values()].reduce((all, one) => all + one) - Math.max(...counts.values()),
    0,
  );
}

function covered({ leg, startMs, endMs }: Turn, segments: readonly Turn[]): number {
  let ms = 0;
  for (const segment of segments)
    if (segment.leg === leg) ms += Math.max(0, Math.min(endMs, segment.endMs) - Math.max(startMs, segment.startMs));
  return ms / (endMs - startMs);
}
