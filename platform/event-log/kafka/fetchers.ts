/**
 * The long polls of a process. A member of a group has one of its own: what it takes over waits behind nobody else's poll. All other
 * subscriptions share one, where they have no topic in common: most of their topics are quiet, and a poll costs the same with nothing in it.
 */
import { Fetcher, type FetcherOptions, type Reading } from "./fetcher.ts";

export class Fetchers {
  readonly #options: FetcherOptions;
  readonly #shared = new Set<Fetcher>();

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  open(reading: Reading, isShared: boolean): Fetcher {
    const found = isShared ? [...this.#shared].find((one) => !one.hasAnyOf(reading.topics)) : undefined;
    const fetcher = found ?? new Fetcher(this.#options);
    if (isShared) this.#shared.add(fetcher);
    fetcher.add(reading);
    return fetcher;
  }

  /** Nothing more is handed to `reading`; the poll ends with its last reader. */
  async close(fetcher: Fetcher, reading: Reading): Promise<void> {
    if (!fetcher.remove(reading)) return;
    this.#shared.delete(fetcher);
    await fetcher.close();
  }
}
