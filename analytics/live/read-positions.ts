/** Where a reader of the live topics stands, so that what one has read can be compared with what another has. */
import { topics } from "@earshot/proto/topics.ts";

/** What the live view reads. The order is part of a cursor: append only. */
export const liveTopics: readonly string[] = [
  topics.calls.name,
  topics.transcripts.name,
  topics.conversation.name,
  topics.lineQuality.name,
  topics.ledger.name,
  topics.insights.name,
];

/** The next offset to be read, by index in `liveTopics` and by partition. */
export type Positions = readonly (readonly number[])[];

/** One record: index in `liveTopics`, partition, offset. */
export type Place = { readonly topic: number; readonly partition: number; readonly offset: number };

/** Where an event stands, and where the call that it belongs to began: nobody has seen an event of a call before that call's start. */
export type EventPlace = { readonly event: Place; readonly start: Place };

/** The place of what is on no log: read by everyone already. */
export const nowhere: Place = { topic: 0, partition: 0, offset: -1 };

/** Whether a reader that stands at `positions` has yet to read the record at `place`. */
export function isUnread(positions: Positions, { topic, partition, offset }: Place): boolean {
  return offset >= (positions[topic]?.[partition] ?? 0);
}

/** Of the same topics and partitions; others cannot be compared. */
export function sameShape(a: Positions, b: Positions): boolean {
  return a.length === b.length && a.every((partitions, topic) => partitions.length === b[topic]?.length);
}

/** Whether `a` is before `b` in any partition. */
export function isBehind(a: Positions, b: Positions): boolean {
  return a.some((partitions, topic) => partitions.some((offset, partition) => offset < (b[topic]?.[partition] ?? 0)));
}
