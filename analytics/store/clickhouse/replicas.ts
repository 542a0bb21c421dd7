/** The replicas of a cluster as a process sees them: it stays with one, so that it reads what it wrote, until that one does not answer. */
import type { ClickHouseClient } from "@clickhouse/client";
import { EarshotError } from "@earshot/proto/errors.ts";

/** One URL for each host of `clickhouse://user:password@one:8123,two:8123/database`, as the HTTP client takes them. */
export function serverUrls(url: string): string[] {
  const parts = /^([a-z]+:\/\/(?:[^/?#]*@)?)([^/?#@]*)(.*)$/.exec(url);
  if (parts === null) return [url];
  const [, before = "", hosts = "", after = ""] = parts;
  const scheme = before.replace(/^clickhouses:/, "https:").replace(/^clickhouse:/, "http:");
  return hosts.split(",").map((host) => `${scheme}${host}${after}`);
}

/** Answers after which another replica may do better: no connection, a table that is read-only here, a keeper that this one does not reach. */
const replicaFaults = new Set(["column_store_unreachable", "column_store_read_only"]);

export class Replicas {
  readonly #urls: readonly string[];
  #current: number;
  /** Counts the changes from one replica to another. */
  #term = 0;

  /** @param first the index of the one to begin with: processes that begin with different ones share the load */
  constructor(urls: readonly string[], first = 0) {
    this.#urls = urls;
    this.#current = first % urls.length;
  }

  get count(): number {
    return this.#urls.length;
  }

  get url(): string {
    return this.#urls[this.#current]!;
  }

  get term(): number {
    return this.#term;
  }

  /**
   * Turns to the next replica where `error`, of a statement begun in `term`, says that this one is of no use.
   * @returns whether there is another one to ask now
   */
  leaveAfter(error: unknown, term: number): boolean {
    if (!(error instanceof EarshotError) || !replicaFaults.has(error.code) || this.count === 1) return false;
    if (term === this.#term) {
      this.#current = (this.#current + 1) % this.count;
      this.#term++;
    }
    return true;
  }
}

/** One connection at a time, made anew when the process has turned to another replica. Whoever uses it does so alone. */
export class Lane {
  readonly #replicas: Replicas;
  readonly #make: (url: string) => ClickHouseClient;
  #term: number;
  #client: ClickHouseClient;

  constructor(replicas: Replicas, make: (url: string) => ClickHouseClient) {
    this.#replicas = replicas;
    this.#make = make;
    this.#term = replicas.term;
    this.#client = make(replicas.url);
  }

  get client(): ClickHouseClient {
    if (this.#term !== this.#replicas.term) {
      this.#client.close().catch(() => {});
      this.#term = this.#replicas.term;
      this.#client = this.#make(this.#replicas.url);
    }
    return this.#client;
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
