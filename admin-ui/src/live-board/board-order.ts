/** In which order the board shows its rows: by rank, but rows never jump under a pointer or from under a focused key. */

export interface BoardEntry {
  id: string;
  /** Higher ranks stand higher. */
  rank: number;
  /** Ended: goes with the next re-sort, not before. */
  leaving: boolean;
}

export class BoardOrder {
  /** True when a re-sort now would move, or remove, a row. */
  stale = false;
  private order: readonly string[] = [];
  private sortedAt = Number.NEGATIVE_INFINITY;
  private readonly everyMs: number;

  constructor(everyMs = 5000) {
    this.everyMs = everyMs;
  }

  /**
   * The order to show at `nowMs`. Rows are re-sorted at most every `everyMs` and not while `held`; meanwhile new rows go to the end
   * and only what no longer exists disappears. `force` re-sorts at once (another column, "sort now"). Answers the same array when
   * nothing has moved.
   */
  arrange(entries: readonly BoardEntry[], nowMs: number, held: boolean, force = false): readonly string[] {
    const wanted = entries
      .filter((entry) => !entry.leaving)
      .sort((a, b) => b.rank - a.rank || (a.id < b.id ? -1 : 1))
      .map((entry) => entry.id);
    let next: readonly string[];
    if (force || (!held && nowMs - this.sortedAt >= this.everyMs)) {
      next = wanted;
      this.sortedAt = nowMs;
    } else {
      const present = new Set(entries.map((entry) => entry.id));
      const shown = new Set(this.order);
      next = [...this.order.filter((id) => present.has(id)), ...wanted.filter((id) => !shown.has(id))];
    }
    this.stale = !same(next, wanted);
    if (!same(next, this.order)) this.order = next;
    return this.order;
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
