/**
 * What was published of a leg before this worker took it over. Its audio is heard again from a little before; speech that has its final words
 * is passed over, and speech whose partials stand on the screen gets the same segment again, though the detector may now begin it a window
 * earlier or later.
 */

/** A segment of which only partials are out. */
export type BegunSegment = { readonly startMs: number; readonly revision: number };

export type LegPublished = {
  /** Everything before this is settled, milliseconds from the start of the call. */
  readonly settledToMs: number;
  /** Segments with final words that begin after that: start and end in turn. */
  readonly finals: readonly number[];
  readonly begun: readonly BegunSegment[];
};

/** Two starts of one utterance differ by less. */
const sameStartMs = 320;
const warmUpMs = 1000;

export class PublishedSpeech {
  readonly #settledToMs: number;
  /** Ordered stretches that are still ahead. */
  readonly #finals: (readonly [fromMs: number, toMs: number])[] = [];
  #begun: BegunSegment[];

  constructor({ settledToMs, finals, begun }: LegPublished) {
    this.#settledToMs = settledToMs;
    for (let i = 0; i < finals.length; i += 2) this.#finals.push([finals[i]!, finals[i + 1]!]);
    this.#finals.sort((a, b) => a[0] - b[0]);
    this.#begun = [...begun];
  }

  /**
   * What is to be done with a window. `settled`: nothing; `final`: it lies in a segment that has its words; `before-final`: such a segment begins
   * shortly, no other may begin here.
   */
  at(fromMs: number): "settled" | "final" | "before-final" | "new" {
    if (fromMs < this.#settledToMs) return "settled";
    while (this.#finals.length > 0 && fromMs >= this.#finals[0]![1]) this.#finals.shift();
    const next = this.#finals[0];
    if (next === undefined || fromMs < next[0] - sameStartMs) return "new";
    return fromMs >= next[0] ? "final" : "before-final";
  }

  /** What lies before is settled and far from what is not: the speech detector need not hear it to be warm. */
  isFarBefore(fromMs: number): boolean {
    return fromMs < this.#settledToMs - warmUpMs;
  }

  /** Segments that were not found again so far. */
  get begun(): readonly BegunSegment[] {
    return this.#begun;
  }

  /** @returns the segment that an utterance found at `startMs` goes on with */
  adopt(startMs: number): BegunSegment | undefined {
    const at = this.#begun.findIndex((segment) => Math.abs(segment.startMs - startMs) < sameStartMs);
    return at < 0 ? undefined : this.#begun.splice(at, 1)[0];
  }

  /** @returns segments that can begin no more, because all before `fromMs` has been heard again */
  vanished(fromMs: number): readonly BegunSegment[] {
    if (this.#begun.length === 0) return none;
    const gone = this.#begun.filter((segment) => segment.startMs + 3 * sameStartMs < fromMs);
    if (gone.length > 0) this.#begun = this.#begun.filter((segment) => !gone.includes(segment));
    return gone;
  }

  /** Nothing of it lies ahead any more. */
  isPast(fromMs: number): boolean {
    return fromMs >= this.#settledToMs && this.#finals.length === 0 && this.#begun.length === 0;
  }
}

const none: readonly BegunSegment[] = [];
