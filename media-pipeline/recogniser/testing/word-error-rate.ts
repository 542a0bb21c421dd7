/** Word error rate: insertions, deletions and substitutions per word of the truth (Levenshtein distance over words). */

/** The normaliser's name, printed beside every figure. */
export const normaliserName = "lower case, punctuation and bracketed noises dropped, hyphens split, digits left as they are";

export function normalisedWords(text: string): string[] {
  return text
    .toLowerCase()
    .replace(/<[^>]*>|\[[^\]]*\]/g, " ")
    .replace(/[’]/g, "'")
    .replace(/[^\p{L}\p{N}']+/gu, " ")
    .split(" ")
    .map((word) => word.replace(/^'+|'+$/g, ""))
    .filter((word) => word !== "");
}

export type WordErrors = { readonly errors: number; readonly words: number };

export function wordErrors(truth: string, heard: string): WordErrors {
  const [a, b] = [normalisedWords(truth), normalisedWords(heard)];
  let before = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++)
      row.push(Math.min(before[j]! + 1, row[j - 1]! + 1, before[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    before = row;
  }
  return { errors: before[b.length]!, words: a.length };
}
