/**
 * Options of the decoder, chosen by `npm run bench -- recognisers pocketsphinx` for word errors against CPU time on wideband and telephone speech.
 */
export const tuning: readonly string[] = [
  // Without this, frames of silence vanish and word times slip; the pipeline has found the speech already.
  "-remove_silence",
  "no",
  // The second pass over a whole utterance gains one to two per cent of words, and everybody waits for it after the last word.
  "-fwdflat",
  "no",
  // The third pass stays (`-bestpath` yes): without it five per cent more words are wrong, and there are no posteriors.
  // A tenth of the default's active states: the same words in two thirds of the time.
  "-maxhmmpf",
  "3000",
  // Looks further ahead before it opens new words.
  "-pl_window",
  "10",
];
