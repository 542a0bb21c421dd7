/** Anything that runs: started once, stopped once. */
export interface Component {
  readonly name: string;
  /** Resolves when it serves. Throws (and has released everything) where it cannot. */
  start(): Promise<void>;
  /** Stops taking work, finishes what is under way until `deadlineMs` from now, releases everything. Never throws for work cut off. */
  stop(deadlineMs: number): Promise<void>;
}
