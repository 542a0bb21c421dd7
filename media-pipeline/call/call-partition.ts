/**
 * The calls of one partition, which this worker alone has: what the log says of them is handled one batch after another, so that a call's start,
 * its audio and its end meet in order although they come on different topics.
 */
import { join } from "node:path";
import type { EventLog, LogRecord } from "@earshot/platform/event-log/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, type Event, type PayloadOf } from "@earshot/proto/event.ts";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { decodeMediaChunk } from "@earshot/proto/media-chunk-codec.ts";
import type { CallStates } from "../checkpoint/call-states.ts";
import type { Checkpointer } from "../checkpoint/checkpointer.ts";
import { Publisher } from "../events/publisher.ts";
import { folderName } from "../recording/spool.ts";
import { CallSession, type SessionDeps } from "./call-session.ts";
import type { CallState } from "./call-state.ts";
import { EarlyAudio } from "./early-audio.ts";
import { CallFinisher } from "./finish-call.ts";
import type { RecentCalls } from "./recent-calls.ts";
import { readMedia } from "./replay.ts";
import { within } from "./within.ts";

export type PartitionDeps = Omit<SessionDeps, "publisher"> & {
  readonly eventLog: EventLog;
  readonly states: CallStates;
  readonly checkpointer: Checkpointer;
  /** Shared by all partitions of this worker. */
  readonly recent: RecentCalls;
  readonly spoolDir: string;
  /** Calls under way, over all partitions of this worker. */
  liveCalls(): number;
  /** Resolves when this worker has handled all audio that is in the log now. */
  drained(): Promise<void>;
  /** false after a standstill: another worker may have the calls. */
  isAwake(): boolean;
};

/** Clocks of two machines that write to the log differ by less. */
const clockSkewMs = 2000;
/** A worker is behind where audio waits longer for it in the log than clocks differ, and than requests take. */
const behindMs = 3000;
const lookBackRecords = 500;
const congestionMs = 5;
/** So much audio, in parts, the log has for certain. */
const fewParts = 8;
const longestCongestionMs = 2000;

export class CallPartition {
  readonly index: number;
  readonly #deps: PartitionDeps;
  readonly #sessionDeps: SessionDeps;
  readonly #early: EarlyAudio;
  readonly #finisher: CallFinisher;
  readonly #isOurs: () => boolean;
  readonly sessions = new Map<string, CallSession>();
  #turn: Promise<void> = Promise.resolve();
  /** Nothing more is said of the calls here. */
  #given = false;
  #givingUp: Promise<void> | undefined;
  readonly #assignedAtMonotonicMs: number;
  readonly #mediaFrom: number;
  /** When the record before it was appended; undefined before anybody has asked. */
  #handledToMs: number | undefined;
  /** The log's end when the partition was taken over, and where what was handed over ends, of media.v1: between them lies what it is behind. */
  #backlogTo = 0;
  #handedTo: number;
  /** By the monotonic clock: what was handed over last had waited so long in the log that more of it may still wait. */
  #behindUntilMs = 0;
  #awaitsFirstChunk = false;
  /** Offset of media.v1 behind everything that was handled. */
  mediaNext: number;

  /**
   * @param isOurs of the event log: false once another worker may have the partition
   * @param mediaFrom offset of the first record of media.v1 that will be handed over: what lies before it was handled already
   */
  constructor(index: number, deps: PartitionDeps, isOurs: () => boolean, mediaFrom: number) {
    this.index = index;
    this.#deps = deps;
    this.#isOurs = isOurs;
    this.#mediaFrom = mediaFrom;
    this.mediaNext = mediaFrom;
    this.#handedTo = mediaFrom;
    const publisher = new Publisher(deps.eventLog, deps.log, () => !this.#given && deps.isAwake(), isOurs);
    this.#sessionDeps = { ...deps, publisher };
    this.#early = new EarlyAudio({ calls: deps.settings.pendingCalls, heldMs: deps.settings.pendingMs });
    this.#finisher = new CallFinisher({ ...deps, publisher, isGiven: () => this.#given || !isOurs() });
    this.#assignedAtMonotonicMs = deps.clock.monotonicMs();
  }

  /** @throws EarshotError unavailable where the partition has been given up */
  handle(batch: readonly LogRecord[]): Promise<void> {
    const work = this.#turn.then(() => {
      if (this.#given) throw new EarshotError("unavailable", "partition_given_up", "The calls of this partition are another worker's now.");
      switch (batch[0]?.topic) {
        case "media.v1":
          return this.#onMedia(batch);
        case "calls.v1":
          return this.#onCalls(batch);
        default:
          return this.#onCommands(batch);
      }
    });
    this.#turn = work.catch(() => {});
    return work;
  }

