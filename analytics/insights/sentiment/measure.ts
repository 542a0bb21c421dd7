/** Measures analysers against sentences that people have rated. For the bench and the test that holds its floor. */
import { readFileSync } from "node:fs";
import { scoreText } from "./analyser.ts";

export type RatedSentence = { readonly rating: number; readonly text: string };

/** @param path tab-separated: id, mean rating -4..4, text */
export function readRatedSentences(path: string): RatedSentence[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, rating, text] = line.split("\t");
      return rating === undefined || text === undefined ? [] : [{ rating: Number(rating), text }];
    });
}

export type SentimentRow = { analyser: string; correlation: number; accuracy: number; macroF1: number };

const classOfRating = (rating: number): number => (rating >= 0.5 ? 1 : rating <= -0.5 ? -1 : 0);
/** VADER's own bounds for its score. */
const classOfScore = (score: number): number => (score >= 0.05 ? 1 : score <= -0.05 ? -1 : 0);

export async function measureSentiment(sentences: readonly RatedSentence[]): Promise<{ rows: SentimentRow[]; microsPerSentence: number }> {
  const { SentimentIntensityAnalyzer } = (await import("vader-sentiment")).default as unknown as typeof import("vader-sentiment");
  const truth = sentences.map((sentence) => classOfRating(sentence.rating));
  const counts = new Map<number, number>();
  for (const one of truth) counts.set(one, (counts.get(one) ?? 0) + 1);
  const [majority] = [...counts].sort((a, b) => b[1] - a[1])[0]!;
  const row = (analyser: string, score: (text: string) => number): SentimentRow => {
    const scores = sentences.map((sentence) => score(sentence.text));
    const classes = scores.map(classOfScore);
    return {
      analyser,
      correlation: round(
        correlation(
          scores,
          sentences.map((sentence) => sentence.rating),
        ),
      ),
      accuracy: round(classes.filter((one, i) => one === truth[i]).length / truth.length),
      macroF1: round(macroF1(classes, truth)),
    };
  };
  const from = performance.now();
  for (const sentence of sentences) scoreText(sentence.text);
  const microsPerSentence = ((performance.now() - from) * 1000) / sentences.length;
  return {
    rows: [
      row("built in", scoreText),
      row("vader-sentiment", (text) => SentimentIntensityAnalyzer.polarity_scores(text).compound),
      row("majority class", () => majority),
    ],
    microsPerSentence,
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let top = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    top += (a[i]! - ma) * (b[i]! - mb);
    aa += (a[i]! - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
  }
  return aa === 0 || bb === 0 ? 0 : top / Math.sqrt(aa * bb);
}

function macroF1(given: readonly number[], truth: readonly number[]): number {
  let sum = 0;
  for (const one of [-1, 0, 1]) {
    let hit = 0;
    let claimed = 0;
    let real = 0;
    for (let i = 0; i < truth.length; i++) {
      if (given[i] === one) claimed++;
      if (truth[i] === one) real++;
      if (given[i] === one && truth[i] === one) hit++;
    }
    sum += claimed + real === 0 ? 0 : (2 * hit) / (claimed + real);
  }
  return sum / 3;
}
