/** Text as a row of plain words, so that what a recogniser writes and what an administrator types compare equal. */

const contractions: Readonly<Record<string, string>> = {
  "won't": "will not",
  "can't": "can not",
  cannot: "can not",
  "shan't": "shall not",
  "ain't": "is not",
  "let's": "let us",
  "y'all": "you all",
  gonna: "going to",
  wanna: "want to",
  gotta: "got to",
};

const endings: readonly (readonly [RegExp, string])[] = [
  [/n't$/, " not"],
  [/'re$/, " are"],
  [/'ve$/, " have"],
  [/'ll$/, " will"],
  [/'m$/, " am"],
  [/^(it|that|he|she|what|there|here|who|where|how)'s$/, "$1 is"],
  [/'d$/, " would"],
  [/'s$/, ""],
];

/** One written word as plain words: lower case, no punctuation, contractions written out. Empty for bare punctuation. */
export function plainWords(written: string): string[] {
  const word = written
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\u2018\u2019\u02bc`]/g, "'")
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
  if (word === "") return [];
  const known = Object.hasOwn(contractions, word) ? contractions[word] : undefined;
  if (known !== undefined) return known.split(" ");
  for (const [ending, full] of endings) if (ending.test(word)) return word.replace(ending, full).split(" ").flatMap(parts);
  return parts(word);
}

/** Hyphens, slashes and stray apostrophes part words; a dot or comma inside a number does not. */
function parts(word: string): string[] {
  return word
    .replace(/'/g, "")
    .split(/(?!(?<=\p{N})[.,](?=\p{N}))[^\p{L}\p{N}]+/u)
    .filter((part) => part !== "");
}

export function textToWords(text: string): string[] {
  return text.split(/\s+/).flatMap(plainWords);
}
