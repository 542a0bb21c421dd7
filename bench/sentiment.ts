/**
 * The built-in sentiment analyser against people's ratings of 3,708 review sentences (VADER's Amazon set), beside plain vader-sentiment and the
 * majority class. Reviews are written, calls are spoken: this says that the analyser is sane, not how well it hears a caller.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { measureSentiment, readRatedSentences } from "@earshot/analytics/insights/sentiment/measure.ts";

export async function run(): Promise<void> {
  const path = fileURLToPath(new URL("../../shared/data/text/vader/amazonReviewSnippets_GroundTruth.txt", import.meta.url));
  if (!existsSync(path)) {
    console.log("sentiment: skipped, ../shared/data/text/vader is not here");
    return;
  }
  const sentences = readRatedSentences(path);
  const { rows, microsPerSentence } = await measureSentiment(sentences);
  console.log(`sentiment, ${sentences.length} sentences; class = nearer to 0 than to 1 on the raters' -4..4 is neutral`);
  console.table(rows);
  console.log(`${microsPerSentence.toFixed(1)} µs per sentence`);
}

if (import.meta.main) await run();
