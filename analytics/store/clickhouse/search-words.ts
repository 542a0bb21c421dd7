/** What a search asks for, and where it is in a text. The same cut as the index: runs of ASCII letters and digits, or of anything else not ASCII. */

const token = /[A-Za-z0-9\u0080-\u{10FFFF}]+/gu;

/** Each term is one word, or the words of a quoted phrase in their order; all terms must occur in the call. */
export type SearchTerms = readonly (readonly string[])[];

/** Each term is a query of its own; the engine takes 64 words in one. */
const maxTerms = 20;
const maxWordsOfTerm = 50;

/** @param q `refund "cancel my contract"`; a quote that is not closed runs to the end; terms beyond the twentieth are left out */
export function parseSearch(q: string): SearchTerms {
  const terms: string[][] = [];
  for (const [index, part] of q.split('"').entries()) {
    const words = wordsOf(part);
    if (words.length === 0) continue;
    if (index % 2 === 1) terms.push(words.slice(0, maxWordsOfTerm));
    else terms.push(...words.map((word) => [word]));
  }
  const seen = new Set<string>();
  return terms
    .filter((term) => {
      const key = term.join(" ");
      return !seen.has(key) && seen.add(key);
    })
    .slice(0, maxTerms);
}

export function wordsOf(text: string): string[] {
  return [...text.matchAll(token)].map((match) => match[0].toLowerCase());
}

/** [start, end) of every occurrence of every term in the text, in order, overlapping ones joined. Positions count UTF-16 units. */
export function matchesIn(text: string, terms: SearchTerms): [number, number][] {
  const words = [...text.matchAll(token)].map((match) => ({
    word: match[0].toLowerCase(),
    start: match.index,
    end: match.index + match[0].length,
  }));
  const found: [number, number][] = [];
  for (const term of terms)
    for (let i = 0; i + term.length <= words.length; i++)
      if (term.every((word, offset) => words[i + offset]!.word === word)) found.push([words[i]!.start, words[i + term.length - 1]!.end]);
  found.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const joined: [number, number][] = [];
  for (const match of found) {
    const last = joined.at(-1);
    if (last !== undefined && match[0] < last[1]) last[1] = Math.max(last[1], match[1]);
    else joined.push(match);
  }
  return joined;
}
