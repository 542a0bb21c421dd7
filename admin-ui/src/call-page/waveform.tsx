import type { CallDetail, Segment } from "@earshot/proto/api/calls.ts";
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from "react";
import { type Tone, toneOf } from "../format/sentiment.ts";
import { duration, spokenDuration } from "../format/time.ts";
import { AlertIcon } from "../marks/alert-icon.tsx";
import { useThemeMode } from "../theme/theme-mode.ts";
import { columnPeaks, readPeaks } from "./peaks.ts";
import type { Player } from "./use-player.ts";

interface Props {
  call: CallDetail;
  segments: readonly Segment[];
  player: Player;
}

const height = 112;
const step = 3;

/** Agent lane above, caller lane mirrored below, tinted by sentiment; flags where alerts were raised. A slider for the keyboard. */
export function Waveform({ call, segments, player }: Props) {
  const recording = call.recording;
  const canvas = useRef<HTMLCanvasElement>(null);
  const head = useRef<HTMLDivElement>(null);
  const slider = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<number | null>(null);
  const mode = useThemeMode();
  const durationMs = Math.max(1, recording?.durationMs ?? call.durationMs ?? 1);
  const lanes = useMemo(() => {
    if (recording === null) return [];
    const side = (index: number) => call.legs.find((leg) => leg.index === recording.channelLegs[index])?.speaker;
    return recording.peaks.map((text, index) => ({
      peaks: readPeaks(text),
      leg: recording.channelLegs[index] ?? index,
      below: recording.peaks.length > 1 && (side(index) ?? (index === 0 ? "agent" : "caller")) === "caller",
    }));
  }, [recording, call.legs]);

  useEffect(() => {
    const box = slider.current;
    if (box === null) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  // the colours come from the theme
  useEffect(() => {
    const element = canvas.current;
    const pen = element?.getContext("2d");
    if (element === null || !pen || width === 0) return;
    const scale = window.devicePixelRatio || 1;
    element.width = width * scale;
    element.height = height * scale;
    pen.scale(scale, scale);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const tones: Record<Tone | "none", string> = {
      positive: colour("positive"),
      neutral: colour("neutral"),
      uneasy: colour("uneasy"),
      negative: colour("negative"),
      none: colour("line-strong"),
    };
    const middle = height / 2;
    pen.fillStyle = colour("line");
    pen.fillRect(0, middle - 0.5, width, 1);
    const columns = Math.floor(width / step);
    for (const lane of lanes) {
      const tops = columnPeaks(lane.peaks, columns);
      const own = segments.filter((segment) => segment.leg === lane.leg);
      let place = 0;
      for (let column = 0; column < columns; column += 1) {
        const at = (column / columns) * durationMs;
        while (place < own.length && (own[place] as Segment).endMs < at) place += 1;
        const segment = own[place];
        const tone = segment !== undefined && segment.startMs <= at ? toneOf(segment.sentiment) : "none";
        const tall = Math.max(1, (tops[column] ?? 0) * (middle - 6));
        pen.fillStyle = tones[tone];
        // Most of a call is neutral: it stands back behind what is not.
        pen.globalAlpha = tone === "neutral" ? 0.5 : 1;
        pen.fillRect(column * step, lane.below ? middle + 1.5 : middle - 1.5 - tall, step - 1, tall);
      }
    }
  }, [lanes, segments, width, durationMs, mode]);

  useEffect(
    () =>
      player.onTime((ms) => {
        if (head.current !== null) head.current.style.transform = `translateX(${((ms / durationMs) * width).toFixed(1)}px)`;
        slider.current?.setAttribute("aria-valuenow", String(Math.round(ms / 1000)));
        slider.current?.setAttribute("aria-valuetext", `${spokenDuration(ms)} of ${spokenDuration(durationMs)}`);
      }),
    [player, durationMs, width],
  );

  const timeAt = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * durationMs;
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Home") player.seek(0);
    else if (event.key === "End") player.seek(durationMs);
    else return;
    event.preventDefault();
  };
  return (
    <div className="wave">
      <div className="wave-names" aria-hidden="true">
        <span>{lanes.length === 1 ? "Both sides" : "Agent"}</span>
        {lanes.length > 1 && <span>Caller</span>}
      </div>
      <div className="wave-area">
        <div
          ref={slider}
          className="wave-slider"
          role="slider"
          tabIndex={0}
          aria-label="Position in the recording"
          aria-valuemin={0}
          aria-valuemax={Math.round(durationMs / 1000)}
          aria-valuenow={0}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            player.seek(timeAt(event));
          }}
          onPointerMove={(event) => {
            setHover(timeAt(event));
            if (event.buttons === 1) player.seek(timeAt(event));
          }}
          onPointerLeave={() => setHover(null)}
          onKeyDown={onKey}
        >
          <canvas ref={canvas} style={{ width: "100%", height }} aria-label="Loudness of both sides over time" />
          {hover !== null && (
            <span className="wave-hover" style={{ left: `${(hover / durationMs) * 100}%` }} aria-hidden="true">
              {duration(hover)}
            </span>
          )}
          <div ref={head} className="wave-head" aria-hidden="true" />
        </div>
        {call.alerts.map((alert) => (
          <button
            key={alert.alertId}
            type="button"
            className="wave-flag plain-button"
            style={{ left: `${Math.min(100, (alert.atMs / durationMs) * 100)}%` }}
            onClick={() => player.seek(alert.atMs)}
            title={`${alert.ruleName} at ${duration(alert.atMs)}`}
            aria-label={`Alert: ${alert.ruleName} at ${spokenDuration(alert.atMs)}`}
          >
            <AlertIcon severity={alert.severity} />
          </button>
        ))}
        <div className="wave-times" aria-hidden="true">
          {ticks(durationMs).map((ms) => (
            <span key={ms} style={{ left: `${(ms / durationMs) * 100}%` }}>
              {duration(ms)}
            </span>
          ))}
        </div>
      </div>
    </div>
  );
}

/** Round times, six to twelve of them. */
function ticks(durationMs: number): number[] {
  const every = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].find((seconds) => durationMs / (seconds * 1000) <= 10) ?? 7200;
  const out: number[] = [];
  for (let ms = 0; ms < durationMs * 0.97; ms += every * 1000) out.push(ms);
  return out;
}
