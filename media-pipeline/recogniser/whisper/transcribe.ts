/** What the whisper worker thread does with one utterance, apart from the model itself. */
import type { RecognisedWord, Recognition } from "../port.ts";

/** The `automatic-speech-recognition` pipeline of transformers.js, as far as it is used. */
export type SpeechPipeline = (
  audio: Float32Array,
  options: { return_timestamps: "word" | boolean; language?: string; task?: "transcribe"; chunk_length_s: number },
) => Promise<unknown>;

/** Whisper hears at most this much at once. */
const windowSeconds = 30;

/**
 * @param wordTimes the model was exported with cross attentions, from which word times are read
 * @throws Error where the pipeline answers something that is no transcription
 */
export async function transcribe(
  speech: SpeechPipeline,
  pcm: Int16Array,
  language: string,
  wordTimes: boolean,
): Promise<Pick<Recognition, "text" | "words">> {
  const audio = new Float32Array(pcm.length);
  for (let i = 0; i < pcm.length; i++) audio[i] = pcm[i]! / 32768;
  const given = (await speech(audio, {
    return_timestamps: wordTimes ? "word" : false,
    chunk_length_s: windowSeconds,
    ...(language === "" ? {} : { language: language.split("-")[0]!.toLowerCase(), task: "transcribe" as const }),
  })) as { text?: unknown; chunks?: unknown };
  if (typeof given?.text !== "string") throw new Error("the model gave no text");
  const lengthMs = pcm.length / 16;
  const words: RecognisedWord[] = [];
  if (wordTimes && Array.isArray(given.chunks))
    for (const chunk of given.chunks as { text?: unknown; timestamp?: unknown }[]) {
      const [start, end] = Array.isArray(chunk.timestamp) ? (chunk.timestamp as unknown[]) : [];
      if (typeof chunk.text !== "string" || typeof start !== "number") continue;
      // The last word's end is null where speech runs to the end.
      words.push({ text: chunk.text.trim(), startMs: start * 1000, endMs: typeof end === "number" ? end * 1000 : lengthMs });
    }
  return { text: given.text.trim(), words };
}