  async #onMedia(batch: readonly LogRecord[]): Promise<void> {
    const { recent, metrics, clock } = this.#deps;
    const next = batch.at(-1)!.offset + 1;
    try {
      for (const { key, value, offset } of batch) {
        const session = this.sessions.get(key);
        if (session !== undefined) {
          await this.#hear(session, offset, value);
          if (this.#awaitsFirstChunk) {
            this.#awaitsFirstChunk = false;
            metrics.takeOver.observe((clock.monotonicMs() - this.#assignedAtMonotonicMs) / 1000);
          }
        } else if (recent.has(key)) metrics.chunks.inc({ outcome: "after_end" });
        else if (!this.#early.note(key, offset, clock.monotonicMs())) metrics.chunks.inc({ outcome: "unknown_call" });
      }
      this.mediaNext = Math.max(this.mediaNext, next);
    } finally {
      this.#handedTo = Math.max(this.#handedTo, next);
      const waitedMs = clock.now() - batch.at(-1)!.appendedAtMs;
      this.#behindUntilMs = waitedMs > behindMs ? clock.monotonicMs() + waitedMs : 0;
    }
  }

  /** The log has audio that was not handed over: what waited there at the take-over, or what a worker with too much to do has not come to. */
  #isBehind(nowMs: number): boolean {
    return this.#handedTo < this.#backlogTo || nowMs < this.#behindUntilMs;
  }

  async #hear(session: CallSession, offset: number, value: Uint8Array): Promise<void> {
    if (session.has(offset)) this.#deps.metrics.chunks.inc({ outcome: "in_state" });
    else if (session.accept(decodeMediaChunk(value), offset)) await this.#catchUp(session);
  }

