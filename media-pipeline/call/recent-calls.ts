/** Calls that were finished lately: their late or redelivered records change nothing. */
export class RecentCalls {
  readonly #most: number;
  readonly #ids = new Set<string>();

  constructor(most = 10_000) {
    this.#most = most;
  }

  add(callId: string): void {
    this.#ids.add(callId);
    if (this.#ids.size > this.#most) this.#ids.delete(this.#ids.values().next().value!);
  }

  has(callId: string): boolean {
    return this.#ids.has(callId);
  }
}
