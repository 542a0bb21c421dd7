/** Ordered, disjoint stretches of samples, start and end in turn. */
export class Extents {
  #bounds: number[] = [];

  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  get first(): number | undefined {
    return this.#bounds[0];
  }

  get samples(): number {
    let sum = 0;
    for (let i = 0; i < this.#bounds.length; i += 2) sum += this.#bounds[i + 1]! - this.#bounds[i]!;
    return sum;
  }

  /** @returns the stretches; `this` is empty then */
  take(): [from: number, to: number][] {
    const all = this.list();
    this.#bounds = [];
    return all;
  }

  list(): [from: number, to: number][] {
    const all: [number, number][] = [];
    for (let i = 0; i < this.#bounds.length; i += 2) all.push([this.#bounds[i]!, this.#bounds[i + 1]!]);
    return all;
  }

  add(from: number, to: number): void {
    if (from >= to) return;
    const bounds = this.#bounds;
    if (bounds.at(-1) === from) {
      bounds[bounds.length - 1] = to;
      return;
    }
    const kept = this.list().filter(([start, end]) => end < from || start > to);
    const joined = this.list().filter(([start, end]) => end >= from && start <= to);
    kept.push([Math.min(from, ...joined.map(([start]) => start)), Math.max(to, ...joined.map(([, end]) => end))]);
    this.#bounds = kept.sort((a, b) => a[0] - b[0]).flat();
  }

  remove(from: number, to: number): void {
    this.#bounds = this.list().flatMap(([start, end]) =>
      end <= from || start >= to ? [start, end] : [...(start < from ? [start, from] : []), ...(end > to ? [to, end] : [])],
    );
  }

  /** Calls `each` for every part of [from, to) that lies in a stretch. */
  within(from: number, to: number, each: (from: number, to: number) => void): void {
    for (const [start, end] of this.list()) {
      if (end <= from) continue;
      if (start >= to) return;
      each(Math.max(start, from), Math.min(end, to));
    }
  }
}
