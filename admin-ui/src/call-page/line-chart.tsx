import type { Leg, LineQuality } from "@earshot/proto/api/calls.ts";
import { memo } from "react";
import { mosTone, mosWord } from "../format/sentiment.ts";
import { duration, spokenDuration } from "../format/time.ts";
import { speakerName } from "../format/words.ts";
import { lineSteps } from "./line-steps.ts";

interface Props {
  leg: Leg;
  points: readonly LineQuality[];
  durationMs: number;
  onSeek: (atMs: number) => void;
}

const width = 320;
const height = 56;
/** More are narrower than one can see or hit. */
const mostSteps = 160;
const best = 4.41;
const y = (mos: number) => height - ((Math.max(1, Math.min(best, mos)) - 1) / (best - 1)) * (height - 6) - 3;

/** MOS of one leg over time, the worst where measures are many; a click goes to that moment. */
export const LineChart = memo(function LineChart({ leg, points, durationMs, onSeek }: Props) {
  if (points.length === 0) return null;
  const end = Math.max(durationMs, points[points.length - 1]?.toMs ?? 1);
  const mean = points.reduce((sum, point) => sum + point.mos, 0) / points.length;
  const worst = points.reduce((least, point) => (point.mos < least.mos ? point : least));
  const steps = lineSteps(points, mostSteps);
  const merged = steps.length < points.length;
  const stepMs = (steps[0]?.toMs ?? 0) - (steps[0]?.fromMs ?? 0);
  const lost = points.reduce((sum, point) => sum + point.packetsLost, 0);
  const expected = points.reduce((sum, point) => sum + point.packetsExpected, 0);
  return (
    <figure className="line-chart">
      <figcaption className="spread small">
        <span>
          <b className="strong">{speakerName[leg.speaker]}</b> <span className="faint">{leg.codec}</span>
        </span>
        <span className="muted">
          MOS {mean.toFixed(2)}, {mosWord(mean).toLowerCase()}; worst{" "}
          <button type="button" className="plain-button inline-link" onClick={() => onSeek(worst.fromMs)}>
            {worst.mos.toFixed(2)} at {duration(worst.fromMs)}
          </button>
        </span>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${speakerName[leg.speaker]}'s line: mean MOS ${mean.toFixed(2)}, worst ${worst.mos.toFixed(2)} at ${duration(worst.fromMs)}`}
      >
        <line
          x1="0"
          x2={width}
          y1={y(3.6)}
          y2={y(3.6)}
          stroke="var(--line-strong)"
          strokeDasharray="2 3"
          vectorEffect="non-scaling-stroke"
        />
        <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} stroke="var(--line)" vectorEffect="non-scaling-stroke" />
        {steps.map(({ fromMs, toMs, worst: point }) => {
          const x = (fromMs / end) * width;
          const w = Math.max(1, ((toMs - fromMs) / end) * width);
          const tone = `var(--${mosTone(point.mos)})`;
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: the waveform above is the way for the keyboard
            <g key={fromMs} onClick={() => onSeek(point.fromMs)} className="line-step">
              <rect x={x} y={0} width={w} height={height} fill="transparent" />
              <rect x={x} y={y(point.mos)} width={w} height={height - y(point.mos)} fill={tone} opacity="0.14" />
              <line x1={x} x2={x + w} y1={y(point.mos)} y2={y(point.mos)} stroke={tone} strokeWidth="2" vectorEffect="non-scaling-stroke" />
              <title>
                {`${duration(point.fromMs)} to ${duration(point.toMs)}: MOS ${point.mos.toFixed(2)}, ${point.lossPercent.toFixed(1)} % lost, jitter ${Math.round(point.jitterMs)} ms${point.silent ? ", nothing heard" : ""}`}
              </title>
            </g>
          );
        })}
      </svg>
      <p className="faint small">
        {lost.toLocaleString("en-GB")} of {expected.toLocaleString("en-GB")} packets lost. One step is {merged ? "the worst of " : ""}
        {spokenDuration(stepMs)}; dashed: MOS 3.6, below which many complain
      </p>
    </figure>
  );
});
