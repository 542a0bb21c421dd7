// biome-ignore-all lint/a11y/useSemanticElements: a virtualised grid of positioned rows has no table to be
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router-dom";
import { agentOf, plural } from "../format/words.ts";
import { SkeletonRows } from "../frame/skeleton.tsx";
import { useNarrow } from "../frame/use-narrow.ts";
import { listenTo, liveStore, useCallIds, useConnection, useListening } from "../live-connection/live-connection.ts";
import { BoardEmpty } from "./board-empty.tsx";
import { BoardOrder } from "./board-order.ts";
import { type BoardSort, rankOf } from "./board-rank.ts";
import { BoardRow } from "./board-row.tsx";
import { BoardSummary } from "./board-summary.tsx";
import { EngineNote } from "./engine-note.tsx";
import "./live-board.css";

/** An ended call stays this long, so that nobody's row vanishes mid-sentence. */
const leaveAfterMs = 8000;
const rowHeight = 48;
const cardHeight = 184;

const columns: [string, string, BoardSort | null][] = [
  ["attention", "Attention", "attention"],
  ["reasons", "Because of", null],
  ["people", "Agent and caller", null],
  ["queue", "Queue", null],
  ["time", "Duration", "duration"],
  ["mood", "Sentiment", "sentiment"],
  ["talk", "Talk balance", null],
  ["words", "Last words", null],
  ["line", "Line", null],
];

/** Every call that is up, the ones that need somebody first. */
export function LiveBoard() {
  const connection = useConnection();
  const ids = useCallIds();
  const [params, setParams] = useSearchParams();
  const sort = (["duration", "sentiment"] as const).find((name) => name === params.get("sort")) ?? "attention";
  const shown = useOrder(sort);
  const empty = connection.loaded && shown.order.length === 0 && ids.every((id) => liveStore.call(id)?.ended !== null);
  return (
    <div className="board-page">
      <h1 className="sr-only">Live board</h1>
      <BoardSummary />
      <EngineNote />
      {!connection.loaded && connection.state !== "lost" && (
        <div className="panel board" aria-busy="true">
          <SkeletonRows rows={8} />
        </div>
      )}
      {!connection.loaded && connection.state === "lost" && (
        <div className="empty">
          <h2>The live connection could not be made</h2>
          <p>Calls go on being recorded and analysed; only this page does not see them. It keeps trying by itself.</p>
        </div>
      )}
      {empty && <BoardEmpty />}
      {connection.loaded && !empty && (
        <Rows shown={shown} sort={sort} onSort={(next) => setParams(next === "attention" ? {} : { sort: next }, { replace: true })} />
      )}
    </div>
  );
}

interface Shown {
  order: readonly string[];
  stale: boolean;
  hold(reason: "pointer" | "focus", on: boolean): void;
  sortNow(): void;
}

/** Keeps the order of the rows; see {@link BoardOrder}. */
function useOrder(sort: BoardSort): Shown {
  const order = useMemo(() => new BoardOrder(), []);
  const held = useRef({ pointer: false, focus: false });
  const [state, setState] = useState<{ order: readonly string[]; stale: boolean }>({ order: [], stale: false });
  const arrange = useCallback(
    (force: boolean) => {
      const now = Date.now();
      const entries = liveStore.callIds().flatMap((id) => {
        const call = liveStore.call(id);
        if (call === undefined) return [];
        return [{ id, rank: rankOf(call, sort), leaving: call.ended !== null && now - Date.parse(call.ended.endedAt) > leaveAfterMs }];
      });
      const next = order.arrange(entries, now, held.current.pointer || held.current.focus, force);
      setState((before) => (before.order === next && before.stale === order.stale ? before : { order: next, stale: order.stale }));
    },
    [order, sort],
  );
  useEffect(() => {
    arrange(true);
    const timer = window.setInterval(() => arrange(false), 1000);
    const unsubscribe = liveStore.subscribe("calls", () => arrange(false));
    return () => {
      window.clearInterval(timer);
      unsubscribe();
    };
  }, [arrange]);
  return {
    ...state,
    hold: (reason, on) => {
      held.current[reason] = on;
    },
    sortNow: () => arrange(true),
  };
}

/** A row that was out of sight is drawn a few frames after the scrolling. */
const rowAppearsWithinFrames = 30;

