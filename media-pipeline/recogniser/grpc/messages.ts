/** The messages of earshot.recogniser.v1 and what the port calls them, in both directions; what a stranger's server sent is looked at. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { FinalResult, FinalResultSchema, PartialResult, Word } from "@earshot/proto/gen/earshot/recogniser/v1/recogniser_pb.js";
import { unreadableAnswer } from "../http-failure.ts";
import type { RecognisedWord, Recognition } from "../port.ts";

/** Of the audio, in Hz: the protocol's one rate. */
export const sampleRate = 16000;

type Heard = Omit<Recognition, "engine" | "engineVersion">;

export function readPartial({ text, words }: PartialResult): { text: string; words: RecognisedWord[] } {
  return { text: text.trim(), words: readWords(words, Number.POSITIVE_INFINITY) };
}

/**
 * @param audioMs length of the utterance: words lie within it, give or take a frame
 * @throws EarshotError unavailable where times or confidences make no sense
 */
export function readRecognition({ text, words, language, confidence }: FinalResult, audioMs: number): Heard {
  return {
    text: text.trim(),
    words: readWords(words, audioMs),
    ...(language === "" ? {} : { language }),
    ...readConfidence(confidence),
  };
}

export function writeRecognition({ text, words, language, confidence }: Heard): MessageInitShape<typeof FinalResultSchema> {
  return { text, words: words.map((word) => ({ ...word })), language: language ?? "", ...(confidence === undefined ? {} : { confidence }) };
}

function readWords(words: readonly Word[], audioMs: number): RecognisedWord[] {
  let before = 0;
  return words.map(({ text, startMs, endMs, confidence }) => {
    if (!(startMs >= before && endMs >= startMs && startMs <= audioMs)) throw unreadableAnswer("grpc");
    before = startMs;
    return { text, startMs, endMs: Math.min(endMs, audioMs), ...readConfidence(confidence) };
  });
}

function readConfidence(confidence: number | undefined): { confidence?: number } {
  if (confidence === undefined) return {};
  if (!(confidence >= 0 && confidence <= 1)) throw unreadableAnswer("grpc");
  return { confidence };
}
