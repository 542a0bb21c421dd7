/** One call while it runs: its legs, their words, its recording, its metrics, and the stages of its ledger. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import type { MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import type { CallContext, Publisher } from "../events/publisher.ts";
import { LegPipeline, type LegScratch, type LegSink, type UtteranceInfo } from "../leg/leg-pipeline.ts";
import type { UtteranceResult } from "../leg/utterance-run.ts";
import { ListenTap } from "../listen/listen-tap.ts";
import type { RecognisedWord, Recogniser } from "../recogniser/port.ts";
import { CallRecorder } from "../recording/call-recorder.ts";
import { type SavedCall, saveCall } from "../recording/spool.ts";
import type { SpoolBudget } from "../recording/spool-budget.ts";
import type { MediaPipelineSettings } from "../settings.ts";
import type { VoiceDetector } from "../voice/detector.ts";
import { measureConversation } from "./conversation.ts";
import { recordKept, recordOutcome, type StageOutcome, transcriptOutcome } from "./ledger-outcomes.ts";
import type { PipelineMetrics } from "./pipeline-metrics.ts";
import { ReplayMarks } from "./replay-marks.ts";
import { type Said, segmentEvent } from "./segment-event.ts";
import { type LegRole, type Sides, sidesOf } from "./sides.ts";
import { SpeechIntervals } from "./speech-intervals.ts";

export type SessionDeps = {
  readonly settings: MediaPipelineSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: PipelineMetrics;
  readonly publisher: Publisher;
  readonly objectStore: ObjectStore;
  readonly recogniser: Recogniser;
  readonly detector: VoiceDetector;
  readonly scratch: LegScratch;
  readonly budget: SpoolBudget;
  hints(tenant: CallContext["tenantId"]): { readonly language: string; readonly vocabulary: readonly string[] };
};

/** Partials of one utterance are not published more often than this. */
const partialSpacingMs = 200;
const leastSaveSpacingMs = 1000;
/** Far more than one utterance gets. */
const revisionsPerRun = 100_000;

type LegState = {
  readonly pipeline: LegPipeline;
  readonly speech: SpeechIntervals;
  readonly marks: ReplayMarks;
  words: number;
  partialAtMs: number;
  heldPartial: (() => void) | undefined;
};

export class CallSession implements LegSink {
  readonly call: CallContext;
  readonly startedAtMs: number;
  readonly folder: string;
  readonly #deps: SessionDeps;
  readonly #log: Log;
  readonly #recorder: CallRecorder;
  readonly #legs = new Map<number, LegState>();
  #roles: LegRole[] = [];
  #sides: Sides = sidesOf([]);
  #metricsCount = 0;
  #metricsAtMs: number;
  #segments = 0;
  #failedSegments = 0;
  #lastFailure = { detail: "", remedy: "" };
  #recording = false;
  #tap: ListenTap | undefined;
  #listenUntilMs = 0;
  #savedAtMs = 0;
  #saving: Promise<void> = Promise.resolve();
  #finished = false;
  #restarts = 0;
  #endedAtMs = 0;
  lastHeardAtMs: number;
  ended = false;
  /** Found in the spool at start: ends sooner when nothing more is heard. */
  restored = false;

