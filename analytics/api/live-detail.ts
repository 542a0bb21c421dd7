/** A call that is up as the call page shows it: what is stored, under what is known this moment. */
import type { CallDetail, LedgerStage } from "@earshot/proto/api/calls.ts";
import { stageName } from "@earshot/proto/api/calls.ts";
import type { LiveCall } from "@earshot/proto/api/live.ts";

/** @param stored undefined where the store has not taken the call in yet */
export function withLiveState(stored: CallDetail | undefined, live: LiveCall | undefined): CallDetail | undefined {
  if (live === undefined) return stored;
  const { sentimentCurve: _curve, lastWords: _words, lineQuality, ...now } = live;
  // Points of the past are stored, the newest per leg is live.
  const past = (stored?.lineQuality ?? []).filter(
    (point) => !lineQuality.some((newest) => newest.leg === point.leg && newest.fromMs <= point.fromMs),
  );
  return {
    externalCallId: "",
    sipCallId: "",
    peer: "",
    userAgent: "",
    dtmfCount: 0,
    ...stored,
    ...now,
    recording: stored?.recording ?? null,
    lineQuality: [...past, ...lineQuality].sort((a, b) => a.leg - b.leg || a.fromMs - b.fromMs),
  };
}

/** Five stages in their order; what is live is newer than what is stored. */
export function withLiveLedger(stored: readonly LedgerStage[], live: ReadonlyMap<string, LedgerStage> | undefined): LedgerStage[] {
  return stageName.options.map(
    (stage) =>
      live?.get(stage) ??
      stored.find((item) => item.stage === stage) ?? {
        stage,
        outcome: "pending",
        startedAt: null,
        finishedAt: null,
        detail: "",
        remedy: "",
      },
  );
}
