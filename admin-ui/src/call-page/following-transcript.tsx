import type { CallDetail, Segment } from "@earshot/proto/api/calls.ts";
import { type MouseEvent, type Ref, useCallback, useEffect, useImperativeHandle, useMemo, useRef } from "react";
import { ErrorNote } from "../frame/error-note.tsx";
import { alertsBySegment } from "../transcript/alerts-by-segment.ts";
import { Turn } from "../transcript/turn.tsx";
import type { Player } from "./use-player.ts";
import { segmentsAt } from "./word-clock.ts";

interface Props {
  ref: Ref<HTMLDivElement>;
  call: CallDetail;
  segments: readonly Segment[];
  error: unknown;
  player: Player;
}

/** After somebody has scrolled, the transcript waits this long before it follows the audio again. */
const scrollRestMs = 4000;

/** The transcript that follows the audio word by word; a click on a word plays from there. */
export function FollowingTranscript({ ref, call, segments, error, player }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  useImperativeHandle(ref, () => scroller.current as HTMLDivElement);
  const alerts = useMemo(() => alertsBySegment(call.alerts), [call.alerts]);
  const touchedAt = useRef(Number.NEGATIVE_INFINITY);
  const { seek } = player;
  // Words are marked in the page itself, not through React: it happens many times a second.
  useEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    let marked: HTMLElement[] = [];
    let turn: HTMLElement | null = null;
    return player.onTime((ms) => {
      const now: HTMLElement[] = [];
      let speaking: HTMLElement | null = null;
      for (const segment of segmentsAt(segments, ms)) {
        const line = box.querySelector<HTMLElement>(`[data-segment="${CSS.escape(segment.segmentId)}"]`);
        if (line === null) continue;
        speaking = line;
        const index = segment.words.findLastIndex((word) => word.startMs <= ms);
        const word = line.querySelectorAll<HTMLElement>(".word")[index];
        if (word !== undefined && ms < Number(word.dataset.to) + 300) now.push(word);
      }
      for (const word of marked) if (!now.includes(word)) word.classList.remove("now");
      for (const word of now) word.classList.add("now");
      marked = now;
      if (speaking !== null && speaking !== turn && player.playing && performance.now() - touchedAt.current > scrollRestMs) {
        const view = box.getBoundingClientRect();
        const line = speaking.getBoundingClientRect();
        if (line.top < view.top + 32 || line.bottom > view.bottom - 80)
          box.scrollTo({ top: box.scrollTop + line.top - view.top - view.height / 3 });
      }
      turn = speaking;
    });
  }, [player, segments]);
  const onClick = (event: MouseEvent) => {
    const word = (event.target as HTMLElement).closest<HTMLElement>(".word");
    if (word?.dataset.at !== undefined) seek(Number(word.dataset.at));
  };
  const coming = call.endedAt !== null && (call.stages[2] === "pending" || call.stages[2] === "running");
  const onSeek = useCallback((ms: number) => seek(ms), [seek]);
  const touch = () => {
    touchedAt.current = performance.now();
  };
  return (
    <section className="call-words" aria-label="Transcript" ref={scroller} onWheel={touch} onTouchMove={touch}>
      {error !== null && (
        <div style={{ padding: 24 }}>
          <ErrorNote title="The transcript could not be loaded." error={error} />
        </div>
      )}
      {coming && (
        <p className="words-coming small muted" role="status">
          The speech engine is still at work on this call; more words appear here by themselves.
        </p>
      )}
      {segments.length === 0 && error === null && !coming && (
        <div className="empty">
          <h2>There are no words</h2>
          <p>
            {call.stages[2] === "done"
              ? "Nobody spoke, or nothing was understood."
              : "The ledger beside tells what became of the transcript."}
          </p>
        </div>
      )}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the time of each turn is the button for the keyboard */}
      <ol className="transcript" onClick={onClick}>
        {segments.map((segment, index) => (
          <Turn
            key={segment.segmentId}
            segment={segment}
            continued={segments[index - 1]?.speaker === segment.speaker}
            alerts={alerts.get(segment.segmentId)}
            onSeek={onSeek}
          />
        ))}
      </ol>
    </section>
  );
}
