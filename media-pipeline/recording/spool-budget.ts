/** Bytes the spool may hold, shared by all live calls. */
export class SpoolBudget {
  readonly #most: number;
  used = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns false where nothing more may be written */
  take(bytes: number): boolean {
    if (this.used + bytes > this.#most) return false;
    this.used += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.used = Math.max(0, this.used - bytes);
  }
}
