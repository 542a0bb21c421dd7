/** Gathers events of many partitions into few large writes: the column store takes ten thousand rows as fast as one. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { categories, categoryOf, EarshotError } from "@earshot/proto/errors.ts";
import type { Event } from "@earshot/proto/event.ts";

type Group = {
  readonly events: readonly Event[];
  readonly isDue: () => boolean;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
};

export type BatcherOptions = {
  readonly write: (events: readonly Event[]) => Promise<void>;
  readonly maxRows: number;
  readonly maxWaitMs: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
};

/**
 * One write at a time; what comes meanwhile waits for the next. It holds no more than the callers that wait for it, each of which has one
 * group in hand: that is the backpressure.
 */
export class EventBatcher {
  readonly #options: BatcherOptions;
  #waiting: Group[] = [];
  #rows = 0;
  #cancelTimer: (() => void) | undefined;
  #writing = false;
  #due = false;
  readonly #batchRows;
  readonly #writeSeconds;

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#batchRows = options.metrics.histogram("earshot_ingest_batch_rows", "Events written to the column store at once.", rowBuckets);
    this.#writeSeconds = options.metrics.histogram("earshot_ingest_write_seconds", "Time of one write to the column store.", secondBuckets);
  }

  /**
   * Resolves when the events are stored, rejects with the store's error; with an EarshotError unavailable `partition_given_up` where they are withdrawn.
   * @param soon do not wait for others to share the batch
   * @param isDue asked again just before they are written: false = they are withdrawn
   */
  add(events: readonly Event[], soon = false, isDue: () => boolean = () => true): Promise<void> {
    if (events.length === 0) return Promise.resolve();
    return new Promise((done, failed) => {
      this.#waiting.push({ events, isDue, done, failed });
      this.#rows += events.length;
      if (soon || this.#rows >= this.#options.maxRows) this.flush();
      else this.#cancelTimer ??= this.#options.clock.after(this.#options.maxWaitMs, () => this.flush());
    });
  }

  /** Writes what waits, now or right after the write under way. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#due = true;
    if (!this.#writing) void this.#run();
  }

  async #run(): Promise<void> {
    this.#writing = true;
    while (this.#due) {
      const groups = this.#take();
      if (groups.length > 0) await this.#write(groups);
    }
    this.#writing = false;
  }

  /** Whole groups up to `maxRows`, at least one where there is any. */
  #take(): Group[] {
    this.#withdraw();
    let rows = 0;
    let count = 0;
    for (const group of this.#waiting) {
      if (count > 0 && rows + group.events.length > this.#options.maxRows) break;
      rows += group.events.length;
      count++;
    }
    const taken = this.#waiting.splice(0, count);
    this.#rows -= rows;
    this.#due = this.#waiting.length > 0;
    return taken;
  }

  #withdraw(): void {
    this.#waiting = this.#waiting.filter(({ events, isDue, failed }) => {
      if (isDue()) return true;
      this.#rows -= events.length;
      failed(new EarshotError("unavailable", "partition_given_up", "Another process stores the events of this partition now."));
      return false;
    });
  }

  async #write(groups: readonly Group[]): Promise<void> {
    const events = groups.length === 1 ? groups[0]!.events : groups.flatMap((group) => group.events);
    this.#batchRows.observe(events.length);
    const end = this.#writeSeconds.startTimer();
    try {
      await this.#options.write(events);
      for (const group of groups) group.done();
    } catch (error) {
      // An event that cannot be stored must not take its neighbours' partitions to the dead letters with it.
      if (groups.length > 1 && !categories[categoryOf(error)].retry) for (const group of groups) await this.#write([group]);
      else for (const group of groups) group.failed(error);
    } finally {
      end();
    }
  }
}

const rowBuckets = [1, 10, 50, 100, 500, 1000, 5000, 10_000, 20_000];
const secondBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
