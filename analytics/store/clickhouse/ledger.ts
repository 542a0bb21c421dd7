/** The five stages of a call, in order, and the rule that none stays in progress for ever. */
import type { LedgerStage } from "@earshot/proto/api/calls.ts";

export type Outcome = LedgerStage["outcome"];
export type StageName = LedgerStage["stage"];

export const stageNames: readonly StageName[] = ["record", "media", "transcript", "insight", "score"];
/** A call that ended longer ago than this has no stage under way. */
export const unfinishedAfterMs = 120_000;

const letters: Record<Outcome, string> = { pending: "p", running: "r", done: "d", failed: "f", skipped: "s" };
const outcomes = new Map(Object.entries(letters).map(([outcome, letter]) => [letter, outcome as Outcome]));
/** Of two outcomes at the same time the later in this order counts. */
const rank: Record<Outcome, number> = { pending: 0, running: 1, skipped: 2, failed: 3, done: 4 };

export type StageState = { outcome: Outcome; atMs: number };

export function isStage(name: string): name is StageName {
  return (stageNames as readonly string[]).includes(name);
}

export function outcomeOf(text: string): Outcome | undefined {
  return Object.hasOwn(letters, text) ? (text as Outcome) : undefined;
}

/** An end stands, whatever begins the stage again: that is a straggler or a redelivery. Of two ends, or two that are none, the newer counts. */
export function supersedes(next: StageState, current: StageState | undefined): boolean {
  if (current === undefined) return true;
  if (isEnd(next.outcome) !== isEnd(current.outcome)) return isEnd(next.outcome);
  if (next.atMs !== current.atMs) return next.atMs > current.atMs;
  return rank[next.outcome] > rank[current.outcome];
}

export function stagesToLetters(stages: ReadonlyMap<StageName, StageState>): string {
  return stageNames.map((name) => letters[stages.get(name)?.outcome ?? "pending"]).join("");
}

function isEnd(outcome: Outcome): boolean {
  return outcome === "done" || outcome === "failed" || outcome === "skipped";
}

/** The outcomes for the list's five dots. */
export function stagesFromLetters(text: string, endedAtMs: number, nowMs: number): Outcome[] {
  return stageNames.map((_, index) => settled(outcomes.get(text[index] ?? "p") ?? "pending", endedAtMs, nowMs));
}

/** @param endedAtMs 0 = the call is up */
export function settled(outcome: Outcome, endedAtMs: number, nowMs: number): Outcome {
  return !isEnd(outcome) && endedAtMs > 0 && nowMs - endedAtMs > unfinishedAfterMs ? "failed" : outcome;
}

export type LedgerRow = { stage: string; outcome: string; version: number; stage_started_at: number; detail: string; remedy: string };

/** Merges what each stage said: the newest outcome, and the start that was told first. */
export function ledgerOf(rows: readonly LedgerRow[], endedAtMs: number, nowMs: number): LedgerStage[] {
  return stageNames.map((stage) => {
    let newest: { row: LedgerRow; state: StageState } | undefined;
    let startedAtMs = 0;
    for (const row of rows) {
      const outcome = outcomeOf(row.outcome);
      if (row.stage !== stage || outcome === undefined) continue;
      const state = { outcome, atMs: row.version };
      if (supersedes(state, newest?.state)) newest = { row, state };
      const began = row.stage_started_at > 0 ? row.stage_started_at : outcome === "running" ? row.version : 0;
      if (began > 0 && (startedAtMs === 0 || began < startedAtMs)) startedAtMs = began;
    }
    const reported = newest?.state.outcome ?? "pending";
    const outcome = settled(reported, endedAtMs, nowMs);
    const unfinished = outcome !== reported;
    return {
      stage,
      outcome,
      startedAt: startedAtMs > 0 ? new Date(startedAtMs).toISOString() : null,
      finishedAt: isEnd(outcome) && !unfinished && newest !== undefined ? new Date(newest.row.version).toISOString() : null,
      detail: unfinished ? "never finished" : (newest?.row.detail ?? ""),
      remedy: unfinished
        ? "Look in the service's log for the time of this call; the stage did not report its end."
        : (newest?.row.remedy ?? ""),
    };
  });
}
