/** A phrase as an administrator writes it: words, and "..." for up to N words of anything. Case, punctuation and contractions do not matter. */
import { textToWords } from "../words.ts";

export type Pattern = {
  /** Runs of words; between two runs up to `maxGap` words may stand. */
  readonly runs: readonly (readonly string[])[];
  readonly maxGap: number;
};

/** undefined for a phrase without any word. */
export function compilePattern(phrase: string, maxGap: number): Pattern | undefined {
  const runs = phrase
    .split(/\.{3,}|\u2026/)
    .map(textToWords)
    .filter((run) => run.length > 0);
  return runs.length === 0 ? undefined : { runs, maxGap };
}

/** The most words a match can have. */
export function longestMatch(pattern: Pattern): number {
  return pattern.runs.reduce((sum, run) => sum + run.length, 0) + (pattern.runs.length - 1) * pattern.maxGap;
}

export type Match = { readonly from: number /** Index after the last word. */; readonly to: number };

/**
 * The first match that ends after `endsAfter`.
 * @param endsAfter index of a word; a match must reach beyond it, so that what was matched before is not found again
 */
export function findMatch(pattern: Pattern, words: readonly string[], endsAfter: number): Match | undefined {
  for (let from = Math.max(0, endsAfter + 1 - longestMatch(pattern)); from < words.length; from++) {
    const to = matchFrom(pattern, words, from, endsAfter);
    if (to >= 0) return { from, to };
  }
  return undefined;
}

/**
 * @returns index after the shortest match at `from` that ends after `endsAfter`, or -1. Keeps the set of places each run may end at, so that a phrase of
 * many wildcards costs no more than its length: administrators write phrases, and a slow one would hold up every call.
 */
function matchFrom(pattern: Pattern, words: readonly string[], from: number, endsAfter: number): number {
  let ends = new Set<number>();
  for (const [index, run] of pattern.runs.entries()) {
    const next = new Set<number>();
    if (index === 0) {
      if (isAt(run, words, from)) next.add(from + run.length);
    } else {
      for (const end of ends)
        for (let at = end; at <= end + pattern.maxGap && at < words.length; at++) if (isAt(run, words, at)) next.add(at + run.length);
    }
    if (next.size === 0) return -1;
    ends = next;
  }
  let shortest = -1;
  for (const end of ends) if (end > endsAfter && (shortest < 0 || end < shortest)) shortest = end;
  return shortest;
}

function isAt(run: readonly string[], words: readonly string[], at: number): boolean {
  for (let i = 0; i < run.length; i++) if (words[at + i] !== run[i]) return false;
  return true;
}
