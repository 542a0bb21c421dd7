/**
 * Keeps the state of live calls: once a second those that are due, at once where the log's offset is about to move past what changed them.
 * A state is saved only when the log has every final word that it knows of, so that none is lost between the two.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { CallSession } from "../call/call-session.ts";
import type { PipelineMetrics } from "../call/pipeline-metrics.ts";
import type { MediaPipelineSettings } from "../settings.ts";
import type { CallStates } from "./call-states.ts";

export type CheckpointDeps = {
  readonly settings: MediaPipelineSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: PipelineMetrics;
  readonly eventLog: EventLog;
  readonly states: CallStates;
  /** Audio goes to the object store too. */
  readonly shared: boolean;
};

/** Calls that are worked on side by side. */
const sideBySide = 16;
/** After the object store has refused it is left alone for so long, at first and at most. */
const firstPauseMs = 2000;
const longestPauseMs = 30_000;

export class Checkpointer {
  readonly #deps: CheckpointDeps;
  #round: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();
  #storePausedUntilMs = 0;
  #storePauseMs = firstPauseMs;

  constructor(deps: CheckpointDeps) {
    this.#deps = deps;
  }

  /** Once a second: saves the calls that are due. One round at a time; never throws. */
  tick(sessions: Iterable<CallSession>, mediaNext: (session: CallSession) => number): void {
    if (this.#round !== undefined) return;
    const now = this.#deps.clock.monotonicMs();
    const due: CallSession[] = [];
    for (const session of sessions) {
      if (session.stage !== "live" || session.saveDueAtMs > now) continue;
      session.saveDueAtMs = now + this.#deps.settings.checkpointIntervalMs;
      due.push(session);
    }
    if (due.length === 0) return;
    this.#round = this.storeAudio(due, this.#deps.settings.checkpointPartBytes)
      .then(() => this.save(due, mediaNext, true))
      .catch((error: unknown) => {
        this.#deps.metrics.checkpoints.inc({ outcome: "state_failed" });
        this.#deps.log.error({ err: error }, "the state of calls could not be saved; a hand-over would hear more of them again");
      })
      .finally(() => {
        this.#round = undefined;
      });
  }

  /**
   * @param mediaNext offset of media.v1 behind all that a call was given
   * @throws EarshotError of the log, or of the disk
   */
  save(sessions: readonly CallSession[], mediaNext: (session: CallSession) => number, marked = false): Promise<void> {
    if (sessions.length === 0) return Promise.resolve();
    // One after another: an older state must never follow a newer one.
    const saved = this.#saving.then(() => this.#save(sessions, mediaNext, marked));
    this.#saving = saved.catch(() => {});
    return saved;
  }

  async #save(wanted: readonly CallSession[], mediaNext: (session: CallSession) => number, marked: boolean): Promise<void> {
    const sessions = wanted.filter(({ isGone }) => !isGone);
    const { eventLog, states, metrics } = this.#deps;
    const next = marked ? new Map((await eventLog.bounds("transcripts.v1")).map((one) => [one.partition, one.next])) : undefined;
    const finals = sessions.map((session) => session.unsafeFinals);
    const saved = sessions.map((session) => session.snapshot(mediaNext(session), next?.get(session.partition)));
    if (finals.some((count) => count > 0)) {
      await eventLog.flush();
      for (const [i, session] of sessions.entries()) session.finalsAreSafe(finals[i]!);
    }
    await inTurns(
      sessions.map(({ isOurs }, i) => ({ isOurs, state: saved[i]! })),
      ({ isOurs, state }) => states.save(state, isOurs),
    );
    metrics.checkpoints.inc({ outcome: "saved" }, saved.length);
  }

  /**
   * Hands new audio of calls to the object store, or what waits in memory to the disk where workers share nothing. Never throws.
   * @param leastBytes calls with less are left out
   */
  async storeAudio(sessions: readonly CallSession[], leastBytes: number): Promise<void> {
    const { clock, shared, metrics, log } = this.#deps;
    if (!shared) {
      await inTurns(sessions, ({ recorder }) => recorder.flush());
      return;
    }
    await inTurns(sessions, async ({ recorder, call }) => {
      if (clock.monotonicMs() < this.#storePausedUntilMs || recorder.freshBytes < leastBytes) return;
      try {
        metrics.checkpointBytes.inc(await recorder.storePart());
        this.#storePauseMs = firstPauseMs;
      } catch (error) {
        if (clock.monotonicMs() >= this.#storePausedUntilMs) {
          log.warn(
            { err: error, callId: call.callId, tenantId: call.tenantId },
            "audio of calls under way cannot be put into the object store",
          );
          this.#storePausedUntilMs = clock.monotonicMs() + this.#storePauseMs;
          this.#storePauseMs = Math.min(longestPauseMs, this.#storePauseMs * 2);
        }
        metrics.checkpoints.inc({ outcome: "audio_failed" });
      }
    });
  }
}

/** A few at a time. @throws the first failure, when all are done */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let failure: { error: unknown } | undefined;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      try {
        await work(items[next++]!);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(sideBySide, items.length) }, lane));
  if (failure !== undefined) throw failure.error;
}
