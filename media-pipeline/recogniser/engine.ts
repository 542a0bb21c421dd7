/** What choosing needs to know of an engine: can it be used here, why, and how it is made. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { Recogniser } from "./port.ts";
import type { RecogniserSettings } from "./settings.ts";

export type EngineDeps = {
  readonly settings: RecogniserSettings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Where a fetched model is kept. */
  readonly dataDir: string;
};

export type Looked =
  | { readonly usable: true; readonly why: string; make(): Recogniser }
  | { readonly usable: false; readonly why: string; readonly remedy: string };

/** Looks without starting or fetching anything. `asked` = named in EARSHOT_ASR, not merely considered by `auto`. */
export type Engine = { readonly name: string; look(deps: EngineDeps, asked: boolean): Looked };
