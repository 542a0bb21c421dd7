/** When one side spoke: ordered, disjoint stretches in milliseconds from the start of the call. */

/** Pauses inside a word or between words do not end a stretch of speech. */
export const joinGapMs = 250;

export class SpeechIntervals {
  /** Start and end in turn. */
  readonly bounds: number[] = [];

  /** Adds speech; several legs of one side may overlap, and late ones may come before what is known. */
  add(fromMs: number, toMs: number, joinMs = joinGapMs): void {
    const bounds = this.bounds;
    const last = bounds.length - 2;
    if (last < 0 || fromMs > bounds[last + 1]! + joinMs) {
      bounds.push(fromMs, toMs);
      return;
    }
    if (fromMs >= bounds[last]!) {
      if (toMs > bounds[last + 1]!) bounds[last + 1] = toMs;
      return;
    }
    // Rare: before the newest stretch. Everything touched becomes one.
    let at = last;
    while (at >= 2 && bounds[at - 1]! + joinMs >= fromMs) at -= 2;
    if (bounds[at + 1]! + joinMs < fromMs) at += 2;
    let end = at;
    let from = fromMs;
    let to = toMs;
    while (end < bounds.length && bounds[end]! <= toMs + joinMs) {
      from = Math.min(from, bounds[end]!);
      to = Math.max(to, bounds[end + 1]!);
      end += 2;
    }
    bounds.splice(at, end - at, from, to);
  }
}