  constructor(deps: SessionDeps, call: CallContext, startedAtMs: number, folder: string) {
    this.#deps = deps;
    this.call = call;
    this.startedAtMs = startedAtMs;
    this.folder = folder;
    this.#log = deps.log.child({ tenantId: call.tenantId, callId: call.callId });
    this.#metricsAtMs = deps.clock.monotonicMs();
    this.lastHeardAtMs = this.#metricsAtMs;
    this.#recorder = new CallRecorder({
      tenantId: call.tenantId,
      callId: call.callId,
      folder,
      budget: deps.budget,
      maxRecordingMs: deps.settings.maxRecordingMs,
      objectStore: deps.objectStore,
      onFailure: (error) => this.#log.error({ err: error }, "the spool cannot be written; the call's recording has a gap"),
    });
  }

  /** Makes the spool folder; announces the call on the ledger. */
  async open(): Promise<void> {
    await this.#recorder.open();
    await this.#save();
    if (!this.restored) this.#deps.publisher.stage(this.call, "transcript", "running", this.#deps.clock.now());
  }

  setLegs(legs: readonly LegRole[]): void {
    for (const { index, speaker } of legs) {
      const at = this.#roles.findIndex((role) => role.index === index);
      if (at >= 0) this.#roles[at] = { index, speaker };
      else this.#roles.push({ index, speaker });
    }
    this.#sides = sidesOf(this.#roles);
  }

  /** Takes up where an earlier process stopped. */
  restore(saved: SavedCall): void {
    this.restored = true;
    this.ended = saved.ended;
    this.#endedAtMs = saved.endedAtMs;
    this.#restarts = saved.restarts + 1;
    this.setLegs(saved.legs);
    this.#segments = saved.segments;
    this.#failedSegments = saved.failedSegments;
    this.#metricsCount = saved.metricsCount;
    this.#recording = saved.streams.length > 0;
    for (const stream of saved.streams) {
      const state = this.#leg(stream.index, stream.settledToMs);
      if (state === undefined) continue;
      state.words = stream.words;
      state.speech.bounds.push(...stream.speech);
    }
  }

  /** Takes one chunk of one leg. `partition` and `offset` say where it lies in the log. */
  accept(chunk: MediaChunkView, partition: number, offset: number): void {
    if (this.#finished) {
      this.#deps.metrics.chunks.inc({ outcome: "after_end" });
      return;
    }
    const state = this.#leg(chunk.leg, 0);
    if (state === undefined) {
      this.#deps.metrics.chunks.inc({ outcome: "too_many_legs" });
      return;
    }
    const lostBefore = state.pipeline.lostMs;
    const outcome = state.pipeline.accept(chunk);
    this.#deps.metrics.chunks.inc({ outcome });
    if (outcome !== "taken") return;
    if (state.pipeline.lostMs > lostBefore) this.#deps.metrics.lost.inc((state.pipeline.lostMs - lostBefore) / 1000);
    state.marks.mark((chunk.position * 1000) / chunk.sampleRate, partition, offset);
    this.lastHeardAtMs = this.#deps.clock.monotonicMs();
    if (!this.#recording) {
      this.#recording = true;
      this.#deps.publisher.stage(this.call, "record", "running", this.#deps.clock.now());
    }
  }

  /** Publishes the call's audio until then (Unix ms), bounded by the longest lease. */
  listen(untilMs: number): void {
    const now = this.#deps.clock.now();
    this.#listenUntilMs = Math.min(untilMs, now + this.#deps.settings.listenLeaseMs);
    if (this.#listenUntilMs <= now) this.#tap = undefined;
  }

  /** Ten times a second. */
  tick(monotonicMs: number): void {
    for (const state of this.#legs.values()) {
      state.pipeline.tick(monotonicMs);
      if (state.heldPartial !== undefined && monotonicMs - state.partialAtMs >= partialSpacingMs)
        this.#publishPartial(state, state.heldPartial);
    }
    if (this.#tap !== undefined && this.#deps.clock.now() >= this.#listenUntilMs) this.#tap = undefined;
    if (monotonicMs - this.#metricsAtMs >= this.#deps.settings.metricsIntervalMs) {
      this.#metricsAtMs = monotonicMs;
      this.#publishMetrics(false);
      void this.#save();
    }
  }

  /** The call has ended (Unix ms): remembered on disk, so that a crash from here on still finishes it. */
  async markEnded(endedAtMs: number): Promise<void> {
    this.ended = true;
    this.#endedAtMs = endedAtMs;
    await this.#save();
  }

  /** Last words, final metrics, recording, ledger. Bounded by EARSHOT_CALL_END_DEADLINE_MS; never throws. */
  async finish(): Promise<void> {
    const { clock, settings, publisher, metrics } = this.#deps;
    const allSaid = Promise.all([...this.#legs.values()].map((state) => state.pipeline.end())).then(() => true);
    let cancel = (): void => {};
    const deadline = new Promise<boolean>((resolve) => (cancel = clock.after(settings.callEndDeadlineMs, () => resolve(false))));
    const inTime = await Promise.race([allSaid, deadline]);
    cancel();
    this.#finished = true;
    for (const state of this.#legs.values()) state.pipeline.close();
    for (const index of this.#legs.keys()) this.#deps.recogniser.legEnded(this.call.callId, index);
    await this.#saving;
    if (!(await this.#alreadyStored())) {
      this.#publishMetrics(true);
      const { id: engine } = this.#deps.recogniser;
      const facts = { inTime, engine, segments: this.#segments, failed: this.#failedSegments, lastFailure: this.#lastFailure };
      this.#close("transcript", transcriptOutcome(facts));
      await this.#storeRecording();
    }
    metrics.sessions.dec();
    await publisher.flush().catch((error: unknown) => this.#log.error({ err: error }, "the last events of a call could not be flushed"));
  }

  /** Ends the legs and leaves the call to the next start. */
  async suspend(deadlineMs: number): Promise<void> {
    let cancel = (): void => {};
    const deadline = new Promise<void>((resolve) => (cancel = this.#deps.clock.after(Math.max(1, deadlineMs), resolve)));
    await Promise.race([Promise.all([...this.#legs.values()].map((state) => state.pipeline.end())), deadline]);
    cancel();
    this.#finished = true;
    for (const state of this.#legs.values()) state.pipeline.close();
    for (const index of this.#legs.keys()) this.#deps.recogniser.legEnded(this.call.callId, index);
    await this.#recorder.suspend();
    await this.#saving;
    await saveCall(this.folder, this.snapshot()).catch((error: unknown) =>
      this.#log.error({ err: error }, "the state of a call cannot be written to the spool"),
    );
    this.#deps.metrics.sessions.dec();
  }

  audio(leg: LegPipeline, pcm: Int16Array, length: number, position: number): void {
    this.#recorder.write(leg.index, leg.storeRate, pcm, length, position);
    if (this.#listenUntilMs === 0 || this.#deps.clock.now() >= this.#listenUntilMs) return;
    this.#tap ??= new ListenTap(leg.storeRate > 8000 ? 16000 : 8000, (positionMs, sampleRate, chunk) =>
      this.#deps.publisher.emit(
        "listen.v1",
        this.call,
        `${this.call.callId}-listen-${positionMs}`,
        this.#deps.clock.now(),
        { case: "listenChunk", value: { positionMs, sampleRate, pcm: chunk } },
        true,
      ),
    );
    const { separate, caller } = this.#sides;
    this.#tap.write(separate ? (caller.includes(leg.index) ? 1 : 0) : 2, pcm, length, position, leg.storeRate);
  }

  speech(leg: LegPipeline, fromMs: number, toMs: number): void {
    this.#legs.get(leg.index)?.speech.add(fromMs, toMs);
  }

  partial(leg: LegPipeline, info: UtteranceInfo, text: string, words: readonly RecognisedWord[]): void {
    const state = this.#legs.get(leg.index);
    if (state === undefined || text === "" || this.#finished) return;
    const publish = (): void => {
      info.revision++;
      this.#emitSegment(leg, info, {
        text,
        words,
        final: false,
        engine: this.#deps.recogniser.id,
        engineVersion: this.#deps.recogniser.version,
      });
    };
    if (this.#deps.clock.monotonicMs() - state.partialAtMs >= partialSpacingMs) this.#publishPartial(state, publish);
    else state.heldPartial = publish;
  }

  final(leg: LegPipeline, info: UtteranceInfo, result: UtteranceResult): void {
    const state = this.#legs.get(leg.index);
    if (state !== undefined) state.heldPartial = undefined;
    // Words that come after the call was closed are still published: late is better than lost.
    info.revision++;
    const { metrics, clock, settings, recogniser } = this.#deps;
    if ("error" in result) {
      this.#failedSegments++;
      this.#lastFailure = { detail: result.error.message, remedy: result.error.remedy };
      metrics.utterances.inc({ outcome: result.error.code });
      if (recogniser.id === "none") return;
      this.#log.warn({ leg: leg.index, code: result.error.code, category: result.error.category }, "an utterance was not recognised");
      const { id: engine, version: engineVersion } = recogniser;
      this.#emitSegment(leg, info, {
        text: "",
        words: [],
        final: true,
        engine,
        engineVersion,
        error: `${result.error.code}: ${result.error.message}`,
      });
      return;
    }
    const { recognition } = result;
    if (recognition.text.trim() === "") {
      metrics.utterances.inc({ outcome: "no_words" });
      // A partial may stand on the screen: an empty final takes it away.
      if (info.revision > this.#restarts * revisionsPerRun + 1) this.#emitSegment(leg, info, { ...recognition, final: true });
    } else {
      this.#segments++;
      metrics.utterances.inc({ outcome: "recognised" });
      if (state !== undefined)
        state.words += recognition.words.length > 0 ? recognition.words.length : recognition.text.trim().split(/\s+/).length;
      this.#emitSegment(leg, info, { ...recognition, final: true });
      if (info.lastVoicedAtMs > 0) metrics.wordsLatency.observe(Math.max(0, clock.now() - info.lastVoicedAtMs - settings.endpointPauseMs));
    }
    void this.#save(true);
  }

  #publishPartial(state: LegState, publish: () => void): void {
    state.heldPartial = undefined;
    state.partialAtMs = this.#deps.clock.monotonicMs();
    publish();
  }

  #emitSegment(leg: LegPipeline, info: UtteranceInfo, said: Said): void {
    const { publisher, clock, hints } = this.#deps;
    const speaker = this.#roles.find((role) => role.index === leg.index)?.speaker ?? Speaker.UNSPECIFIED;
    const { id, payload } = segmentEvent(this.call.callId, leg.index, speaker, info, said, hints(this.call.tenantId).language);
    publisher.emit("transcripts.v1", this.call, id, clock.now(), payload, !said.final);
  }

  #leg(index: number, transcribedToMs: number): LegState | undefined {
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
        transcribedToMs,
        firstRevision: this.#restarts * revisionsPerRun,
      }),
      speech: new SpeechIntervals(),
      marks: new ReplayMarks(),
      words: 0,
      partialAtMs: Number.NEGATIVE_INFINITY,
      heldPartial: undefined,
    };
    this.#legs.set(index, state);
    if (!this.#roles.some((role) => role.index === index)) this.setLegs([{ index, speaker: Speaker.UNSPECIFIED }]);
    return state;
  }

  #side(indices: readonly number[]): { bounds: readonly number[]; words: number } {
    const states = indices.map((index) => this.#legs.get(index)).filter((state) => state !== undefined);
    const words = states.reduce((sum, state) => sum + state.words, 0);
    if (states.length === 1) return { bounds: states[0]!.speech.bounds, words };
    const joined = new SpeechIntervals();
    for (const { speech } of states) {
      for (let i = 0; i < speech.bounds.length; i += 2) joined.add(speech.bounds[i]!, speech.bounds[i + 1]!);
    }
    return { bounds: joined.bounds, words };
  }

  #publishMetrics(final: boolean): void {
    const { clock, settings, publisher } = this.#deps;
    const now = clock.now();
    let durationMs = 0;
    for (const { pipeline, speech } of this.#legs.values())
      durationMs = Math.max(durationMs, pipeline.positionMs, speech.bounds.at(-1) ?? 0);
    if (this.#endedAtMs > this.startedAtMs) durationMs = Math.max(durationMs, this.#endedAtMs - this.startedAtMs);
    else if (clock.monotonicMs() - this.lastHeardAtMs > 2000) durationMs = Math.max(durationMs, now - this.startedAtMs);
    const agent = this.#side(this.#sides.agent);
    const caller = this.#side(this.#sides.caller);
    const value = measureConversation({
      agent: agent.bounds,
      caller: caller.bounds,
      separate: this.#sides.separate,
      durationMs,
      silenceThresholdMs: settings.silenceThresholdMs,
      overtalkThresholdMs: settings.overtalkThresholdMs,
      agentWords: agent.words,
      callerWords: caller.words,
    });
    for (const name of wholeNumbers) value[name] = Math.round(value[name]);
    this.#metricsCount++;
    publisher.emit("conversation.v1", this.call, `${this.call.callId}-conversation-${final ? "final" : this.#metricsCount}`, now, {
      case: "conversationMetrics",
      value: { final, ...value },
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

  async #storeRecording(): Promise<void> {
    const { publisher, clock, metrics } = this.#deps;
    try {
      const stored = await this.#recorder.finish(this.#roles);
      if (stored !== undefined) {
        publisher.emit("recordings.v1", this.call, `${this.call.callId}-recording`, clock.now(), {
          case: "recordingStored",
          value: stored,
        });
      }
      const closed = recordOutcome(stored?.bytes, this.#recorder.omittedMs, this.#recorder.failure !== undefined);
      this.#close("record", closed);
      metrics.recordings.inc({ outcome: closed.outcome });
    } catch (error) {
      this.#log.error({ err: error }, "the recording could not be stored; its audio stays in the spool until the next start");
      this.#close("record", recordKept);
      metrics.recordings.inc({ outcome: "kept" });
    }
  }

  /** Writes what a restart needs; at most once a second, except at final words and at the call's end. */
  #save(atOnce = false): Promise<void> {
    const now = this.#deps.clock.monotonicMs();
    if (this.#finished || (!atOnce && !this.ended && now - this.#savedAtMs < leastSaveSpacingMs && this.#savedAtMs > 0))
      return this.#saving;
    this.#savedAtMs = now;
    this.#saving = this.#saving.then(() =>
      saveCall(this.folder, this.snapshot()).catch((error: unknown) => {
        this.#log.error({ err: error }, "the state of a call cannot be written to the spool");
      }),
    );
    return this.#saving;
  }

  /** What a restart needs of this call. */
  snapshot(): SavedCall {
    return {
      version: 1,
      tenantId: this.call.tenantId,
      callId: this.call.callId,
      traceparent: this.call.traceparent,
      startedAtMs: this.startedAtMs,
      legs: this.#roles.map(({ index, speaker }) => ({ index, speaker })),
      segments: this.#segments,
      failedSegments: this.#failedSegments,
      metricsCount: this.#metricsCount,
      ended: this.ended,
      endedAtMs: this.#endedAtMs,
      restarts: this.#restarts,
      streams: [...this.#legs.values()].map(({ pipeline, speech, marks, words }) => {
        const settledToMs = Math.max(0, pipeline.settledToMs);
        const safeToMs = Math.min(settledToMs, this.#recorder.writtenToMs(pipeline.index));
        return {
          index: pipeline.index,
          settledToMs,
          replayOffset: marks.before(safeToMs),
          partition: marks.partition,
          speech: speech.bounds,
          words,
        };
      }),
    };
  }
}

/** Fields that travel as whole numbers. */
const wholeNumbers = [
  "durationMs",
  "agentSpeechMs",
  "callerSpeechMs",
  "silenceMs",
  "longestSilenceMs",
  "overtalkMs",
  "longestAgentMonologueMs",
  "longestCallerMonologueMs",
  "responseLatencyMs",
  "currentSilenceMs",
] as const;
