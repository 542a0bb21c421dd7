/** Which word and which turn belong to a moment of the recording. */
import type { Segment } from "@earshot/proto/api/calls.ts";

/** The last segment that has begun at `ms`; -1 before the first. Segments are in order of their start. */
export function segmentAt(segments: readonly Segment[], ms: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segments[middle] as Segment).startMs <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The segments that are being spoken at `ms`: two when both talk. */
export function segmentsAt(segments: readonly Segment[], ms: number): Segment[] {
  const found: Segment[] = [];
  // A turn is never longer than this many places behind the newest start: both sides, and a correction.
  const last = segmentAt(segments, ms);
  for (let index = Math.max(0, last - 4); index <= last; index += 1) {
    const segment = segments[index];
    if (segment !== undefined && ms < segment.endMs) found.push(segment);
  }
  return found;
}

/** The start of the turn after (`1`) or before (`-1`) a moment; a little into a turn, "before" is its own start. */
export function turnFrom(segments: readonly Segment[], ms: number, step: 1 | -1): number {
  if (step === 1) return segments.find((segment) => segment.startMs > ms + 50)?.startMs ?? ms;
  return segments.findLast((segment) => segment.startMs < ms - 700)?.startMs ?? 0;
}
