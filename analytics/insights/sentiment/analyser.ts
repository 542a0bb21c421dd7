/**
 * How a spoken sentence feels, -1 .. +1: no key, no model to fetch. A lexicon of word valences (VADER, Hutto and Gilbert 2014), its rules for
 * boosters, negation and "but", and on top of it the language of telephone service (call-lexicon.ts): speech has no capitals, emoticons or
 * exclamation marks, customary politeness is not joy, and "it is not working" is bad though no word of it is.
 */
import { lexicon } from "vader-sentiment/src/vader_lexicon.js";
import { plainWords } from "../words.ts";
import { callPhrases, callWords, formulas, functionWords } from "./call-lexicon.ts";

export const analyserName = "earshot-lexicon";
export const analyserVersion = "1";

const boosters: Readonly<Record<string, number>> = {};
for (const word of (
  "absolutely amazingly awfully completely considerably decidedly deeply enormously entirely especially exceptionally extremely fabulously fully greatly " +
  "highly hugely incredibly intensely majorly more most particularly purely quite really remarkably so substantially thoroughly totally tremendously " +
  "unbelievably unusually utterly very truly always such damn bloody fucking"
).split(" "))
  (boosters as Record<string, number>)[word] = 0.293;
for (const word of "almost barely hardly just kinda less little marginally occasionally partly scarcely slightly somewhat sorta fairly".split(
  " ",
))
  (boosters as Record<string, number>)[word] = -0.293;

const negations = new Set("not never no none nobody neither nor nothing nowhere without hardly barely rarely seldom despite".split(" "));
/** A negation reaches over these, and no further than the clause. */
const clauseEnds = new Set(["but", "however", "although", "though", "because", "and", "or", "then", "which"]);
const negationScalar = -0.74;
const negationReach = 4;
const functionFailure = -1.7;
/** Shrinks a sum of valences to -1 .. +1, as VADER does. */
const normalisation = 15;

type Entry = { words: readonly string[]; valence: number };
const phrasesByFirst = new Map<string, Entry[]>();
for (const [text, valence] of [...callPhrases, ...formulas.map((formula) => [formula, Number.NaN] as const)]) {
  const words = text.split(" ");
  const list = phrasesByFirst.get(words[0]!) ?? [];
  list.push({ words, valence });
  phrasesByFirst.set(words[0]!, list);
}
for (const list of phrasesByFirst.values()) list.sort((a, b) => b.words.length - a.words.length);

function phraseAt(words: readonly string[], at: number): Entry | undefined {
  return phrasesByFirst.get(words[at]!)?.find((entry) => entry.words.every((word, i) => words[at + i] === word));
}

function valenceOf(word: string): number {
  const own = Object.hasOwn(callWords, word) ? callWords[word] : undefined;
  return own ?? (Object.hasOwn(lexicon, word) ? lexicon[word]! : 0);
}

type Token = { word: string; clause: number; sentence: number };

/** Plain words, with the clause and sentence they stand in where the recogniser writes punctuation. */
function tokens(text: string): Token[] {
  const out: Token[] = [];
  let clause = 0;
  let sentence = 0;
  for (const written of text.split(/\s+/)) {
    for (const word of plainWords(written)) {
      if (clauseEnds.has(word)) clause++;
      out.push({ word, clause, sentence });
    }
    if (/[.!?]["')]*$/.test(written)) sentence++;
    if (/[.!?,;:]["')]*$/.test(written)) clause++;
  }
  return out;
}

/** @returns -1 (very bad) .. +1 (very good); 0 where nothing says how it feels */
export function scoreText(text: string): number {
  const row = tokens(text);
  const words = row.map((token) => token.word);
  const valences: number[] = [];
  const sentences: number[] = [];
  for (let at = 0; at < row.length; ) {
    const phrase = phraseAt(words, at);
    if (phrase !== undefined) {
      const isFormula = Number.isNaN(phrase.valence);
      const value = isFormula ? 0 : phrase.valence * (phrase.valence > 0 && isNegated(row, at) ? negationScalar : 1);
      for (let i = 0; i < phrase.words.length; i++) {
        valences.push(i === 0 ? value : 0);
        sentences.push(row[at + i]!.sentence);
      }
      at += phrase.words.length;
      continue;
    }
    valences.push(wordValence(row, words, at));
    sentences.push(row[at]!.sentence);
    at++;
  }
  weighContrast(words, valences, sentences);
  let sum = 0;
  for (const valence of valences) sum += valence;
  return sum / Math.sqrt(sum * sum + normalisation);
}

function isNegated(row: readonly Token[], at: number): boolean {
  for (let i = at - 1; i >= 0 && i >= at - negationReach && row[i]!.clause === row[at]!.clause; i--)
    if (negations.has(row[i]!.word)) return true;
  return false;
}

function wordValence(row: readonly Token[], words: readonly string[], at: number): number {
  const word = words[at]!;
  const negated = isNegated(row, at);
  if (negated && functionWords.has(word)) return functionFailure;
  if (Object.hasOwn(boosters, word) && at < row.length - 1 && row[at + 1]!.clause === row[at]!.clause) return 0;
  let valence = valenceOf(word);
  if (valence === 0) return 0;
  for (let distance = 1; distance <= 3 && at - distance >= 0; distance++) {
    const before = words[at - distance]!;
    const boost = Object.hasOwn(boosters, before) ? boosters[before]! : 0;
    valence += Math.sign(valence) * boost * (distance === 1 ? 1 : distance === 2 ? 0.95 : 0.9);
  }
  // "too good" is still good; "too" makes what is bad worse.
  if (words[at - 1] === "too" && valence < 0) valence -= 0.3;
  // "No" is a negation, and by itself an answer.
  if (negated && word !== "no" && word !== "not") valence *= negationScalar;
  return valence;
}

/** In a sentence with "but", what follows weighs more than what went before. */
function weighContrast(words: readonly string[], valences: number[], sentences: readonly number[]): void {
  for (let at = 0; at < words.length; at++) {
    if (words[at] !== "but" && words[at] !== "however") continue;
    for (let i = 0; i < words.length; i++) {
      if (sentences[i] !== sentences[at]) continue;
      if (i < at) valences[i]! *= 0.5;
      else if (i > at) valences[i]! *= 1.5;
    }
    break;
  }
}
