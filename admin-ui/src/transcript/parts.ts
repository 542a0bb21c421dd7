/** A transcript in parts: what is drawn, and drawn again, is one part, not two hours of talk. */
import type { Segment } from "@earshot/proto/api/calls.ts";

/** Turns in a part: a few screens of them, some milliseconds to draw. */
export const partSize = 50;

export type Part = readonly Segment[];

/** Cuts segments into parts, and gives back the very part of `known` where nothing in it has changed: a reader then has nothing to draw. */
export function partsOf(segments: readonly Segment[], known: readonly Part[]): readonly Part[] {
  const parts: Part[] = [];
  for (let from = 0; from < segments.length; from += partSize) {
    const length = Math.min(partSize, segments.length - from);
    const before = known[parts.length];
    const same = before?.length === length && before.every((segment, index) => segment === segments[from + index]);
    parts.push(same ? before : segments.slice(from, from + length));
  }
  return parts;
}

/**
 * The place of the words behind a piece of evidence: of the segment when it is there, else of what was being said at `atMs`, of the
 * first words when nothing had been said by then. -1 when there are no words at all.
 */
export function placeOf(segments: readonly Segment[], segmentId: string | undefined, atMs: number): number {
  const named = segmentId === undefined ? -1 : segments.findIndex((segment) => segment.segmentId === segmentId);
  if (named >= 0 || segments.length === 0) return named;
  return Math.max(
    0,
    segments.findLastIndex((segment) => segment.startMs <= atMs + 1),
  );
}
