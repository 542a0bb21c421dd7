/**
 * What makes a call worth a supervisor's look, and how much: the whole table. Points add up, 100 at most. Where `from` and `full` stand, points
 * grow evenly from 0 at `from` to `points` at `full` and no further. Change a number here and change `attentionVersion` with it.
 */
export const attentionVersion = "1";

export const attentionWeights = {
  /** The caller's mood over the last few segments (-1 .. +1). */
  caller_negative: { points: 30, from: -0.1, full: -0.7 },
  /** The mood of the last few segments against the longer run: how far it has fallen. */
  caller_falling: { points: 15, from: -0.15, full: -0.5, minSegments: 4 },
  /** Each alert by its severity, in all no more than `most`. */
  alert: { critical: 30, warning: 15, info: 4, most: 45 },
  /** Both speaking at once, as a share of the call, after `minMs` of it. */
  overtalk: { points: 10, from: 0.03, full: 0.15, minMs: 30_000 },
  /** Interruptions by either side per minute, after `minMs`. */
  interruptions: { points: 8, from: 1, full: 4, minMs: 30_000 },
  /** Nobody speaks, now: seconds of it. */
  long_silence: { points: 20, from: 10, full: 45 },
  /** Mean opinion score of the worst leg, last five seconds of it. */
  bad_line: { points: 12, from: 3.6, full: 2.4 },
  /** A side is connected and nothing is ever heard from it. */
  one_way_audio: { points: 25 },
  /** Minutes since the call began. */
  long_duration: { points: 8, from: 15, full: 40 },
  /** Share of the last segments that could not be recognised (the words are missing, the audio exists). */
  not_recognised: { points: 6, from: 0.3, full: 1, minSegments: 4 },
} as const;

/** Even growth from 0 at `from` to `points` at `full`, in either direction. */
export function ramp(value: number, rule: { points: number; from: number; full: number }): number {
  const share = (value - rule.from) / (rule.full - rule.from);
  return rule.points * Math.min(1, Math.max(0, share));
}
