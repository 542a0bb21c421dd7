/** What a sentiment score means: a tone, a word and a shape; the colour only repeats them. */

export type Tone = "positive" | "neutral" | "uneasy" | "negative";

/** Scores of -1..1; the first whose lower bound is met. Neutral is wide on purpose: most of what is said on a phone is neutral. */
const bounds: readonly [number, Tone][] = [
  [0.2, "positive"],
  [-0.2, "neutral"],
  [-0.5, "uneasy"],
];

export function toneOf(score: number | null): Tone {
  if (score === null) return "neutral";
  for (const [least, tone] of bounds) if (score >= least) return tone;
  return "negative";
}

const words: Record<Tone, string> = { positive: "Positive", neutral: "Neutral", uneasy: "Uneasy", negative: "Negative" };

export function sentimentWord(score: number | null): string {
  return score === null ? "No words yet" : words[toneOf(score)];
}

/** `+0.42`, `−0.30`, `0.00`; a dash where there is none. */
export function signed(score: number | null): string {
  if (score === null) return "–";
  const rounded = score.toFixed(2);
  if (Number(rounded) === 0) return "0.00";
  return score > 0 ? `+${rounded}` : `−${rounded.slice(1)}`;
}

/** MOS in words people use; 4.41 is the most that G.711 can reach (ITU-T G.107). */
export function mosWord(mos: number): string {
  if (mos >= 4) return "Good";
  if (mos >= 3.6) return "Fair";
  if (mos >= 3.1) return "Poor";
  return "Bad";
}

export function mosTone(mos: number): Tone {
  if (mos >= 4) return "positive";
  if (mos >= 3.6) return "neutral";
  return mos >= 3.1 ? "uneasy" : "negative";
}

export function attentionTone(score: number): Tone {
  if (score >= 70) return "negative";
  return score >= 40 ? "uneasy" : "neutral";
}
