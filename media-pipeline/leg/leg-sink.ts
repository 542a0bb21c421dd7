/** What a leg tells of itself: decoded audio, speech, and the words of its utterances. */
import type { RecognisedWord } from "../recogniser/port.ts";
import type { BegunSegment } from "./published-speech.ts";
import type { UtteranceResult } from "./utterance-run.ts";

export type UtteranceInfo = {
  /** First voiced sample, milliseconds from the start of the call. */
  readonly startMs: number;
  endMs: number;
  /** Where the audio given to the recogniser begins; the engine's word times count from here. */
  readonly feedStartMs: number;
  lostMs: number;
  lastVoicedAtMs: number;
  /** Of the segment's events; counts up. */
  revision: number;
  /** A partial of it is out. */
  shown: boolean;
};

/** Every method's `leg` is the leg's index in its call. */
export interface LegSink {
  /** Decoded audio, in order; `position` in samples at `storeRate` from the start of the call. Valid during the call only. */
  audio(leg: number, storeRate: number, pcm: Int16Array, length: number, position: number): void;
  /** Speech of an utterance, growing; called per voiced window. */
  speech(leg: number, fromMs: number, toMs: number): void;
  partial(leg: number, info: UtteranceInfo, text: string, words: readonly RecognisedWord[]): void;
  /** Exactly once per utterance. */
  final(leg: number, info: UtteranceInfo, result: UtteranceResult): void;
  /** Speech whose partials are out was not found again after a hand-over. */
  vanished(leg: number, segment: BegunSegment): void;
}
