/** How many TCP and TLS connections there are, in all and of one source. One for all listeners. */
export type ConnectionLimits = { readonly maxConnections: number; readonly maxConnectionsPerSource: number };

export class ConnectionPlaces {
  readonly #limits: ConnectionLimits;
  readonly #ofSource = new Map<string, number>();
  #taken = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** @returns gives the place back, once; or why there is none */
  take(source: string): (() => void) | "too_many_connections" | "too_many_connections_of_source" {
    const known = this.#ofSource.get(source) ?? 0;
    if (known >= this.#limits.maxConnectionsPerSource) return "too_many_connections_of_source";
    if (this.#taken >= this.#limits.maxConnections) return "too_many_connections";
    this.#taken++;
    this.#ofSource.set(source, known + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#taken--;
      const left = (this.#ofSource.get(source) ?? 1) - 1;
      if (left > 0) this.#ofSource.set(source, left);
      else this.#ofSource.delete(source);
    };
  }
}
