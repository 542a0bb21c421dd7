/** OpenAI's transcription endpoint, or any server that speaks it: one WAV upload per utterance. */

import { z } from "@earshot/platform/config/settings.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import OpenAI, { toFile } from "openai";
import type { EngineDeps } from "../engine.ts";
import { unreadableAnswer } from "../http-failure.ts";
import { primaryTag } from "../language.ts";
import type { RecognisedWord, Recogniser } from "../port.ts";
import { wavOf } from "../wav.ts";
import { wholeUtteranceRecogniser } from "../whole-utterance.ts";
import { givesWords, openaiBaseUrl, openaiFailure, openaiKey } from "./client.ts";

const sampleRate = 16000;

/** Servers differ in what they add; only the text is certain. */
const answer = z.object({
  text: z.string(),
  language: z.string().optional(),
  words: z.array(z.object({ word: z.string(), start: z.number(), end: z.number() })).nullish(),
  segments: z.array(z.object({ avg_logprob: z.number().optional() })).nullish(),
});

export function openaiRecogniser(deps: EngineDeps): Recogniser {
  const { settings, clock } = deps;
  const model = settings.openaiModel;
  const id = "openai";
  const client = new OpenAI({
    apiKey: openaiKey(settings),
    baseURL: openaiBaseUrl(settings),
    // Retries are ours: by category, within the utterance's time.
    maxRetries: 0,
    timeout: settings.utteranceTimeoutMs,
    organization: null,
    project: null,
  });
  const words = givesWords(model);
  return wholeUtteranceRecogniser(
    {
      id,
      version: model,
      capabilities: { words, languages: "any", sampleRate, vocabulary: true },
      concurrency: settings.remoteConcurrency,
      waiting: settings.remoteWaiting,
      limitEnv: "EARSHOT_ASR_REMOTE_CONCURRENCY or EARSHOT_ASR_REMOTE_WAITING",
      audioMs: settings.utteranceAudioMs,
      timeoutMs: settings.utteranceTimeoutMs,
      retries: settings.remoteRetries,
      async transcribe(pcm, options, signal) {
        let given: unknown;
        try {
          given = await client.audio.transcriptions.create(
            {
              file: await toFile(wavOf(pcm, sampleRate), "utterance.wav", { type: "audio/wav" }),
              model,
              ...(options.language === "" ? {} : { language: primaryTag(options.language) }),
              ...hints(model, options.vocabulary),
              ...(words
                ? { response_format: "verbose_json" as const, timestamp_granularities: ["word" as const] }
                : { response_format: "json" as const }),
            },
            { signal },
          );
        } catch (error) {
          if (error instanceof EarshotError) throw error;
          throw openaiFailure(id, error, clock.now());
        }
        const read = answer.safeParse(given);
        if (!read.success) throw unreadableAnswer(id);
        return {
          text: read.data.text.trim(),
          words: (read.data.words ?? []).map(
            (word): RecognisedWord => ({ text: word.word.trim(), startMs: word.start * 1000, endMs: word.end * 1000 }),
          ),
          ...(read.data.language === undefined ? {} : { language: read.data.language }),
          ...confidenceOf(read.data.segments ?? []),
        };
      },
    },
    clock,
    deps.metrics,
  );
}

/** Names the speakers may say: `keywords` for gpt-transcribe, otherwise the prompt. */
function hints(model: string, vocabulary: readonly string[]): { keywords?: string[]; prompt?: string } {
  if (vocabulary.length === 0) return {};
  return model.startsWith("gpt-transcribe") ? { keywords: [...vocabulary] } : { prompt: vocabulary.join(", ") };
}

function confidenceOf(segments: readonly { avg_logprob?: number | undefined }[]): { confidence?: number } {
  const known = segments.flatMap((segment) => (segment.avg_logprob === undefined ? [] : [segment.avg_logprob]));
  if (known.length === 0) return {};
  return { confidence: Math.min(1, Math.exp(known.reduce((sum, value) => sum + value, 0) / known.length)) };
}
