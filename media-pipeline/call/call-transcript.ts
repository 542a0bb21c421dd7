/** The words of one call on their way out: partials at a bearable pace, one final per utterance, and what the ledger will say of them. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import type { CallContext, Publisher } from "../events/publisher.ts";
import type { UtteranceInfo } from "../leg/leg-sink.ts";
import type { BegunSegment } from "../leg/published-speech.ts";
import type { UtteranceResult } from "../leg/utterance-run.ts";
import type { RecognisedWord, Recogniser } from "../recogniser/port.ts";
import type { MediaPipelineSettings } from "../settings.ts";
import { wordCount } from "./call-state.ts";
import type { StageOutcome } from "./ledger-outcomes.ts";
import { transcriptOutcome } from "./ledger-outcomes.ts";
import type { PipelineMetrics } from "./pipeline-metrics.ts";
import { type Said, segmentEvent } from "./segment-event.ts";
import type { LegRole } from "./sides.ts";

export type TranscriptDeps = {
  readonly settings: MediaPipelineSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: PipelineMetrics;
  readonly publisher: Publisher;
  readonly recogniser: Recogniser;
  hints(tenant: CallContext["tenantId"]): { readonly language: string };
};

/** Partials of one utterance are not published more often than this. */
const partialSpacingMs = 200;

type LegWords = {
  words: number;
  partialAtMs: number;
  heldPartial: (() => void) | undefined;
  /** Segments that are final, [start, end]; those before the leg's settled place are forgotten. */
  finals: [number, number][];
};

export class CallTranscript {
  readonly #deps: TranscriptDeps;
  readonly #call: CallContext;
  readonly #roles: () => readonly LegRole[];
  readonly #legs = new Map<number, LegWords>();
  #lastFailure = { detail: "", remedy: "" };
  segments = 0;
  failed = 0;
  /** Finals of which it is not known yet that the log has them. */
  unsafe = 0;

  /** @param log the call's */
  constructor(deps: TranscriptDeps, call: CallContext, roles: () => readonly LegRole[]) {
    this.#deps = deps;
    this.#call = call;
    this.#roles = roles;
  }

  restore(leg: number, words: number, finals: readonly number[]): void {
    const state = this.#leg(leg);
    state.words = words;
    for (let i = 0; i < finals.length; i += 2) state.finals.push([finals[i]!, finals[i + 1]!]);
  }

  words(leg: number): number {
    return this.#legs.get(leg)?.words ?? 0;
  }

  /** Final segments that begin at `settledToMs` or later: start and end in turn. */
  finalsFrom(leg: number, settledToMs: number): number[] {
    const state = this.#leg(leg);
    state.finals = state.finals.filter(([startMs]) => startMs >= settledToMs).sort((a, b) => a[0] - b[0]);
    return state.finals.flat();
  }

  tick(monotonicMs: number): void {
    for (const state of this.#legs.values())
      if (state.heldPartial !== undefined && monotonicMs - state.partialAtMs >= partialSpacingMs) this.#publish(state, state.heldPartial);
  }

  partial(leg: number, info: UtteranceInfo, text: string, words: readonly RecognisedWord[]): void {
    if (text === "") return;
    const state = this.#leg(leg);
    const { recogniser, clock } = this.#deps;
    const publish = (): void => {
      info.revision++;
      info.shown = true;
      this.#emit(leg, info, { text, words, final: false, engine: recogniser.id, engineVersion: recogniser.version });
    };
    if (clock.monotonicMs() - state.partialAtMs >= partialSpacingMs) this.#publish(state, publish);
    else state.heldPartial = publish;
  }

  /** Words that come after the call was closed are still published: late is better than lost. */
  final(leg: number, info: UtteranceInfo, result: UtteranceResult): void {
    const state = this.#leg(leg);
    state.heldPartial = undefined;
    state.finals.push([Math.round(info.startMs), Math.max(Math.round(info.startMs) + 1, Math.round(info.endMs))]);
    this.unsafe++;
    info.revision++;
    const { metrics, clock, settings, recogniser, log } = this.#deps;
    if ("error" in result) {
      const { error } = result;
      this.failed++;
      this.#lastFailure = { detail: error.message, remedy: error.remedy };
      metrics.utterances.inc({ outcome: error.code });
      if (recogniser.id === "none") return;
      log.warn({ leg, code: error.code, category: error.category }, "an utterance was not recognised");
      const { id: engine, version: engineVersion } = recogniser;
      this.#emit(leg, info, { text: "", words: [], final: true, engine, engineVersion, error: `${error.code}: ${error.message}` });
      return;
    }
    const { recognition } = result;
    if (recognition.text.trim() === "") {
      metrics.utterances.inc({ outcome: "no_words" });
      // A partial stands on the screen: an empty final takes it away.
      if (info.shown) this.#emit(leg, info, { ...recognition, final: true });
      return;
    }
    this.segments++;
    metrics.utterances.inc({ outcome: "recognised" });
    state.words += wordCount(recognition.text, recognition.words);
    this.#emit(leg, info, { ...recognition, final: true });
    if (info.lastVoicedAtMs > 0) metrics.wordsLatency.observe(Math.max(0, clock.now() - info.lastVoicedAtMs - settings.endpointPauseMs));
  }

  /** Takes a partial away whose speech was not found again after a hand-over. */
  vanished(leg: number, { startMs, revision }: BegunSegment): void {
    const { id: engine, version: engineVersion } = this.#deps.recogniser;
    const info = { startMs, endMs: startMs, feedStartMs: startMs, lostMs: 0, lastVoicedAtMs: 0, revision: revision + 1, shown: true };
    this.#emit(leg, info, { text: "", words: [], final: true, engine, engineVersion });
  }

  outcome(inTime: boolean): StageOutcome {
    const { id: engine } = this.#deps.recogniser;
    return transcriptOutcome({ inTime, engine, segments: this.segments, failed: this.failed, lastFailure: this.#lastFailure });
  }

  #leg(index: number): LegWords {
    let state = this.#legs.get(index);
    if (state === undefined) {
      state = { words: 0, partialAtMs: Number.NEGATIVE_INFINITY, heldPartial: undefined, finals: [] };
      this.#legs.set(index, state);
    }
    return state;
  }

  #publish(state: LegWords, publish: () => void): void {
    state.heldPartial = undefined;
    state.partialAtMs = this.#deps.clock.monotonicMs();
    publish();
  }

  #emit(leg: number, info: UtteranceInfo, said: Said): void {
    const { publisher, clock, hints } = this.#deps;
    const speaker = this.#roles().find((role) => role.index === leg)?.speaker ?? Speaker.UNSPECIFIED;
    const { id, payload } = segmentEvent(this.#call.callId, leg, speaker, info, said, hints(this.#call.tenantId).language);
    publisher.emit("transcripts.v1", this.#call, id, clock.now(), payload, !said.final);
  }
}
