/** Options of the decoder. */
export const tuning: readonly string[] = [
  // Without this, frames of silence vanish and word times slip; the pipeline has found the speech already.
  "-remove_silence",
  "no",
  "-fwdflat",
  "no",
  "-maxhmmpf",
  "3000",
  "-pl_window",
  "10",
];
