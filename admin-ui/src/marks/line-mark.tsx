import type { LineQuality } from "@earshot/proto/api/calls.ts";
import { mosBars, mosTone, mosWord } from "../format/sentiment.ts";
import "./marks.css";

/** The worst leg's newest measure; null where none has come yet. */
export function worstLine(lines: readonly LineQuality[]): LineQuality | null {
  let worst: LineQuality | null = null;
  for (const line of lines) if (worst === null || line.mos < worst.mos) worst = line;
  return worst;
}

/** Four bars like a phone's, as many as the line is good, with the MOS and its word. */
export function LineMark({ mos, silent = false, word = true }: { mos: number | null; silent?: boolean; word?: boolean }) {
  if (mos === null) {
    return (
      <span className="line-mark faint" title="No packets measured yet">
        –
      </span>
    );
  }
  const tone = silent ? "negative" : mosTone(mos);
  const bars = mosBars(mos);
  const said = silent ? "Silent" : mosWord(mos);
  return (
    <span
      className="line-mark"
      title={`Line quality: MOS ${mos.toFixed(2)} of 4.41 possible (${said.toLowerCase()}); the worst leg counts`}
    >
      <svg className={`tone-${tone}`} width="14" height="12" viewBox="0 0 14 12" aria-hidden="true" focusable="false">
        {[0, 1, 2, 3].map((bar) => (
          <rect
            key={bar}
            x={bar * 3.7}
            y={9 - bar * 3}
            width="2.5"
            height={3 + bar * 3}
            rx="1"
            fill={bar < bars ? "currentColor" : "var(--line-strong)"}
          />
        ))}
      </svg>
      <b>{mos.toFixed(1)}</b>
      {word && <span className={tone === "positive" ? "faint" : `tone-${tone}`}>{said}</span>}
    </span>
  );
}
