/** The TranscriptSegment of an utterance: places and words on the call's clock. */
import type { EventInit } from "@earshot/proto/event.ts";
import type { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { type CallId, segmentId } from "@earshot/proto/ids.ts";
import type { UtteranceInfo } from "../leg/leg-sink.ts";
import type { RecognisedWord } from "../recogniser/port.ts";

export type Said = {
  readonly text: string;
  readonly words: readonly RecognisedWord[];
  readonly final: boolean;
  readonly engine: string;
  readonly engineVersion: string;
  readonly language?: string;
  readonly confidence?: number;
  readonly error?: string;
};

/** @returns the event's own id, which each revision has, and its payload */
export function segmentEvent(
  call: CallId,
  leg: number,
  speaker: Speaker,
  info: UtteranceInfo,
  said: Said,
  language: string,
): { id: string; payload: EventInit["payload"] } {
  const startMs = Math.round(info.startMs);
  const feedStartMs = Math.round(info.feedStartMs);
  const id = segmentId(call, leg, startMs);
  return {
    id: `${id}-r${info.revision}${said.final ? "-final" : ""}`,
    payload: {
      case: "transcriptSegment",
      value: {
        segmentId: id,
        leg,
        startMs,
        endMs: Math.round(info.endMs),
        text: said.text,
        words: said.words.map((word) => ({
          text: word.text,
          startMs: Math.max(0, Math.round(feedStartMs + word.startMs)),
          endMs: Math.max(0, Math.round(feedStartMs + word.endMs)),
          confidence: word.confidence ?? -1,
        })),
        final: said.final,
        revision: info.revision,
        engine: said.engine,
        engineVersion: said.engineVersion,
        language: said.language ?? language,
        confidence: said.confidence ?? -1,
        lostMs: Math.round(info.lostMs),
        lastVoicedAtMs: info.lastVoicedAtMs,
        error: said.error ?? "",
        speaker,
      },
    },
  };
}
