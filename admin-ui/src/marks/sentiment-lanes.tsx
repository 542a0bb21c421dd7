import { sentimentWord, toneOf } from "../format/sentiment.ts";
import "./marks.css";

type Points = readonly (readonly [number, number])[];

interface Props {
  agent: Points;
  caller: Points;
  width: number;
  height: number;
  /** Full names beside the lanes instead of A and C. */
  named?: boolean;
}

/** The sentiment of both sides over time: agent lane above, caller lane below, each around its own zero, coloured by height. */
export function SentimentLanes({ agent, caller, width, height, named = false }: Props) {
  const left = named ? 44 : 12;
  const lane = (height - 2) / 2;
  const all = [...agent, ...caller].map(([at]) => at);
  const first = Math.min(...all);
  const span = Math.max(Math.max(...all) - first, 1);
  const last = (points: Points) => points[points.length - 1]?.[1] ?? null;
  const label = `Sentiment: agent ${sentimentWord(last(agent))}, caller ${sentimentWord(last(caller))}`;
  return (
    <svg className="lanes" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {(["agent", "caller"] as const).map((side, index) => {
        const points = side === "agent" ? agent : caller;
        const middle = index * (lane + 2) + lane / 2;
        const reach = lane / 2 - 1.5;
        const x = (at: number) => left + ((at - first) / span) * (width - left - 5);
        const y = (score: number) => middle - score * reach;
        const end = points[points.length - 1];
        const id = `ink-${index}-${height}`;
        return (
          <g key={side}>
            <defs>
              <linearGradient id={id} gradientUnits="userSpaceOnUse" x1="0" x2="0" y1={middle - reach} y2={middle + reach}>
                <stop offset="0.4" stopColor="var(--positive)" />
                <stop offset="0.4" stopColor="var(--neutral)" />
                <stop offset="0.6" stopColor="var(--neutral)" />
                <stop offset="0.6" stopColor="var(--uneasy)" />
                <stop offset="0.75" stopColor="var(--uneasy)" />
                <stop offset="0.75" stopColor="var(--negative)" />
              </linearGradient>
            </defs>
            <text x="0" y={middle + 3}>
              {named ? (side === "agent" ? "Agent" : "Caller") : side === "agent" ? "A" : "C"}
            </text>
            <line className="zero" x1={left} x2={width - 1} y1={middle} y2={middle} />
            {points.length > 1 && (
              <path
                d={points.map(([at, score], step) => `${step === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(score).toFixed(1)}`).join("")}
                // A perfectly level line has no box of its own: the hair keeps the gradient from vanishing.
                stroke={`url(#${id})`}
                strokeWidth="1.5"
                strokeLinejoin="round"
                fill="none"
              />
            )}
            {end !== undefined && <circle cx={x(end[0])} cy={y(end[1])} r="2.25" fill={`var(--${toneOf(end[1])})`} />}
          </g>
        );
      })}
    </svg>
  );
}
