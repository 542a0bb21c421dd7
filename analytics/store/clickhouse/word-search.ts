/** Conditions that find words and phrases, by the index that `calls.said` has. Both find the same calls; words are cut as in search-words.ts. */
import type { SearchTerms } from "./search-words.ts";

export type WordSearch = {
  /** Of the settled calls: all terms occur in `said`. Parameters go into `params`. */
  said(terms: SearchTerms, params: Record<string, unknown>): string[];
  /** Of a segment: the term of this number, which `said` has bound, occurs in `text`. */
  inSegment(term: number): string;
  /** Of a segment: any of the words occurs in `text`. */
  anyInSegment(words: readonly string[], params: Record<string, unknown>): string;
  /** Settings of a page's query where reading in the primary key's order must not be undone. */
  readonly inOrder: readonly string[];
  /** Settings of every query that looks for a phrase. */
  readonly ofPhrases: readonly string[];
};

/** @param inOrder a page is read in the primary key's order @returns the end of a query of the settled calls; begins with a space, or is empty */
export function searchSettings(search: WordSearch, terms: SearchTerms, inOrder: boolean): string {
  const settings = [...(inOrder ? search.inOrder : []), ...(terms.some((term) => term.length > 1) ? search.ofPhrases : [])];
  return settings.length === 0 ? "" : ` SETTINGS ${settings.join(", ")}`;
}

/** ClickHouse 26.7 and later: a text index that knows the words' positions. */
export const textIndexSearch: WordSearch = {
  said(terms, params) {
    const conditions: string[] = [];
    const words = terms.flatMap((term) => (term.length === 1 ? term : []));
    if (words.length > 0) {
      params.words = words;
      conditions.push("hasAllTokens(said, {words:Array(String)})");
    }
    for (const [index, term] of terms.entries()) {
      params[`term${index}`] = term.join(" ");
      if (term.length > 1) conditions.push(`hasPhrase(said, {term${index}:String})`);
    }
    return conditions;
  },
  inSegment: (term) => `hasPhrase(lowerUTF8(text), {term${term}:String})`,
  anyInSegment(words, params) {
    params.words = words;
    return "hasAnyTokens(lowerUTF8(text), {words:Array(String)})";
  },
  // A filter on the sorted column as it is read (top k) speeds a sorting of everything, but it keeps the primary key's order from ending
  // the reading early, and the index of words from answering alone.
  inOrder: ["use_top_k_dynamic_filtering = 0", "max_block_size = 8192"],
  // The index compares the positions of a phrase's words over whole parts. A page, its total and the chart above it ask for the same
  // phrase: with this cache (the engine's, at most 2 GB, the words asked for longest ago go first) it is looked for once.
  ofPhrases: ["use_text_index_postings_cache = 1"],
};

/** Anything between two words; the engine's regular expressions are RE2's, on UTF-8. */
const apart = "[^0-9A-Za-z\\x{80}-\\x{10FFFF}]";
const wordsPattern = (words: string) => `(?:^|${apart})(?:${words})(?:${apart}|$)`;
/** Each is a condition of its own. */
const maxIndexedWords = 64;

/** ClickHouse 24.8 and later: a bloom filter of the words passes over what cannot match; the rest is read. */
export const bloomFilterSearch: WordSearch = {
  said(terms, params) {
    const alone = terms.flatMap((term) => (term.length === 1 ? term : []));
    const ofPhrases = terms.flatMap((term) => (term.length > 1 ? term : []));
    // Single words first: for them this is the whole condition, for a phrase only what the index can tell.
    const words = [...new Set([...alone, ...ofPhrases])].slice(0, maxIndexedWords);
    const conditions = words.map((word, index) => {
      params[`word${index}`] = word;
      return `hasToken(lowerUTF8(said), {word${index}:String})`;
    });
    for (const [index, term] of terms.entries()) {
      // Letters, digits and what is not ASCII: nothing in a word means anything in a pattern.
      params[`term${index}`] = wordsPattern(term.join(`${apart}+`));
      if (term.length > 1) conditions.push(`match(lowerUTF8(said), {term${index}:String})`);
    }
    return conditions;
  },
  inSegment: (term) => `match(lowerUTF8(text), {term${term}:String})`,
  anyInSegment(words, params) {
    params.words = wordsPattern(words.join("|"));
    return "match(lowerUTF8(text), {words:String})";
  },
  inOrder: ["max_block_size = 8192"],
  ofPhrases: [],
};
