/** The order of a transcript: by start, and for the same start by leg; one place per segment, the newest revision of it. */
import type { Segment } from "@earshot/proto/api/calls.ts";

const before = (a: Segment, b: Segment) => a.startMs - b.startMs || a.leg - b.leg;

/** Is `next` newer than `known`? A final beats any partial; otherwise the revision says. Sentiment that is known stays. */
function newer(known: Segment, next: Segment): Segment {
  if (known.final && !next.final) return known;
  if (known.final === next.final && next.revision < known.revision) return known;
  return next.sentiment === null && known.sentiment !== null ? { ...next, sentiment: known.sentiment } : next;
}

/** The transcript with one more segment, or a newer state of one it has. Answers the same array when nothing changed. */
export function orderedInsert(segments: readonly Segment[], next: Segment): readonly Segment[] {
  const index = segments.findLastIndex((segment) => segment.segmentId === next.segmentId);
  const known = segments[index];
  if (known !== undefined) {
    const merged = newer(known, next);
    return merged === known ? segments : segments.with(index, merged);
  }
  let place = segments.length;
  while (place > 0 && before(segments[place - 1] as Segment, next) > 0) place -= 1;
  return segments.toSpliced(place, 0, next);
}

/** What the server has, and what has come over the socket meanwhile. */
export function mergeSegments(stored: readonly Segment[], live: readonly Segment[]): readonly Segment[] {
  const byId = new Map(stored.map((segment) => [segment.segmentId, segment]));
  for (const segment of live) {
    const known = byId.get(segment.segmentId);
    byId.set(segment.segmentId, known === undefined ? segment : newer(known, segment));
  }
  return [...byId.values()].sort(before);
}
