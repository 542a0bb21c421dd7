/** Conditions that find words and phrases, by the index that `calls` has. Both find the same calls; words are cut as in search-words.ts. */
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
  /** Settings of every query that looks for words. */
  readonly ofTerms: readonly string[];
};

/** @param inOrder a page is read in the primary key's order @returns the end of a query of the settled calls; begins with a space, or is empty */
export function searchSettings(search: WordSearch, terms: SearchTerms, inOrder: boolean): string {
  const settings = [...(inOrder ? search.inOrder : []), ...(terms.length > 0 ? search.ofTerms : [])];
  return settings.length === 0 ? "" : ` SETTINGS ${settings.join(", ")}`;
}

/**
 * Every word, and every two that follow one another, as a tuple's text. No lambda: the engine cannot carry one out in parts that lack the index.
 * Words hold no quote and nothing else that such a text escapes.
 */
const searchedTerms =
  "arrayConcat(tokens(lowerUTF8(said)), CAST(arrayZip(arrayPopBack(tokens(lowerUTF8(said))), arrayPopFront(tokens(lowerUTF8(said)))), 'Array(String)'))";
const pairOf = (one: string, two: string) => `('${one}','${two}')`;

/** As the migration adds it to `calls`; the index answers conditions on its own expression alone, to the letter. */
export const termsIndex = `INDEX terms ${searchedTerms} TYPE text(tokenizer = 'array', posting_list_block_size = 65536)`;

/** ClickHouse 26.7 and later: a text index of words and of pairs of words. */
export const textIndexSearch: WordSearch = {
  said(sought, params) {
    if (sought.length === 0) return [];
    const terms = sought.flatMap((term) => (term.length === 1 ? term : term.slice(1).map((word, index) => pairOf(term[index]!, word))));
    params.terms = [...new Set(terms)];
    const conditions = [`hasAll(${searchedTerms}, {terms:Array(String)})`];
    for (const [index, term] of sought.entries()) {
      params[`term${index}`] = term.join(" ");
      // All pairs of a longer phrase may stand apart: of the few calls that have them the words are read.
      if (term.length > 2) conditions.push(`hasPhrase(lowerUTF8(said), {term${index}:String})`);
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
  // The sums and names that projections hold know no words; looking whether they could answer takes longer than many a search.
  ofTerms: ["optimize_use_projections = 0"],
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
  ofTerms: [],
};
