/** Wall clock and timers, injected so that a test decides what time it is. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds that never go back; only differences mean anything. */
  monotonicMs(): number;
  /** Calls back once after `ms`, at most 2^31-1 (24.8 days); the returned function cancels. Timers never keep the process alive. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back every `ms` until cancelled. */
  every(ms: number, callback: () => void): () => void;
}

/** Node's timers fire at once where they are asked for more. */
const longestMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, longestMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(ms, callback) {
    const timer = setInterval(callback, Math.min(ms, longestMs));
    timer.unref();
    return () => clearInterval(timer);
  },
};
