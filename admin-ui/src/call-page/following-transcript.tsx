import type { CallDetail, Segment } from "@earshot/proto/api/calls.ts";
import { type MouseEvent, type Ref, useEffect, useMemo, useRef } from "react";
import { ErrorNote } from "../frame/error-note.tsx";
import { Transcript, type TranscriptHandle } from "../transcript/transcript.tsx";
import { markWords, wordRange, wordUnder } from "../transcript/word-ranges.ts";
import type { Player } from "./use-player.ts";
import { segmentsAt } from "./word-clock.ts";

interface Props {
  ref: Ref<TranscriptHandle>;
  call: CallDetail;
  segments: readonly Segment[];
  error: unknown;
  player: Player;
  /** The moment that was asked for, ms. */
  beginsAtMs: number;
}

/** After somebody has scrolled, the transcript waits this long before it follows the audio again. */
const scrollRestMs = 4000;

/** The transcript that follows the audio word by word; a click on a word plays from there. */
export function FollowingTranscript({ ref, call, segments, error, player, beginsAtMs }: Props) {
  const scroller = useRef<HTMLElement>(null);
  const touchedAt = useRef(Number.NEGATIVE_INFINITY);
  const byId = useMemo(() => new Map(segments.map((segment) => [segment.segmentId, segment])), [segments]);
  const { seek } = player;
  // Words are marked in the page itself, not through React: it happens many times a second.
  useEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    const lines = new Map<Segment, Element>();
    const lineOf = (segment: Segment) => {
      const line = lines.get(segment) ?? box.querySelector(`[data-segment="${CSS.escape(segment.segmentId)}"]`);
      if (line !== null) lines.set(segment, line);
      return line;
    };
    let marked = "";
    let turn: Element | null = null;
    const stop = player.onTime((ms) => {
      const now: [line: Element, segment: Segment, word: number][] = [];
      let speaking: Element | null = null;
      const spoken = segmentsAt(segments, ms);
      for (const segment of lines.keys()) if (!spoken.includes(segment)) lines.delete(segment);
      for (const segment of spoken) {
        const line = lineOf(segment);
        if (line === null) continue;
        speaking = line;
        const index = segment.words.findLastIndex((word) => word.startMs <= ms);
        const word = segment.words[index];
        if (word !== undefined && ms < word.endMs + 300) now.push([line, segment, index]);
      }
      const mark = now.map(([, segment, word]) => `${segment.segmentId} ${word}`).join();
      if (mark !== marked)
        markWords(
          "word-now",
          now.map((word) => wordRange(...word)).filter((range) => range !== null),
        );
      marked = mark;
      if (speaking !== null && speaking !== turn && player.playing && performance.now() - touchedAt.current > scrollRestMs) {
        const view = box.getBoundingClientRect();
        const line = speaking.getBoundingClientRect();
        if (line.top < view.top + 32 || line.bottom > view.bottom - 80)
          box.scrollTo({ top: box.scrollTop + line.top - view.top - view.height / 3 });
      }
      turn = speaking;
    });
    return () => {
      stop();
      markWords("word-now", []);
    };
  }, [player, segments]);
  /** The word under the pointer, with its turn's line. */
  const wordAt = (event: MouseEvent) => {
    const line = (event.target as Element).closest(".has-words")?.closest<HTMLElement>("[data-segment]");
    const segment = byId.get(line?.dataset.segment ?? "");
    if (!line || segment === undefined) return null;
    const index = wordUnder(line, segment, event.clientX, event.clientY);
    return index < 0 ? null : { line, segment, index };
  };
  const onClick = (event: MouseEvent) => {
    // One who has just selected words wants to copy them, not to hear them.
    if (getSelection()?.isCollapsed === false) return;
    const word = wordAt(event);
    const startMs = word?.segment.words[word.index]?.startMs;
    if (startMs !== undefined) seek(startMs);
  };
  const onPointer = (event: MouseEvent) => {
    const word = event.type === "mouseleave" ? null : wordAt(event);
    const range = word && wordRange(word.line, word.segment, word.index);
    markWords("word-under", range === null ? [] : [range]);
  };
  const coming = call.endedAt !== null && (call.stages[2] === "pending" || call.stages[2] === "running");
  const touch = () => {
    touchedAt.current = performance.now();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the time of each turn is the button for the keyboard
    <section
      className="call-words"
      aria-label="Transcript"
      ref={scroller}
      onWheel={touch}
      onTouchMove={touch}
      onClick={onClick}
      onMouseMove={onPointer}
      onMouseLeave={onPointer}
    >
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
      <Transcript ref={ref} segments={segments} alerts={call.alerts} beginsAtMs={beginsAtMs} onSeek={seek} />
    </section>
  );
}
