/** A slope with its uncertainty: whether memory grows, or only goes up and down. */

/** Hours and MiB. */
export type Point = readonly [hours: number, mib: number];

export type Trend = {
  /** MiB per hour, by least squares. */
  readonly perHour: number;
  /** Half of the 95 % confidence interval; infinite where there are too few independent points to say. */
  readonly margin: number;
};

/** What is left after the first quarter, in which caches, pools and buffers fill up to their bounds. */
export function settled<T>(all: readonly T[]): readonly T[] {
  return all.slice(Math.ceil(all.length / 4));
}

/**
 * A heap goes up until it is collected and down again, so that neighbouring points say nearly the same. As independent count only as many as
 * the correlation of neighbours leaves: n (1 - r) / (1 + r), after Bartlett (1935).
 */
export function trend(points: readonly Point[]): Trend {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const perHour = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const off = points.map(([x, y]) => y - meanY - perHour * (x - meanX));
  const squares = off.reduce((sum, e) => sum + e * e, 0);
  if (squares === 0) return { perHour, margin: 0 };
  const neighbours = off.slice(1).reduce((sum, e, i) => sum + e * off[i]!, 0) / squares;
  const correlation = Math.min(0.999, Math.max(0, neighbours));
  const free = (count * (1 - correlation)) / (1 + correlation) - 2;
  if (free < 1) return { perHour, margin: Number.POSITIVE_INFINITY };
  return { perHour, margin: student(free) * Math.sqrt(squares / free / spread) };
}

/** 97.5 % point of Student's distribution, by the Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5). */
function student(free: number): number {
  const z = 1.96;
  return (
    z +
    (z ** 3 + z) / (4 * free) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * free ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * free ** 3)
  );
}

/** The least of each of `parts` stretches of the run: what is left when the heap has just been collected. */
export function floors(points: readonly Point[], parts: number): number[] {
  return Array.from({ length: parts }, (_, i) =>
    Math.min(...points.slice(Math.floor((i * points.length) / parts), Math.floor(((i + 1) * points.length) / parts)).map(([, y]) => y)),
  );
}
