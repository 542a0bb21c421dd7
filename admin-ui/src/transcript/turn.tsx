import type { Alert, Segment } from "@earshot/proto/api/calls.ts";
import { memo } from "react";
import { toneOf } from "../format/sentiment.ts";
import { duration } from "../format/time.ts";
import { speakerName } from "../format/words.ts";
import { AlertIcon } from "../marks/alert-icon.tsx";
import { ToneShape } from "../marks/sentiment-mark.tsx";

interface Props {
  segment: Segment;
  /** The turn before is by the same side: no name again. */
  continued: boolean;
  alerts: readonly Alert[] | undefined;
  /** Given on the call page: words are buttons for the ear. */
  onSeek?: ((ms: number) => void) | undefined;
}

/** One utterance on its side of the time line. Partial words are lighter; where words are missing the reason stands instead. */
export const Turn = memo(function Turn({ segment, continued, alerts, onSeek }: Props) {
  const tone = toneOf(segment.sentiment);
  const words = segment.words.length > 0 && onSeek !== undefined ? segment.words : null;
  return (
    <li className={`turn ${segment.speaker} ${continued ? "continued" : ""}`} data-segment={segment.segmentId} data-start={segment.startMs}>
      {onSeek === undefined ? (
        <span className="turn-time">{duration(segment.startMs)}</span>
      ) : (
        <button
          type="button"
          className="turn-time plain-button"
          onClick={() => onSeek(segment.startMs)}
          aria-label={`Play from ${duration(segment.startMs)}`}
        >
          {duration(segment.startMs)}
        </button>
      )}
      <div className="turn-body">
        <span className={continued ? "sr-only" : "turn-name"}>
          {speakerName[segment.speaker]}
          {segment.sentiment !== null && tone !== "neutral" && (
            <span className="turn-tone" title={`Sentiment ${segment.sentiment.toFixed(2)}`}>
              <ToneShape tone={tone} size={9} />
              <span className="sr-only">{tone}</span>
            </span>
          )}
        </span>
        <p
          className={`turn-text tone-edge-${segment.sentiment === null ? "none" : tone} ${segment.final ? "" : "partial"} ${words === null ? "" : "has-words"}`}
        >
          {segment.error !== "" ? (
            <span className="turn-missing">Not recognised: {segment.error.replace(/^[a-z_]+: /, "")}</span>
          ) : words === null ? (
            <>
              {segment.text || "…"}
              {!segment.final && <span className="sr-only"> (still speaking)</span>}
            </>
          ) : (
            <Words words={words} />
          )}
          {segment.lostMs > 0 && (
            <span className="turn-lost" title="Audio inside these words that never arrived">
              {" "}
              {(segment.lostMs / 1000).toFixed(1)} s lost
            </span>
          )}
        </p>
        {alerts?.map((alert) => (
          <span key={alert.alertId} className="turn-alert">
            <AlertIcon severity={alert.severity} />
            {alert.ruleName}
            {alert.phrase !== "" && <span className="faint">“{alert.phrase}”</span>}
          </span>
        ))}
      </div>
    </li>
  );
});

/** The words with one space between them, as `word-ranges` reads them; only what the engine was unsure of has an element of its own. */
function Words({ words }: { words: Segment["words"] }) {
  const pieces: { text: string; unsure: boolean }[] = [];
  for (const { text, confidence } of words) {
    const unsure = confidence !== null && confidence < 0.5;
    const last = pieces.at(-1);
    if (last === undefined) pieces.push({ text, unsure });
    else if (!last.unsure && !unsure) last.text += ` ${text}`;
    else if (!last.unsure) {
      last.text += " ";
      pieces.push({ text, unsure });
    } else if (!unsure) pieces.push({ text: ` ${text}`, unsure });
    else pieces.push({ text: " ", unsure: false }, { text, unsure });
  }
  return pieces.map(({ text, unsure }, index) =>
    unsure ? (
      // a piece is its place
      <span key={index} className="unsure">
        {text}
      </span>
    ) : (
      text
    ),
  );
}
