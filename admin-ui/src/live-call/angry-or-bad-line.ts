/** Is somebody upset, or do they just not hear each other? Reads the caller's mood beside the worst leg's line. */
import { mosWord, type Tone, toneOf } from "../format/sentiment.ts";
import { latestCallerSentiment } from "../live-board/board-rank.ts";
import type { BoardCall } from "../live-connection/live-store.ts";
import { worstLine } from "../marks/line-mark.tsx";

export interface Verdict {
  tone: Tone;
  title: string;
  why: string;
}

/** Below this most listeners are dissatisfied (ITU-T G.107, R < 70). */
const badMos = 3.6;

export function verdictOf(call: BoardCall): Verdict {
  const line = worstLine(call.lineQuality);
  const mood = latestCallerSentiment(call);
  if (line === null) return { tone: "neutral", title: "Too early to say", why: "The line has not been measured yet." };
  const mos = `MOS ${line.mos.toFixed(1)}`;
  const deaf = call.lineQuality.find((each) => each.silent);
  if (deaf !== undefined)
    return {
      tone: "negative",
      title: "One side is not heard at all",
      why: "Packets arrive, but there was never any sound in them: one-way audio.",
    };
  const badLine = line.mos < badMos;
  const badMood = toneOf(mood) === "uneasy" || toneOf(mood) === "negative";
  if (badLine && badMood)
    return {
      tone: "negative",
      title: "Perhaps the line",
      why: `The caller is upset, and the line is bad (${mos}). Mend the line before judging the talk.`,
    };
  if (badLine) return { tone: "uneasy", title: "A bad line", why: `${mos}; the caller bears it so far.` };
  const fair = mosWord(line.mos) === "Fair";
  if (badMood && fair)
    return {
      tone: "uneasy",
      title: "More the conversation",
      why: `The caller is upset; the line is only fair (${mos}) and may add to it.`,
    };
  if (badMood)
    return { tone: "uneasy", title: "The conversation, not the line", why: `The caller is upset over a line that is fine (${mos}).` };
  return { tone: "positive", title: "Neither", why: `The line is ${fair ? "fair" : "fine"} (${mos}), and nobody is upset.` };
}
