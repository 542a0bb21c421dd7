import type { Alert, Segment } from "@earshot/proto/api/calls.ts";
import { memo, type Ref, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from "react";
import { spokenDuration } from "../format/time.ts";
import { alertsBySegment } from "./alerts-by-segment.ts";
import { bringIntoView } from "./bring-into-view.ts";
import { type Part, partSize, partsOf, placeOf } from "./parts.ts";
import { Turn } from "./turn.tsx";
import "./transcript.css";

export interface TranscriptHandle {
  /** Brings words into view and marks them for a moment, by `placeOf`'s rules. Answers false when there are no words at all. */
  show(atMs: number, segmentId?: string): boolean;
}

interface Props {
  ref?: Ref<TranscriptHandle>;
  segments: readonly Segment[];
  alerts: readonly Alert[];
  /** Where reading begins, ms into the call; absent: at the end. */
  beginsAtMs?: number;
  /** Given on the call page: times and words are buttons for the ear. */
  onSeek?: ((ms: number) => void) | undefined;
}

const none: ReadonlySet<number> = new Set();
/** So many new parts at once are drawn one after the other, between what else the page has to do. */
const manyParts = 2;

/**
 * The words of a call, however long it was. Everything is in the page, so that the browser's own search, selection and screen readers
 * have the whole; it is drawn in parts, what is looked at first and the rest in the moments after.
 */
export const Transcript = memo(function Transcript({ ref, segments, alerts, beginsAtMs, onSeek }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const bySegment = useMemo(() => alertsBySegment(alerts), [alerts]);
  const known = useRef<readonly Part[]>([]);
  const parts = useMemo(() => {
    known.current = partsOf(segments, known.current);
    return known.current;
  }, [segments]);
  const [partCount, setPartCount] = useState(0);
  const [waiting, setWaiting] = useState(none);
  const [shown, setShown] = useState<{ place: number } | null>(null);
  if (parts.length !== partCount) {
    setPartCount(parts.length);
    if (parts.length > partCount + manyParts) {
      const place = beginsAtMs === undefined ? segments.length - 1 : placeOf(segments, undefined, beginsAtMs);
      const fresh = Array.from({ length: parts.length - partCount }, (_, index) => partCount + index);
      setWaiting((before) => without(new Set([...before, ...fresh]), place));
    }
  }
  useEffect(() => {
    const list = box.current;
    if (waiting.size === 0 || list === null) return;
    const timer = window.setTimeout(() => {
      const middle = window.innerHeight / 2;
      const away = (index: number) => {
        const { top, bottom } = list.children[index]?.getBoundingClientRect() ?? { top: 0, bottom: 0 };
        return Math.max(0, top - middle, middle - bottom);
      };
      const next = [...waiting]
        .map((index) => ({ index, away: away(index) }))
        .reduce((best, each) => (each.away < best.away ? each : best));
      setWaiting((before) => {
        const left = new Set(before);
        left.delete(next.index);
        return left;
      });
    });
    return () => window.clearTimeout(timer);
  }, [waiting]);
  useImperativeHandle(
    ref,
    () => ({
      show(atMs, segmentId) {
        const place = placeOf(segments, segmentId, atMs);
        if (place < 0) return false;
        setWaiting((before) => without(before, place));
        setShown({ place });
        return true;
      },
    }),
    [segments],
  );
  useLayoutEffect(() => {
    if (shown === null) return;
    const line = box.current?.children[Math.floor(shown.place / partSize)]?.children[shown.place % partSize];
    if (line instanceof HTMLElement) bringIntoView(line);
  }, [shown]);
  return (
    <div className="transcript" ref={box}>
      {parts.map((part, index) => (
        <TranscriptPart
          // a part is its place
          key={index}
          part={part}
          before={parts[index - 1]?.at(-1)?.speaker}
          waits={waiting.has(index)}
          alerts={bySegment}
          onSeek={onSeek}
        />
      ))}
    </div>
  );
});

/** Those that wait, but for the part of a place and its neighbours. */
function without(waiting: ReadonlySet<number>, place: number): ReadonlySet<number> {
  const part = Math.floor(place / partSize);
  const left = new Set([...waiting].filter((index) => Math.abs(index - part) > 1));
  return left.size === waiting.size ? waiting : left;
}

interface PartProps {
  part: Part;
  /** Who spoke last before this part. */
  before: Segment["speaker"] | undefined;
  waits: boolean;
  alerts: ReadonlyMap<string, readonly Alert[]>;
  onSeek?: ((ms: number) => void) | undefined;
}

const TranscriptPart = memo(function TranscriptPart({ part, before, waits, alerts, onSeek }: PartProps) {
  const [first, last] = [part[0], part.at(-1)];
  const label = `Words from ${spokenDuration(first?.startMs ?? 0)} to ${spokenDuration(last?.endMs ?? 0)}`;
  return (
    <ol className="transcript-part" aria-label={label} style={{ "--turns": part.length } as React.CSSProperties}>
      {!waits &&
        part.map((segment, index) => (
          <Turn
            key={segment.segmentId}
            segment={segment}
            continued={(index === 0 ? before : part[index - 1]?.speaker) === segment.speaker}
            alerts={alerts.get(segment.segmentId)}
            onSeek={onSeek}
          />
        ))}
    </ol>
  );
});