  /** Audio comes faster than the speech detector hears it: after an outage, or when a call is taken over. */
  async #catchUp(session: CallSession): Promise<void> {
    const { clock } = this.#deps;
    const until = clock.monotonicMs() + longestCongestionMs;
    while (session.congested && clock.monotonicMs() < until) await new Promise<void>((resolve) => clock.after(congestionMs, resolve));
  }

  async #onCalls(batch: readonly LogRecord[]): Promise<void> {
    const changed = new Set<CallSession>();
    const ended: CallSession[] = [];
    for (const record of batch) {
      const event = decodeEvent(record.value);
      const { payload } = event;
      const session = this.sessions.get(event.callId);
      if (payload.case === "callStarted") {
        // One that is known was started twice, or taken over: its legs may have been corrected since.
        if (session !== undefined) continue;
        const opened = await this.#open(event, payload.value.startedAtMs, payload.value.legs, record.appendedAtMs);
        if (opened !== undefined) changed.add(opened);
      } else if (payload.case === "callUpdated" && session !== undefined) {
        session.setLegs(payload.value.legs);
        changed.add(session);
      } else if (payload.case === "callEnded") {
        const { startedAtMs, endedAtMs, legs } = payload.value;
        const known = session ?? (await this.#open(event, startedAtMs || endedAtMs, legs, record.appendedAtMs));
        if (known === undefined || this.#finisher.isFinishing(known)) continue;
        if (legs.length > 0) known.setLegs(legs);
        if (known.stage === "live") known.markEnded(endedAtMs);
        changed.add(known);
        ended.push(known);
      }
    }
    // Before the offset moves past them: whoever comes next must know of these calls.
    await this.#deps.checkpointer.save([...changed], () => this.mediaNext);
    for (const session of ended) this.#finish(session);
  }

  async #onCommands(batch: readonly LogRecord[]): Promise<void> {
    const changed = new Set<CallSession>();
    for (const record of batch) {
      const event = decodeEvent(record.value);
      if (event.payload.case !== "callCommand") continue;
      const { command } = event.payload.value;
      const session = this.sessions.get(event.callId);
      // The tenant of the command must be the call's: ids are not secrets.
      if (session === undefined || session.call.tenantId !== event.tenantId) continue;
      if (command.case === "listen") session.listen(command.value.untilMs);
      else if (command.case === "setLegSpeakers") session.setLegs(command.value.legs.map(({ leg, speaker }) => ({ index: leg, speaker })));
      else continue;
      changed.add(session);
    }
    await this.#deps.checkpointer.save([...changed], () => this.mediaNext);
  }

  async #open(
    event: Event,
    startedAtMs: number,
    legs: PayloadOf<"callStarted">["legs"],
    appendedAtMs: number,
  ): Promise<CallSession | undefined> {
    const { recent, settings, clock, states, liveCalls } = this.#deps;
    if (recent.has(event.callId)) return undefined;
    const call = { tenantId: tenantId(event.tenantId), callId: callId(event.callId), traceparent: event.traceparent };
    if (liveCalls() >= settings.maxCalls) {
      const why = { detail: "The pipeline is full.", remedy: "Add a pipeline, or raise EARSHOT_PIPELINE_MAX_CALLS." };
      for (const stage of ["record", "transcript"] as const) this.#sessionDeps.publisher.stage(call, stage, "failed", clock.now(), why);
      await states.end(call.callId, this.#isOurs);
      recent.add(event.callId);
      return undefined;
    }
    const session = await this.#create(call, startedAtMs);
    session.setLegs(legs);
    this.sessions.set(event.callId, session);
    const from = await this.#firstAudio(event.callId, appendedAtMs);
    if (from !== undefined) await this.#hearAgain(from, this.mediaNext, new Map([[event.callId, session]]));
    return session;
  }

  async #create(call: CallSession["call"], startedAtMs: number, state?: CallState): Promise<CallSession> {
    const folder = join(this.#deps.spoolDir, folderName(call.tenantId, call.callId));
    const session = new CallSession(this.#sessionDeps, call, startedAtMs, folder, this.index, state);
    try {
      await session.open();
      return session;
    } catch (error) {
      await session.drop();
      throw error;
    }
  }

  /**
   * Where audio of a call may lie that was handled before its start. A worker that has just taken the partition over cannot have noted what the one
   * before it passed by: it looks back to where the log was when the start was written.
   */
  async #firstAudio(call: string, appendedAtMs: number): Promise<number | undefined> {
    const noted = this.#early.take(call);
    const earliestMs = appendedAtMs - clockSkewMs;
    this.#handledToMs ??= await this.#appendedAtMs(this.#mediaFrom - 1);
    let from = noted;
    for (let at = this.#mediaFrom, atMs = this.#handledToMs; at > 0 && atMs >= earliestMs; atMs = await this.#appendedAtMs(at))
      from = at = Math.max(0, at - lookBackRecords);
    return from;
  }

  /** Of what was handled before the partition was taken over: when the first record from an offset on was appended. Long ago where none is kept. */
  async #appendedAtMs(offset: number): Promise<number> {
    const [record] = offset < 0 ? [] : await this.#deps.eventLog.read("media.v1", this.index, offset, 1);
    return record === undefined || record.offset >= this.#mediaFrom ? Number.NEGATIVE_INFINITY : record.appendedAtMs;
  }

  async #hearAgain(from: number, to: number, sessions: ReadonlyMap<string, CallSession>): Promise<void> {
    await readMedia(this.#deps, this.index, from, to, async (key, offset, value) => {
      const session = sessions.get(key);
      if (session !== undefined) await this.#hear(session, offset, value);
    });
  }

  /**
   * Takes calls up where another worker, or this one before a restart, has left them: what was handled already and is not in their states is heard
   * again. What was not handled yet is handed over, however much it is, and heard then.
   * @throws EarshotError where log or spool cannot be used now; then nothing is taken up
   */
  async takeUp(states: readonly CallState[]): Promise<void> {
    const { eventLog, log, metrics, checkpointer, settings } = this.#deps;
    const { first, next } = (await eventLog.bounds("media.v1")).find(({ partition }) => partition === this.index) ?? { first: 0, next: 0 };
    // Of a log that has forgotten it all nothing is handed over.
    if (next > first) this.#backlogTo = next;
    if (states.length === 0) return;
    const live = new Map<string, CallSession>();
    const to = this.mediaNext;
    let from = to;
    for (const [i, state] of states.entries()) {
      const { call, checkpoint } = state;
      const session = await this.#create(call, checkpoint.startedAtMs, state);
      // A log that has lost its end gives the same offsets to what is said next.
      session.heardFrom = Math.min(next, checkpoint.replayFrom);
      // Not all at once, from now on.
      session.saveDueAtMs = this.#assignedAtMonotonicMs + (settings.checkpointIntervalMs * (i + 1)) / states.length;
      this.sessions.set(call.callId, session);
      metrics.restored.inc();
      if (session.stage === "said" || session.stage === "stored") continue;
      live.set(call.callId, session);
      if (checkpoint.replayFrom < first && first > 0) session.cutOff();
      from = Math.min(from, Math.max(first, session.heardFrom));
    }
    // Their number of hand-overs grows before anything is said or stored in their name.
    await checkpointer.save([...this.sessions.values()], () => this.mediaNext);
    log.info({ calls: states.length, partition: this.index, records: to - from }, "calls are taken up where they were left");
    this.#awaitsFirstChunk = live.size > 0;
    await this.#hearAgain(from, to, live);
    for (const session of this.sessions.values()) session.heardAgain();
  }

  /** Finishes what had ended before it was taken up. Only when the partition's records come: some may concern these calls. */
  finishEnded(): void {
    for (const session of this.sessions.values()) if (session.stage !== "live") this.#finish(session);
  }

  /** In the background: the audio that is still in the log, then the last words, then the recording. */
  #finish(session: CallSession): void {
    const { recent, log, checkpointer } = this.#deps;
    void this.#finisher.finish(session, async () => {
      await this.#allHeard();
      await this.#turn;
      await session.finishWords();
      if (this.#given) return;
      recent.add(session.call.callId);
      this.sessions.delete(session.call.callId);
      const save = checkpointer.save([session], () => -1);
      await save.catch((error: unknown) =>
        log.warn({ err: error, callId: session.call.callId }, "the state of an ended call was not saved"),
      );
    });
  }

  /** Resolves when all that is in the log now is handled, or when no more of the audio was for EARSHOT_CALL_END_DEADLINE_MS. */
  async #allHeard(): Promise<void> {
    const { clock, settings, drained } = this.#deps;
    const heard = drained();
    for (let before = -1; before < this.mediaNext && !this.#given; ) {
      before = this.mediaNext;
      if (await within(clock, settings.callEndDeadlineMs, heard)) return;
    }
  }

  tick(nowMs: number): void {
    const { settings, log, shared, metrics } = this.#deps;
    const isBehind = this.#isBehind(nowMs);
    for (const session of this.sessions.values()) {
      session.tick(nowMs, isBehind);
      if (session.stage !== "live") continue;
      if (isBehind) session.lastHeardAtMs = nowMs;
      const idle = nowMs - session.lastHeardAtMs;
      // Where workers share the log a gateway still says when a call ends: one on hold is not given up.
      if (idle > settings.callIdleMs || (!shared && session.isRestored && idle > settings.orphanCallMs)) {
        const { callId, tenantId } = session.call;
        log.warn({ callId, tenantId }, "a call without audio and without an end is finished");
        session.markEnded(0);
        this.#finish(session);
      } else if (session.recorder.canRefill) void this.#finisher.refill(session);
    }
    const dropped = this.#early.expire(nowMs);
    if (dropped > 0) metrics.chunks.inc({ outcome: "unknown_call" }, dropped);
  }

  /** Resolves when no call is being finished. */
  finished(): Promise<void> {
    return this.#finisher.idle();
  }

  /**
   * Gives the calls up; they go on elsewhere. Nothing is said of what is under way: it is heard again there, from its start.
   * @param saving false: another worker may have them already
   */
  giveUp(saving: boolean): Promise<void> {
    this.#givingUp ??= this.#giveUp(saving);
    return this.#givingUp;
  }

  async #giveUp(saving: boolean): Promise<void> {
    const { settings, log, shared, clock, eventLog } = this.#deps;
    const stored = saving && (await this.#saveAll());
    this.#given = true;
    // After the last word, and it may have been said while the states were saved: the next worker looks at the log for it once, when it begins.
    const saved = saving && (await within(clock, settings.handOverMs, eventLog.flush())) && stored;
    if (saving && !saved)
      log.warn({ partition: this.index }, "the state of calls could not be saved in time; the next worker hears more of them again");
    await this.#finisher.abandon();
    // Before the batch in hand ends, which the event log counts as handled: nothing of it may get into a state, and it may open more calls.
    for (const session of this.sessions.values()) await session.drop();
    await this.#turn;
    for (const session of this.sessions.values()) {
      await session.drop();
      // What no part has is in the log. Where the object store has been away for long, the spool keeps the only copy.
      if (saved && shared && session.recorder.freshBytes < settings.checkpointPartBytes * fewParts) await session.recorder.discard();
    }
    this.sessions.clear();
  }

  async #saveAll(): Promise<boolean> {
    const { clock, settings, checkpointer } = this.#deps;
    const sessions = [...this.sessions.values()];
    const save = async (): Promise<void> => {
      // What the object store has by then need not be heard again; the states must go out, whatever it has.
      await within(clock, settings.handOverMs / 2, checkpointer.storeAudio(sessions, 1));
      await Promise.all(sessions.map(({ recorder }) => recorder.flush()));
      await checkpointer.save(sessions, () => this.mediaNext);
    };
    return within(clock, settings.handOverMs, save());
  }
}
