import { sentimentWord, type Tone, toneOf } from "../format/sentiment.ts";
import "./marks.css";

/** The shape of a tone: triangle up, bar, hollow triangle down, diamond. Told apart without colour. */
export function ToneShape({ tone, size = 10 }: { tone: Tone; size?: number }) {
  return (
    <svg className={`tone-${tone}`} width={size} height={size} viewBox="0 0 10 10" aria-hidden="true" focusable="false">
      {tone === "positive" && <path d="M5 1 9.4 8.6H.6Z" fill="currentColor" />}
      {tone === "neutral" && <rect x="1" y="4" width="8" height="2" rx="1" fill="currentColor" />}
      {tone === "uneasy" && <path d="M5 8.4 1.2 1.9h7.6Z" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" />}
      {tone === "negative" && <path d="M5 .3 9.7 5 5 9.7.3 5Z" fill="currentColor" />}
    </svg>
  );
}

/** Sentiment as shape and word. */
export function SentimentMark({ score, prefix }: { score: number | null; prefix?: string }) {
  const tone = toneOf(score);
  return (
    <span className={`sentiment-mark tone-${tone}`}>
      <ToneShape tone={tone} />
      {prefix !== undefined && <span className="sr-only">{prefix}</span>}
      {sentimentWord(score)}
    </span>
  );
}
