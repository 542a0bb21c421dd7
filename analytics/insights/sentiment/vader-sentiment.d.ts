declare module "vader-sentiment/src/vader_lexicon.js" {
  /** Mean valence of a word, -4 .. +4. */
  export const lexicon: Readonly<Record<string, number>>;
}
declare module "vader-sentiment" {
  export const SentimentIntensityAnalyzer: { polarity_scores(text: string): { compound: number; pos: number; neu: number; neg: number } };
}
