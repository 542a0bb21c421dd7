/** What waits to be sent to one slow reader: by key, the newest of each, the key that has waited longest first. */
export class Mailbox<T> implements AsyncIterable<T> {
  readonly #waiting = new Map<string | number, T>();
  readonly #most: number;
  #closed = false;
  #failure: Error | undefined;
  #wake = () => {};

  /**
   * @param signal aborted = the reader has gone: reading ends at once
   * @param most values that wait; beyond, the one that has waited longest is left out
   */
  constructor(signal: AbortSignal, most: number) {
    this.#most = most;
    signal.addEventListener("abort", () => {
      this.#waiting.clear();
      this.close();
    });
    if (signal.aborted) this.close();
  }

  put(key: string | number, value: T): void {
    if (this.#closed) return;
    this.#waiting.set(key, value);
    if (this.#waiting.size > this.#most) this.#waiting.delete(this.#waiting.keys().next().value!);
    this.#wake();
  }

  /** Values that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** What waits is let go of, and reading ends with this error. */
  fail(error: Error): void {
    this.#failure = error;
    this.#waiting.clear();
    this.close();
  }

  /** Reading ends after what waits. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      for (const [key, value] of this.#waiting) {
        this.#waiting.delete(key);
        yield value;
      }
      if (this.#waiting.size > 0) continue;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
