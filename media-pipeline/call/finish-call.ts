/** The end of a call: its last words, then its recording, tried again by itself for as long as object store or disk refuse. */
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeMediaChunk } from "@earshot/proto/media-chunk-codec.ts";
import type { CallStates } from "../checkpoint/call-states.ts";
import type { Checkpointer } from "../checkpoint/checkpointer.ts";
import type { CallSession, SessionDeps } from "./call-session.ts";
import { readMedia } from "./replay.ts";

export type FinishDeps = SessionDeps & {
  readonly eventLog: EventLog;
  readonly states: CallStates;
  readonly checkpointer: Checkpointer;
  /** The calls are another worker's now. */
  isGiven(): boolean;
};

const firstPauseMs = 1000;
const longestPauseMs = 30_000;

export class CallFinisher {
  readonly #deps: FinishDeps;
  readonly #finishing = new Map<CallSession, Promise<void>>();
  readonly #refilling = new Set<CallSession>();
  readonly #waits = new Set<() => void>();

  constructor(deps: FinishDeps) {
    this.#deps = deps;
  }

  isFinishing(session: CallSession): boolean {
    return this.#finishing.has(session);
  }

  /** @param words settles what is said of the call; the session stays whole until it resolves. Never rejects. */
  finish(session: CallSession, words: () => Promise<void>): Promise<void> {
    const known = this.#finishing.get(session);
    if (known !== undefined) return known;
    const { log, isGiven } = this.#deps;
    const finishing = words()
      .then(() => this.#untilStored(session))
      .catch((error: unknown) => {
        if (!isGiven()) log.error({ err: error, callId: session.call.callId }, "a call could not be finished");
      })
      .finally(() => this.#finishing.delete(session));
    this.#finishing.set(session, finishing);
    return finishing;
  }

  async #untilStored(session: CallSession): Promise<void> {
    const { log, isGiven, states, checkpointer, eventLog } = this.#deps;
    const { callId, tenantId } = session.call;
    for (let pauseMs = firstPauseMs; !isGiven(); pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      try {
        await this.#store(session);
        if (isGiven()) return;
        // In this order: what was said of the call is on the log before its state says so, and its parts go before it is forgotten.
        await eventLog.flush();
        await checkpointer.save([session], () => -1);
        if (isGiven()) return;
        await session.recorder.deleteParts();
        session.forget();
        await states.end(callId, session.isOurs);
        await session.recorder.discard();
        return;
      } catch (error) {
        if (isGiven()) return;
        log.error(
          { err: error, callId, tenantId, againInMs: pauseMs },
          "a call's recording cannot be stored now; it is kept and tried again",
        );
        await this.#pause(pauseMs);
      }
    }
  }

  async #store(session: CallSession): Promise<void> {
    if (session.stage === "said" && session.recorder.missingMs > 0) {
      const isWhole = await this.#refill(session);
      if (!isWhole) session.recorder.giveUpMissing();
      else if (session.recorder.missingMs > 0) {
        throw new EarshotError("unavailable", "spool_full", "The spool takes no more audio; the recording waits.", {
          remedy: "Make room on the disk of EARSHOT_SPOOL_DIR.",
        });
      }
    }
    await session.storeRecording();
  }

  /** Fills in what the disk had refused, while the call goes on. */
  async refill(session: CallSession): Promise<void> {
    if (this.#refilling.has(session)) return;
    this.#refilling.add(session);
    try {
      if (!(await this.#refill(session))) session.recorder.giveUpMissing();
    } catch (error) {
      this.#deps.log.warn({ err: error, callId: session.call.callId }, "audio that the disk refused cannot be read again now");
    } finally {
      this.#refilling.delete(session);
    }
  }

  /** @returns false where the log has not kept all of it */
  async #refill(session: CallSession): Promise<boolean> {
    const { eventLog } = this.#deps;
    const { replayFrom } = session.snapshot(-1).checkpoint;
    const bounds = (await eventLog.bounds("media.v1")).find(({ partition }) => partition === session.partition);
    if (bounds === undefined) return false;
    const take = session.refiller();
    await readMedia(this.#deps, session.partition, Math.max(bounds.first, replayFrom), bounds.next, async (key, _, value) => {
      if (key === session.call.callId) take(decodeMediaChunk(value));
    });
    await session.recorder.flush();
    return session.recorder.missingMs === 0 || replayFrom >= bounds.first;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#waits.delete(end);
        resolve();
      };
      const cancel = this.#deps.clock.after(ms, end);
      this.#waits.add(end);
    });
  }

  /** Resolves when nothing is being finished. */
  async idle(): Promise<void> {
    while (this.#finishing.size > 0) await Promise.all(this.#finishing.values());
  }

  /** The calls go on elsewhere; `isGiven` says so already. */
  async abandon(): Promise<void> {
    for (const end of [...this.#waits]) end();
    const open = [...this.#finishing.keys()];
    await Promise.all(open.map((session) => session.drop()));
  }
}
