import type { Alert, Segment } from "@earshot/proto/api/calls.ts";
import { Fragment, memo } from "react";
import { toneOf } from "../format/sentiment.ts";
import { duration, spokenDuration } from "../format/time.ts";
import { speakerName } from "../format/words.ts";
import { AlertIcon } from "../marks/alert-icon.tsx";
import { ToneShape } from "../marks/sentiment-mark.tsx";
import "./transcript.css";

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
      <span className="turn-time">
        {onSeek === undefined ? (
          duration(segment.startMs)
        ) : (
          <button
            type="button"
            className="plain-button"
            onClick={() => onSeek(segment.startMs)}
            title={`Play from ${spokenDuration(segment.startMs)}`}
          >
            <span className="sr-only">Play from </span>
            {duration(segment.startMs)}
          </button>
        )}
      </span>
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
        <p className={`turn-text tone-edge-${segment.sentiment === null ? "none" : tone} ${segment.final ? "" : "partial"}`}>
          {segment.error !== "" ? (
            <span className="turn-missing">Not recognised: {segment.error.replace(/^[a-z_]+: /, "")}</span>
          ) : words === null ? (
            <>
              {segment.text || "…"}
              {!segment.final && <span className="sr-only"> (still speaking)</span>}
            </>
          ) : (
            // Words are found by their times; one listener on the list takes the clicks.
            words.map((word, index) => (
              // a word is its place
              <Fragment key={index}>
                <span
                  className={word.confidence !== null && word.confidence < 0.5 ? "word unsure" : "word"}
                  data-at={word.startMs}
                  data-to={word.endMs}
                >
                  {word.text}
                </span>{" "}
              </Fragment>
            ))
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