function focusRow(box: HTMLElement | null, id: string, frames: number): void {
  requestAnimationFrame(() => {
    const row = box?.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`);
    if (row) row.focus();
    else if (frames > 0) focusRow(box, id, frames - 1);
  });
}

const pageScroller = () => document.getElementById("main");

/** How far below the top of the page's scroller the rows begin, px; 0 where they have a scroller of their own. */
function useHeightAbove(list: RefObject<HTMLElement | null>, narrow: boolean): number {
  const [above, setAbove] = useState(0);
  useLayoutEffect(() => {
    const page = pageScroller();
    if (!narrow || page === null) return setAbove(0);
    const measure = () => {
      if (list.current !== null)
        setAbove(Math.round(list.current.getBoundingClientRect().top - page.getBoundingClientRect().top + page.scrollTop));
    };
    measure();
    // Notes above come and go: each changes the height of what the page scrolls.
    const observer = new ResizeObserver(measure);
    for (const part of page.children) observer.observe(part);
    return () => observer.disconnect();
  }, [list, narrow]);
  return above;
}

function Rows({ shown, sort, onSort }: { shown: Shown; sort: BoardSort; onSort: (sort: BoardSort) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useNarrow();
  const navigate = useNavigate();
  const listening = useListening();
  const [focused, setFocused] = useState<string | null>(null);
  const [pointerIn, setPointerIn] = useState(false);
  const { order } = shown;
  const above = useHeightAbove(scroller, narrow);
  const rows = useVirtualizer({
    count: order.length,
    // Cards scroll with their page, rows in their panel.
    getScrollElement: () => (narrow ? pageScroller() : scroller.current),
    scrollMargin: above,
    estimateSize: () => (narrow ? cardHeight : rowHeight),
    getItemKey: (index) => order[index] ?? index,
    overscan: 6,
  });
  // sizes change with the shape of the rows
  useEffect(() => rows.measure(), [narrow]);

  const move = (to: number) => {
    const index = Math.max(0, Math.min(order.length - 1, to));
    const id = order[index];
    if (id === undefined) return;
    rows.scrollToIndex(index);
    setFocused(id);
    focusRow(scroller.current, id, rowAppearsWithinFrames);
  };
  const onKey = (event: KeyboardEvent) => {
    const id = (event.target as HTMLElement).dataset.id;
    if (id === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = order.indexOf(id);
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 480) / rowHeight) - 1);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: order.length - 1,
    };
    const to = steps[event.key];
    if (to !== undefined) move(to);
    else if (event.key === "Enter") navigate(`/live/${id}`);
    else if (event.key === "l" || event.key === "L") listenTo(listening.callId === id ? null : id);
    else if (event.key === "r" || event.key === "R") shown.sortNow();
    else return;
    event.preventDefault();
  };
  const tabStop = focused !== null && order.includes(focused) ? focused : order[0];
  return (
    <>
      <div
        className={`panel board ${!narrow && rows.getTotalSize() > (rows.scrollRect?.height ?? 0) ? "scrolls" : ""}`}
        role="grid"
        aria-label="Live calls"
        aria-rowcount={order.length + 1}
        onKeyDown={onKey}
        onPointerEnter={(event) => {
          if (event.pointerType !== "mouse") return;
          shown.hold("pointer", true);
          setPointerIn(true);
        }}
        onPointerLeave={() => {
          shown.hold("pointer", false);
          setPointerIn(false);
        }}
        onFocus={(event) => shown.hold("focus", (event.target as HTMLElement).matches(":focus-visible"))}
        onBlur={() => shown.hold("focus", false)}
      >
        <div className="board-head board-columns" role="row" aria-rowindex={1} tabIndex={-1}>
          {columns.map(([name, label, by]) => (
            <div
              key={name}
              role="columnheader"
              tabIndex={-1}
              className={`cell-${name}`}
              aria-sort={by === null ? undefined : by === sort ? "descending" : "none"}
            >
              {by === null ? (
                label
              ) : (
                <button type="button" className="plain-button" onClick={() => onSort(by)} title={`Sort by ${label.toLowerCase()}`}>
                  {label}
                  {by === sort && <span aria-hidden="true"> ↓</span>}
                </button>
              )}
            </div>
          ))}
        </div>
        <div className="board-scroll" ref={scroller} role="rowgroup" tabIndex={-1}>
          <div style={{ height: rows.getTotalSize(), position: "relative" }} role="presentation">
            {rows.getVirtualItems().map((item) => {
              const id = order[item.index];
              if (id === undefined) return null;
              return (
                <BoardRow
                  key={id}
                  id={id}
                  index={item.index}
                  top={item.start - above}
                  height={item.size}
                  card={narrow}
                  tabStop={id === tabStop}
                  onFocus={setFocused}
                  onOpen={(call) => navigate(`/live/${call}`)}
                />
              );
            })}
          </div>
        </div>
      </div>
      <footer className="board-foot faint small">
        <span className="board-keys">
          <kbd>↑</kbd> <kbd>↓</kbd> move <kbd>Enter</kbd> open <kbd>L</kbd> listen <kbd>R</kbd> sort now
        </span>
        {shown.stale && pointerIn && (
          <button type="button" className="plain-button accent-text" onClick={shown.sortNow}>
            Rows stand still while you point at them · sort now
          </button>
        )}
        <PoliteSummary />
      </footer>
    </>
  );
}

/** For screen readers: twice a minute, one sentence instead of every change. */
function PoliteSummary() {
  const [said, setSaid] = useState("");
  useEffect(() => {
    const say = () => {
      const up = liveStore
        .callIds()
        .flatMap((id) => liveStore.call(id) ?? [])
        .filter((call) => call.ended === null);
      const worst = up.reduce<(typeof up)[number] | null>(
        (most, call) => (most === null || call.attention > most.attention ? call : most),
        null,
      );
      setSaid(
        worst === null
          ? "No calls are up."
          : `${plural(up.length, "call")} up. Most attention: ${agentOf(worst)}, ${Math.round(worst.attention)} of 100, ${worst.attentionReasons[0]?.label ?? "no particular reason"}.`,
      );
    };
    const timer = window.setInterval(say, 30_000);
    return () => window.clearInterval(timer);
  }, []);
  return (
    <span className="sr-only" role="status">
      {said}
    </span>
  );
}
