import type { Segment } from "@earshot/proto/api/calls.ts";
import ArrowDownward from "@mui/icons-material/ArrowDownwardOutlined";
import { type Ref, useEffect, useLayoutEffect, useRef, useState } from "react";
import { speakerName } from "../format/words.ts";
import { ErrorNote } from "../frame/error-note.tsx";
import { Bar } from "../frame/skeleton.tsx";
import type { BoardCall } from "../live-connection/live-store.ts";
import { Transcript, type TranscriptHandle } from "../transcript/transcript.tsx";

interface Props {
  ref: Ref<TranscriptHandle>;
  call: BoardCall;
  segments: readonly Segment[];
  loading: boolean;
  error: unknown;
}

/** This close to the end counts as being there: sub-pixel heights and a line that grows. */
const nearEnd = 48;

/** The words as they come. It follows the call until somebody scrolls up; the pill leads back. */
export function LiveTranscript({ ref, call, segments, loading, error }: Props) {
  const scroller = useRef<HTMLElement>(null);
  const [following, setFollowing] = useState(true);
  const follows = useRef(true);
  const lastTop = useRef(0);
  const content = useRef<HTMLDivElement>(null);
  // new words are the reason to scroll
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box !== null && follows.current) box.scrollTop = box.scrollHeight;
  }, [segments]);
  // The box shrinks (a note above, the listen bar below) and lines get their true height when they come into sight: still at the end.
  useEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    const observer = new ResizeObserver(() => {
      if (follows.current) box.scrollTop = box.scrollHeight;
    });
    observer.observe(box);
    if (content.current !== null) observer.observe(content.current);
    return () => observer.disconnect();
  }, []);
  const onScroll = () => {
    const box = scroller.current;
    if (box === null) return;
    const up = box.scrollTop < lastTop.current - 2;
    lastTop.current = box.scrollTop;
    // Only a person scrolls up; being away from the end for another reason is no wish to stay there.
    if (box.scrollHeight - box.scrollTop - box.clientHeight < nearEnd) follows.current = true;
    else if (up) follows.current = false;
    setFollowing(follows.current);
  };
  const backToLive = () => {
    follows.current = true;
    setFollowing(true);
    const box = scroller.current;
    if (box !== null) box.scrollTop = box.scrollHeight;
  };
  return (
    <div className="live-words">
      <section
        className={following ? "live-scroll follows" : "live-scroll"}
        aria-label="Transcript"
        ref={scroller}
        onScroll={onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: without a pointer it is scrolled by the arrow keys
        tabIndex={0}
      >
        {error !== null && (
          <div style={{ padding: 16 }}>
            <ErrorNote
              title="What was said before could not be loaded."
              error={error}
              loss="It is stored; new words appear here all the same."
            />
          </div>
        )}
        {loading && segments.length === 0 && (
          <div className="transcript" aria-hidden="true" style={{ display: "grid", gap: 20 }}>
            <Bar width="42%" height={36} />
            <span style={{ marginLeft: "54%" }}>
              <Bar width="80%" height={36} />
            </span>
            <Bar width="36%" height={20} />
          </div>
        )}
        {!loading && segments.length === 0 && error === null && (
          <div className="empty">
            <h2>{call.ended === null ? "Listening for the first words" : "Nobody spoke"}</h2>
            <p>Words appear here while they are spoken, the agent's to the left and the caller's to the right.</p>
          </div>
        )}
        <div ref={content}>
          <Transcript ref={ref} segments={segments} alerts={call.alerts} />
        </div>
      </section>
      {!following && (
        <button type="button" className="back-to-live" onClick={backToLive}>
          <ArrowDownward />
          Back to live
        </button>
      )}
      <PoliteWords segments={segments} />
    </div>
  );
}

/** For screen readers: what was finally said, gathered every few seconds, never each partial word. */
function PoliteWords({ segments }: { segments: readonly Segment[] }) {
  const [said, setSaid] = useState("");
  const newest = useRef(segments);
  newest.current = segments;
  const told = useRef<string | null>(null);
  useEffect(() => {
    const timer = window.setInterval(() => {
      const finals = newest.current.filter((segment) => segment.final);
      const from = told.current === null ? finals.length - 1 : finals.findIndex((segment) => segment.segmentId === told.current) + 1;
      const fresh = finals.slice(Math.max(0, from)).slice(-4);
      told.current = finals[finals.length - 1]?.segmentId ?? null;
      if (fresh.length > 0) setSaid(fresh.map((segment) => `${speakerName[segment.speaker]}: ${segment.text}`).join(". "));
    }, 6000);
    return () => window.clearInterval(timer);
  }, []);
  return (
    <span className="sr-only" role="status">
      {said}
    </span>
  );
}
