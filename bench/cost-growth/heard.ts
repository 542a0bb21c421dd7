/** Whether workers have heard all that was said: what a point of this bench stands on. */
import { mediaPipelineSettings } from "@earshot/media-pipeline/settings.ts";
import type { EventLog, LogRecord } from "@earshot/platform/event-log/port.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import type { TopicName } from "@earshot/proto/topics.ts";
import { type BacklogCall, type Turn, turnsOf } from "./backlog.ts";

const readAtOnce = 5000;
/** Of a turn, the least that final segments cover: quiet ends of words and breaths between them are no speech. */
const leastCovered = 0.5;
/**
 * Which windows go without the detector depends on how many came together, and so it does whether a last breath is speech: the edges of a segment
 * differ by less than the pause that ends it.
 */
const edgeMs = mediaPipelineSettings.endpointPauseMs.default;

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

/**
 * Calls that play the same audio must have the same segments, and every turn that the dialogue has must be in one.
 * @returns what is not so, for people; empty where all was heard
 */
export function notHeard(calls: readonly BacklogCall[], finals: Transcripts["finals"]): string[] {
  const wrong: string[] = [];
  const first = new Map<string, { readonly id: string; readonly segments: readonly Turn[] }>();
  for (const call of calls) {
    // Of what is cut off by the call's own beginning or end it hangs on one window whether it is a word. And where a thousand calls begin at once, their
    // opening takes so long that a worker takes streams for standing still: what they had begun to say is cut there in two, and heard all the same.
    const lastMs = call.seconds * 1000 - edgeMs;
    const segments = (finals.get(call.id) ?? [])
      .filter(({ startMs, endMs }) => startMs < lastMs && endMs > edgeMs)
      .toSorted((a, b) => a.leg - b.leg || a.startMs - b.startMs);
    const audio = `${call.scenario} from ${call.shiftMs} ms`;
    const other = first.get(audio);
    if (other === undefined) first.set(audio, { id: call.id, segments });
    else if (!areAlike(segments, other.segments))
      wrong.push(`${audio}: ${call.id} has ${written(segments)}, ${other.id} has ${written(other.segments)}`);
    for (const turn of turnsOf(call)) {
      const share = covered(turn, segments);
      if (share < leastCovered)
        wrong.push(`${call.id}, ${audio}: of ${written([turn])} ms only ${Math.round(share * 100)} % is in a segment`);
    }
  }
  return wrong;
}

function areAlike(some: readonly Turn[], others: readonly Turn[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ leg, startMs, endMs }, i) => {
      const other = others[i]!;
      const apartMs = Math.max(startMs, 2 * edgeMs) - Math.max(other.startMs, 2 * edgeMs);
      return leg === other.leg && Math.abs(apartMs) <= edgeMs && Math.abs(endMs - other.endMs) <= edgeMs;
    })
  );
}

function written(turns: readonly Turn[]): string {
  return turns.map(({ leg, startMs, endMs }) => `${leg}:${startMs}-${endMs}`).join(" ");
}

function covered({ leg, startMs, endMs }: Turn, segments: readonly Turn[]): number {
  let ms = 0;
  for (const segment of segments)
    if (segment.leg === leg) ms += Math.max(0, Math.min(endMs, segment.endMs) - Math.max(startMs, segment.startMs));
  return ms / (endMs - startMs);
}
