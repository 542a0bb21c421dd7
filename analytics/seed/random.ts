/** Random numbers that are the same in every run: mulberry32 over a hash of the seed's words. */
export type Random = {
  /** 0 <= x < 1 */
  next(): number;
  /** A whole number from..to, both included. */
  whole(from: number, to: number): number;
  pick<T>(values: readonly T[]): T;
  chance(probability: number): boolean;
  /** The index of one of the weights, the heavier the likelier. */
  weighted(weights: readonly number[]): number;
};

export function randomOf(seed: string): Random {
  let state = 2_166_136_261;
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 16_777_619);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    whole: (from, to) => from + Math.floor(next() * (to - from + 1)),
    pick: (values) => values[Math.floor(next() * values.length)]!,
    chance: (probability) => next() < probability,
    weighted(weights) {
      let draw = next() * weights.reduce((sum, weight) => sum + weight, 0);
      for (const [index, weight] of weights.entries()) {
        draw -= weight;
        if (draw < 0) return index;
      }
      return weights.length - 1;
    },
  };
}
