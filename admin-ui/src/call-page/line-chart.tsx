import type { Leg, LineQuality } from "@earshot/proto/api/calls.ts";
import { mosTone, mosWord } from "../format/sentiment.ts";
import { duration } from "../format/time.ts";
import { speakerName } from "../format/words.ts";

interface Props {
  leg: Leg;
  points: readonly LineQuality[];
  durationMs: number;
  onSeek: (atMs: number) => void;
}

const width = 320;
const height = 56;
const best = 4.41;
const y = (mos: number) => height - ((Math.max(1, Math.min(best, mos)) - 1) / (best - 1)) * (height - 6) - 3;

/** MOS of one leg, one step per measure, with what was lost below the base line; a click goes to that moment. */
export function LineChart({ leg, points, durationMs, onSeek }: Props) {
  if (points.length === 0) return null;
  const end = Math.max(durationMs, points[points.length - 1]?.toMs ?? 1);
  const mean = points.reduce((sum, point) => sum + point.mos, 0) / points.length;
  const worst = points.reduce((least, point) => (point.mos < least.mos ? point : least));
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
        {points.map((point) => {
          const x = (point.fromMs / end) * width;
          const w = Math.max(1, ((point.toMs - point.fromMs) / end) * width);
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: the waveform above is the way for the keyboard
            <g key={point.fromMs} onClick={() => onSeek(point.fromMs)} className="line-step">
              <rect x={x} y={0} width={w} height={height} fill="transparent" />
              <rect x={x} y={y(point.mos)} width={w} height={height - y(point.mos)} fill={`var(--${mosTone(point.mos)})`} opacity="0.14" />
              <line
                x1={x}
                x2={x + w}
                y1={y(point.mos)}
                y2={y(point.mos)}
                stroke={`var(--${mosTone(point.mos)})`}
                strokeWidth="2"
                vectorEffect="non-scaling-stroke"
              />
              <title>
                {`${duration(point.fromMs)} to ${duration(point.toMs)}: MOS ${point.mos.toFixed(2)}, ${point.lossPercent.toFixed(1)} % lost, jitter ${Math.round(point.jitterMs)} ms${point.silent ? ", nothing heard" : ""}`}
              </title>
            </g>
          );
        })}
      </svg>
      <p className="faint small">
        {lost.toLocaleString("en-GB")} of {expected.toLocaleString("en-GB")} packets lost; dashed: MOS 3.6, below which many complain
      </p>
    </figure>
  );
}
