/** What of a call's legs must outlive the worker, and from where in the log their audio is to be heard again. */
import type { LegPipeline } from "../leg/leg-pipeline.ts";
import type { CallRecorder } from "../recording/call-recorder.ts";
import { deltas, type LegCheckpoint } from "./call-state.ts";
import type { CallTranscript } from "./call-transcript.ts";
import type { ReplayMarks } from "./replay-marks.ts";
import type { SpeechIntervals } from "./speech-intervals.ts";

export type LegState = { readonly pipeline: LegPipeline; readonly speech: SpeechIntervals; readonly marks: ReplayMarks };

/** Audio heard again before what is new: decoders, filters and the speech detector are warm then. */
const warmUpMs = 1000;
/** Less than two windows of the speech detector: what is left over when a stream stops. */
const unjudgedMs = 64;

/** @returns `replayFrom`: offset of media.v1; undefined = nothing of what came needs to be heard again */
export function checkpointLegs(
  legs: ReadonlyMap<number, LegState>,
  recorder: CallRecorder,
  transcript: CallTranscript,
): { streams: LegCheckpoint[]; replayFrom: number | undefined } {
  let replayFrom: number | undefined;
  const streams = [...legs].map(([leg, { pipeline, speech, marks }]): LegCheckpoint => {
    const { positionMs } = pipeline;
    const recordedToMs = recorder.safeToMs(leg);
    const settledToMs = Math.max(0, pipeline.settledToMs);
    const mark = marks.before(Math.min(settledToMs, recordedToMs) - warmUpMs);
    // A leg that stands still and is kept whole needs nothing again, however long ago its last audio came.
    const isWhole = pipeline.paused && settledToMs >= positionMs - unjudgedMs && recordedToMs >= positionMs;
    if (mark !== undefined && !isWhole) replayFrom = Math.min(replayFrom ?? mark.offset, mark.offset);
    return {
      $typeName: "earshot.v1.LegCheckpoint",
      leg,
      storeRate: pipeline.storeRate,
      settledToMs,
      recordedToMs,
      speech: deltas(speech.bounds),
      finals: deltas(transcript.finalsFrom(leg, settledToMs)),
      words: transcript.words(leg),
      noiseFloorDb: mark?.noiseFloorDb ?? pipeline.noiseFloorDb,
      begun: pipeline.begun.flatMap(({ startMs, revision }) => [startMs, revision]),
    };
  });
  return { streams, replayFrom };
}
