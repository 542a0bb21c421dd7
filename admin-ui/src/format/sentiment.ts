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

/** 4 good, 3 fair, 2 poor, 1 bad; judged as it is shown, with one decimal, so that equal numbers carry equal words. */
export function mosBars(mos: number): 1 | 2 | 3 | 4 {
  const shown = Math.round(mos * 10) / 10;
  if (shown >= 4) return 4;
  if (shown >= 3.6) return 3;
  return shown >= 3.1 ? 2 : 1;
}

/** MOS in words people use; 4.41 is the most that G.711 can reach (ITU-T G.107). */
export const mosWord = (mos: number): string => ({ 4: "Good", 3: "Fair", 2: "Poor", 1: "Bad" })[mosBars(mos)];

export const mosTone = (mos: number): Tone => ({ 4: "positive", 3: "neutral", 2: "uneasy", 1: "negative" })[mosBars(mos)] as Tone;

export function attentionTone(score: number): Tone {
  if (score >= 70) return "negative";
  return score >= 40 ? "uneasy" : "neutral";
}
