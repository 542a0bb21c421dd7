/** One call while a worker has it: its legs, their words, its recording, its metrics, and the stages of its ledger. */
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import type { MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import type { CallContext } from "../events/publisher.ts";
import { LegAudio, type StoreRate } from "../leg/leg-audio.ts";
import { LegPipeline, type LegResume } from "../leg/leg-pipeline.ts";
import type { LegScratch } from "../leg/leg-scratch.ts";
import type { LegSink, UtteranceInfo } from "../leg/leg-sink.ts";
import type { BegunSegment } from "../leg/published-speech.ts";
import type { UtteranceResult } from "../leg/utterance-run.ts";
import { CallListening } from "../listen/call-listening.ts";
import type { RecognisedWord } from "../recogniser/port.ts";
import { CallRecorder } from "../recording/call-recorder.ts";
import type { SpoolBudget } from "../recording/spool-budget.ts";
import type { VoiceDetector } from "../voice/detector.ts";
import { begunOf, type CallStage, type CallState, undoDeltas } from "./call-state.ts";
import { CallTranscript, type TranscriptDeps } from "./call-transcript.ts";
import { conversationOf, type LegSpeech } from "./conversation-event.ts";
import { recordKept, recordOutcome, type StageOutcome } from "./ledger-outcomes.ts";
import { checkpointLegs, type LegState } from "./leg-checkpoint.ts";
import { ReplayMarks } from "./replay-marks.ts";
import { type LegRole, type Sides, sidesOf } from "./sides.ts";
import { SpeechIntervals } from "./speech-intervals.ts";
import { within } from "./within.ts";

export type SessionDeps = Omit<TranscriptDeps, "hints"> & {
  readonly objectStore: ObjectStore;
  readonly detector: VoiceDetector;
  readonly scratch: LegScratch;
  readonly budget: SpoolBudget;
  /** Another machine may take the call over: its audio is kept in the object store too. */
  readonly shared: boolean;
  hints(tenant: CallContext["tenantId"]): { readonly language: string; readonly vocabulary: readonly string[] };
};

/** A call on a log on another machine of which nothing comes for so long stands still; until then it is the log that is late. */
const lateLogMs = 3000;
/** Far more than one utterance gets. */
const revisionsPerRun = 100_000;
/** Windows of a leg that may wait for the speech detector before its audio is held back. */
const congestedWindows = 24;

export class CallSession implements LegSink {
  readonly call: CallContext;
  readonly startedAtMs: number;
  readonly partition: number;
  readonly recorder: CallRecorder;
  readonly #deps: SessionDeps;
  readonly #state: CallState | undefined;
  readonly #takeovers: number;
  readonly #transcript: CallTranscript;
  readonly #legs = new Map<number, LegState>();
  #roles: LegRole[] = [];
  #sides: Sides = sidesOf([]);
  #metricsCount: number;
  #metricsAtMs: number;
  #recording = false;
  readonly #listening: CallListening;
  #endedAtMs = 0;
  #transcriptsFrom = 0;
  /** The log no longer had all that was to be heard again: legs whose first chunk was looked at for what is lost. */
  #cutOff: Set<number> | undefined;
  #finished = false;
  #dropped = false;
  lastHeardAtMs: number;
  stage: CallStage = "live";
  /** Of what is heard again no stream stands still: until then, by the monotonic clock, the first new chunk is awaited. */
  #newsUntilMs = Number.NEGATIVE_INFINITY;
  /** Offset of media.v1 from which on it is heard here; what lies before is in the state that it was taken up from. */
  heardFrom = 0;
  /** Nothing of it is kept any more. */
  #forgotten = false;
  /** When its state is to be saved next, by the monotonic clock. */
  saveDueAtMs: number;

  /** @param state what another worker, or the one before a restart, has left */
  constructor(deps: SessionDeps, call: CallContext, startedAtMs: number, folder: string, partition: number, state?: CallState) {
    const log = deps.log.child({ tenantId: call.tenantId, callId: call.callId });
    this.#deps = deps;
    this.call = call;
    this.startedAtMs = startedAtMs;
    this.partition = partition;
    this.#state = state;
    this.#takeovers = state === undefined ? 0 : state.checkpoint.takeovers + 1;
    this.#metricsCount = state?.checkpoint.conversations ?? 0;
    this.#metricsAtMs = deps.clock.monotonicMs();
    this.lastHeardAtMs = this.#metricsAtMs;
    this.saveDueAtMs = this.#metricsAtMs + deps.settings.checkpointIntervalMs;
    this.#transcript = new CallTranscript({ ...deps, log }, call, () => this.#roles);
    this.#listening = new CallListening(deps.clock, deps.publisher, call);
    this.recorder = new CallRecorder({
      tenantId: call.tenantId,
      callId: call.callId,
      folder,
      budget: deps.budget,
      maxRecordingMs: deps.settings.maxRecordingMs,
      objectStore: deps.objectStore,
      run: deps.shared ? this.#takeovers : undefined,
      onFailure: (error) => log.error({ err: error }, "the spool cannot be written; what it lacks is filled in from the event log"),
    });
  }

  /**
   * Makes the spool folder; announces a new call on the ledger, takes up one that another worker left.
   * @throws EarshotError unavailable `spool_failed`
   */
  async open(): Promise<void> {
    const state = this.#state?.checkpoint;
    const recorded = (state?.streams ?? []).filter(({ storeRate }) => storeRate > 0);
    await this.recorder.open(recorded.map(({ leg, storeRate, recordedToMs }) => ({ leg, sampleRate: storeRate, toMs: recordedToMs })));
    if (state === undefined) this.#deps.publisher.stage(this.call, "transcript", "running", this.#deps.clock.now());
    else this.#restore(state);
  }

  #restore(state: CallState["checkpoint"]): void {
    this.#newsUntilMs = Number.POSITIVE_INFINITY;
    this.stage = state.stage as CallStage;
    this.#endedAtMs = state.endedAtMs;
    this.#transcriptsFrom = state.transcriptsFrom;
    this.#listening.untilMs = state.listenUntilMs;
    this.#transcript.segments = state.segments;
    this.#transcript.failed = state.failedSegments;
    this.recorder.lostMs = state.omittedMs;
    this.setLegs(state.legs.map(({ leg, speaker }) => ({ index: leg, speaker })));
    this.#recording = state.streams.length > 0;
    for (const stream of state.streams) {
      const finals = undoDeltas(stream.finals);
      const leg = this.#leg(stream.leg, {
        published: { settledToMs: stream.settledToMs, finals, begun: begunOf(stream) },
        storeRate: stream.storeRate === 0 ? undefined : (stream.storeRate as StoreRate),
        noiseFloorDb: stream.noiseFloorDb,
        firstRevision: this.#takeovers * revisionsPerRun,
      });
      leg?.speech.bounds.push(...undoDeltas(stream.speech));
      this.#transcript.restore(stream.leg, stream.words, finals);
    }
  }

  /** What it was taken up from holds what the log has at this offset of media.v1: nothing of it is to be heard again. */
  has(offset: number): boolean {
    return offset < this.heardFrom;
  }

  /** Finished, or another worker's: its state is not for us to save. */
  get isGone(): boolean {
    return this.#dropped || this.#forgotten || !this.isOurs();
  }

  /** false once another worker may have it. */
  get isOurs(): () => boolean {
    return this.#deps.publisher.isOurs;
  }

  /** The call is finished and about to be forgotten. */
  forget(): void {
    this.#forgotten = true;
  }

  get isRestored(): boolean {
    return this.#state !== undefined;
  }

  setLegs(legs: readonly LegRole[]): void {
    for (const { index, speaker } of legs) {
      const at = this.#roles.findIndex((role) => role.index === index);
      if (at >= 0) this.#roles[at] = { index, speaker };
      else this.#roles.push({ index, speaker });
    }
    this.#sides = sidesOf(this.#roles);
  }

  /**
   * Takes one chunk of one leg. `offset` says where it lies in the log.
   * @returns true where the speech detector is behind: the caller waits with the next one
   */
  accept(chunk: MediaChunkView, offset: number): boolean {
    const { metrics } = this.#deps;
    if (this.#finished) {
      metrics.chunks.inc({ outcome: "after_end" });
      return false;
    }
    const leg = this.#leg(chunk.leg);
    if (leg === undefined) {
      metrics.chunks.inc({ outcome: "too_many_legs" });
      return false;
    }
    const { pipeline, marks } = leg;
    const lostBefore = pipeline.lostMs;
    const floorBefore = pipeline.noiseFloorDb;
    if (this.#newsUntilMs > 0 && this.#newsUntilMs !== Number.POSITIVE_INFINITY) this.#hearsNews();
    if (this.#cutOff !== undefined) this.#noteCutOff(chunk, this.#cutOff);
    const outcome = pipeline.accept(chunk);
    metrics.chunks.inc({ outcome });
    if (outcome !== "taken") return false;
    if (pipeline.lostMs > lostBefore) metrics.lost.inc((pipeline.lostMs - lostBefore) / 1000);
    marks.mark((chunk.position * 1000) / chunk.sampleRate, offset, floorBefore);
    this.lastHeardAtMs = this.#deps.clock.monotonicMs();
    if (!this.#recording) {
      this.#recording = true;
      this.#deps.publisher.stage(this.call, "record", "running", this.#deps.clock.now());
    }
    return pipeline.waitingWindows > congestedWindows;
  }

  /** What was to be heard again has been heard. */
  heardAgain(): void {
    this.#newsUntilMs = this.#deps.clock.monotonicMs() + lateLogMs;
  }

  #hearsNews(): void {
    this.#newsUntilMs = Number.NEGATIVE_INFINITY;
    for (const { pipeline } of this.#legs.values()) pipeline.listenAnew(this.#deps.clock.monotonicMs());
  }

  /** The log's retention has taken audio that was to be heard again. */
  cutOff(): void {
    this.#cutOff = new Set();
  }

  #noteCutOff(chunk: MediaChunkView, seen: Set<number>): void {
    if (seen.has(chunk.leg)) return;
    seen.add(chunk.leg);
    const stream = this.#state!.checkpoint.streams.find(({ leg, storeRate }) => leg === chunk.leg && storeRate > 0);
    const positionMs = (chunk.position * 1000) / chunk.sampleRate;
    const chunkMs = (chunk.frameBytes.length * chunk.frameSamples * 1000) / chunk.sampleRate;
    const gapMs = stream === undefined ? Math.min(positionMs, chunk.sequence * chunkMs) : positionMs - stream.recordedToMs;
    if (gapMs <= 0 || chunk.afterPause) return;
    // The legs are lost side by side: the recording lacks the longest gap.
    this.recorder.lostMs = Math.max(this.recorder.lostMs, this.#state!.checkpoint.omittedMs + gapMs);
    this.#deps.metrics.lost.inc(gapMs / 1000);
  }

  /** The leg's detector has room again, or will not have it. */
  get congested(): boolean {
    for (const { pipeline } of this.#legs.values()) if (pipeline.waitingWindows > congestedWindows / 2) return true;
    return false;
  }

  /** Publishes the call's audio until then (Unix ms), bounded by the longest lease. */
  listen(untilMs: number): void {
    this.#listening.renew(untilMs, this.#deps.settings.listenLeaseMs);
  }

  /**
   * Ten times a second.
   * @param isBehind the log has audio that was not handed over: of no stream it is known whether it stands still
   */
  tick(monotonicMs: number, isBehind: boolean): void {
    if (isBehind) this.#newsUntilMs = Math.max(this.#newsUntilMs, monotonicMs + lateLogMs);
    else if (monotonicMs >= this.#newsUntilMs) {
      let heardToMs = 0;
      for (const { pipeline } of this.#legs.values()) heardToMs = Math.max(heardToMs, pipeline.heardToMs);
      for (const { pipeline } of this.#legs.values()) pipeline.tick(monotonicMs, heardToMs);
    }
    this.#transcript.tick(monotonicMs);
    this.#listening.tick();
    if (monotonicMs - this.#metricsAtMs >= this.#deps.settings.metricsIntervalMs) {
      this.#metricsAtMs = monotonicMs;
      this.#publishMetrics(false);
    }
  }

  /** The call has ended (Unix ms). */
  markEnded(endedAtMs: number): void {
    this.stage = "ended";
    this.#endedAtMs = endedAtMs;
  }

  /** Last words, final metrics, the ledger's transcript stage. Bounded by EARSHOT_CALL_END_DEADLINE_MS; never throws. */
  async finishWords(): Promise<void> {
    const { clock, settings } = this.#deps;
    const allSaid = Promise.all([...this.#legs.values()].map(({ pipeline }) => pipeline.end()));
    const inTime = await within(clock, settings.callEndDeadlineMs, allSaid);
    if (this.#dropped) return;
    this.#closeLegs();
    if (this.stage !== "ended" || (await this.#alreadyStored()) || this.#dropped) return;
    this.#publishMetrics(true);
    this.#close("transcript", this.#transcript.outcome(inTime));
    this.stage = "said";
  }

  /** @throws EarshotError where it could not be stored now; the ledger says that it is kept */
  async storeRecording(): Promise<void> {
    const { publisher, clock, metrics } = this.#deps;
    if (this.stage !== "said") return;
    try {
      const stored = await this.recorder.store(this.#roles);
      if (this.#dropped) return;
      if (stored !== undefined) {
        publisher.emit("recordings.v1", this.call, `${this.call.callId}-recording`, clock.now(), {
          case: "recordingStored",
          value: stored,
        });
      }
      const closed = recordOutcome(stored?.bytes, this.recorder.omittedMs);
      this.#close("record", closed);
      metrics.recordings.inc({ outcome: closed.outcome });
      this.stage = "stored";
    } catch (error) {
      if (!this.#dropped) this.#close("record", recordKept);
      metrics.recordings.inc({ outcome: "kept" });
      throw error;
    }
  }

  /** Ends the work on the call here and says nothing of it: it goes on elsewhere, from its saved state. */
  async drop(): Promise<void> {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#closeLegs();
    await this.recorder.suspend();
  }

  #closeLegs(): void {
    if (this.#finished) return;
    this.#finished = true;
    for (const [index, { pipeline }] of this.#legs) {
      pipeline.close();
      this.#deps.recogniser.legEnded(this.call.callId, index);
    }
  }

  audio(leg: number, storeRate: number, pcm: Int16Array, length: number, position: number): void {
    this.recorder.write(leg, storeRate, pcm, length, position);
    this.#listening.audio(this.#sides, leg, pcm, length, position, storeRate);
  }

  speech(leg: number, fromMs: number, toMs: number): void {
    this.#legs.get(leg)?.speech.add(fromMs, toMs);
  }

  partial(leg: number, info: UtteranceInfo, text: string, words: readonly RecognisedWord[]): void {
    if (!this.#finished) this.#transcript.partial(leg, info, text, words);
  }

  final(leg: number, info: UtteranceInfo, result: UtteranceResult): void {
    if (!this.#dropped) this.#transcript.final(leg, info, result);
  }

  vanished(leg: number, segment: BegunSegment): void {
    if (!this.#dropped) this.#transcript.vanished(leg, segment);
  }

  /** @returns takes chunks that are heard once more, for what the disk had refused */
  refiller(): (chunk: MediaChunkView) => void {
    const legs = new Map<number, LegAudio>();
    return (chunk) => {
      const storeRate = this.#legs.get(chunk.leg)?.pipeline.storeRate ?? 0;
      if (storeRate === 0) return;
      let audio = legs.get(chunk.leg);
      if (audio === undefined) {
        const samples = (pcm: Int16Array, length: number, position: number): void =>
          this.recorder.refill(chunk.leg, storeRate, pcm, length, position);
        audio = new LegAudio(this.#deps.scratch, { rate: () => {}, samples, jumped: () => {}, lost: () => {} }, storeRate);
        legs.set(chunk.leg, audio);
      }
      audio.take(chunk);
    };
  }

  /** Finals of which it is not known yet that the log has them. */
  get unsafeFinals(): number {
    return this.#transcript.unsafe;
  }

  /** The log has so many of them. */
  finalsAreSafe(count: number): void {
    this.#transcript.unsafe -= count;
  }

  /**
   * What another worker needs to go on.
   * @param mediaNext offset of media.v1 behind all that the call was given; -1 = not known
   * @param transcriptsNext offset of transcripts.v1 that all later words lie behind; undefined = as in the state before
   */
  snapshot(mediaNext: number, transcriptsNext?: number): CallState {
    if (transcriptsNext !== undefined) this.#transcriptsFrom = transcriptsNext;
    const { streams, replayFrom } = checkpointLegs(this.#legs, this.recorder, this.#transcript);
    return {
      call: this.call,
      checkpoint: {
        $typeName: "earshot.v1.CallCheckpoint" as const,
        startedAtMs: this.startedAtMs,
        legs: this.#roles.map(({ index, speaker }) => ({ $typeName: "earshot.v1.LegSpeaker" as const, leg: index, speaker })),
        stage: this.stage,
        endedAtMs: this.#endedAtMs,
        partition: this.partition,
        // Before it has been heard again, all that the state before asked for is still to be heard.
        replayFrom: this.#newsUntilMs === Number.POSITIVE_INFINITY ? this.heardFrom : Math.max(this.heardFrom, replayFrom ?? mediaNext),
        transcriptsFrom: this.#transcriptsFrom,
        takeovers: this.#takeovers,
        segments: this.#transcript.segments,
        failedSegments: this.#transcript.failed,
        conversations: this.#metricsCount,
        listenUntilMs: this.#listening.untilMs,
        streams,
        omittedMs: this.recorder.omittedMs,
      },
    };
  }

  #leg(index: number, resume?: LegResume): LegState | undefined {
    const known = this.#legs.get(index);
    if (known !== undefined) return known;
    const { settings, clock, detector, recogniser, scratch } = this.#deps;
    if (this.#legs.size >= settings.maxLegs) return undefined;
    const { tenantId, callId } = this.call;
    const hints = (): ReturnType<SessionDeps["hints"]> => this.#deps.hints(tenantId);
    const state: LegState = {
      pipeline: new LegPipeline({
        tenantId,
        callId,
        index,
        settings,
        clock,
        detector,
        recogniser,
        scratch,
        sink: this,
        hints,
        stillMs: this.#deps.shared ? lateLogMs : 0,
        resume,
      }),
      speech: new SpeechIntervals(),
      marks: new ReplayMarks(),
    };
    this.#legs.set(index, state);
    if (!this.#roles.some((role) => role.index === index)) this.setLegs([{ index, speaker: Speaker.UNSPECIFIED }]);
    return state;
  }

  #publishMetrics(final: boolean): void {
    const { clock, settings, publisher } = this.#deps;
    const now = clock.now();
    let durationMs = 0;
    const legs = new Map<number, LegSpeech>();
    for (const [index, { pipeline, speech }] of this.#legs) {
      durationMs = Math.max(durationMs, pipeline.positionMs, speech.bounds.at(-1) ?? 0);
      legs.set(index, { bounds: speech.bounds, words: this.#transcript.words(index) });
    }
    if (this.#endedAtMs > this.startedAtMs) durationMs = Math.max(durationMs, this.#endedAtMs - this.startedAtMs);
    else if (clock.monotonicMs() - this.lastHeardAtMs > 2000) durationMs = Math.max(durationMs, now - this.startedAtMs);
    this.#metricsCount++;
    const { callId } = this.call;
    const id = final ? `${callId}-conversation-final` : `${callId}-conversation-${this.#takeovers}-${this.#metricsCount}`;
    publisher.emit("conversation.v1", this.call, id, now, {
      case: "conversationMetrics",
      value: { final, ...conversationOf(legs, this.#sides, durationMs, settings) },
    });
  }

  #close(stage: "transcript" | "record", { outcome, detail, remedy }: StageOutcome): void {
    this.#deps.publisher.stage(this.call, stage, outcome, this.#deps.clock.now(), { detail, remedy, startedAtMs: this.startedAtMs });
  }

  /** A call whose events come again after it was finished must not overwrite what is stored. */
  async #alreadyStored(): Promise<boolean> {
    if (this.#recording) return false;
    try {
      return (await this.#deps.objectStore.stat(this.call.tenantId, `recordings/${this.call.callId}.wav`)) !== undefined;
    } catch {
      return false;
    }
  }
}
