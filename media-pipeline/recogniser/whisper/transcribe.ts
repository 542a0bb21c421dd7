/** What the whisper worker thread does with one utterance, apart from the model itself. */
import { primaryTag } from "../language.ts";
import type { RecognisedWord, Recognition } from "../port.ts";
import type { WhisperAbilities } from "./model.ts";

/** The `automatic-speech-recognition` pipeline of transformers.js, as far as it is used. */
export type SpeechPipeline = (
  audio: Float32Array,
  options: { return_timestamps: "word" | boolean; language?: string; task?: "transcribe"; chunk_length_s: number },
) => Promise<unknown>;

/** Whisper hears at most this much at once. */
const windowSeconds = 30;

/**
 * @param language BCP 47, one of the model's; "" = English: transformers.js finds out none by itself
 * @throws Error where the pipeline answers something that is no transcription
 */
export async function transcribe(
  speech: SpeechPipeline,
  pcm: Int16Array,
  language: string,
  { wordTimes, languages }: WhisperAbilities,
): Promise<Pick<Recognition, "text" | "words">> {
  const audio = new Float32Array(pcm.length);
  for (let i = 0; i < pcm.length; i++) audio[i] = pcm[i]! / 32768;
  const options = {
    return_timestamps: wordTimes ? "word" : false,
    chunk_length_s: windowSeconds,
    ...(languages === undefined ? {} : { language: primaryTag(language) || "en", task: "transcribe" as const }),
  } as const;
  let given: { text?: unknown; chunks?: unknown };
  try {
    given = (await speech(audio, options)) as typeof given;
  } catch (error) {
    // transformers.js' way to say that there is nothing between two times.
    if (String(error).includes("token_ids must be a non-empty array")) return { text: "", words: [] };
    throw error;
  }
  if (typeof given?.text !== "string") throw new Error("the model gave no text");
  const lengthMs = pcm.length / 16;
  const words: RecognisedWord[] = [];
  if (wordTimes && Array.isArray(given.chunks))
    for (const chunk of given.chunks as { text?: unknown; timestamp?: unknown }[]) {
      const [start, end] = Array.isArray(chunk.timestamp) ? (chunk.timestamp as unknown[]) : [];
      if (typeof chunk.text !== "string" || typeof start !== "number") continue;
      // The last word's end is null where speech runs to the end.
      const endMs = typeof end === "number" ? end * 1000 : lengthMs;
      // What the model made up can lie behind the audio, in the silence that fills its window.
      words.push({ text: chunk.text.trim(), startMs: Math.min(start * 1000, lengthMs), endMs: Math.min(endMs, lengthMs) });
    }
  return { text: given.text.trim(), words };
}
