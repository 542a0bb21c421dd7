/** The last words of one leg, each with the segment and time it stands in: a phrase may begin in one segment and end in the next. */
import { plainWords } from "../words.ts";

export type SegmentText = {
  readonly segmentId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly text: string;
  readonly words: readonly { readonly text: string; readonly startMs: number }[];
};

/** A pause in one side's speech over which no phrase reaches. */
const maxPauseMs = 4000;
const maxKept = 120;

export class SpokenWords {
  readonly words: string[] = [];
  readonly segmentIds: string[] = [];
  readonly atMs: number[] = [];
  #endMs = Number.NEGATIVE_INFINITY;

  /**
   * Adds a segment's words.
   * @returns index of the first new word; a match must reach it
   */
  add(segment: SegmentText): number {
    if (segment.startMs - this.#endMs > maxPauseMs || segment.startMs < this.#endMs - 1000) this.#forget(this.words.length);
    else if (this.words.length > maxKept) this.#forget(this.words.length - maxKept);
    const first = this.words.length;
    if (segment.words.length > 0) {
      for (const word of segment.words) for (const plain of plainWords(word.text)) this.#push(plain, segment.segmentId, word.startMs);
    } else {
      const plain = segment.text.split(/\s+/).flatMap(plainWords);
      // The engine gives no times: spread evenly.
      const each = (segment.endMs - segment.startMs) / Math.max(1, plain.length);
      for (const [i, word] of plain.entries()) this.#push(word, segment.segmentId, segment.startMs + i * each);
    }
    this.#endMs = segment.endMs;
    return first;
  }

  #push(word: string, segmentId: string, atMs: number): void {
    this.words.push(word);
    this.segmentIds.push(segmentId);
    this.atMs.push(atMs);
  }

  #forget(count: number): void {
    this.words.splice(0, count);
    this.segmentIds.splice(0, count);
    this.atMs.splice(0, count);
  }
}
