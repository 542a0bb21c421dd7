/** Whisper (or another speech model) at Hugging Face or on a dedicated inference endpoint: one WAV upload per utterance. */
import { z } from "@earshot/platform/config/settings.ts";
import { automaticSpeechRecognition, InferenceClientProviderApiError } from "@huggingface/inference";
import type { EngineDeps } from "../engine.ts";
import { httpFailure, unreadableAnswer } from "../http-failure.ts";
import type { RecognisedWord, Recogniser } from "../port.ts";
import { wavOf } from "../wav.ts";
import { wholeUtteranceRecogniser } from "../whole-utterance.ts";

const sampleRate = 16000;

/** Endpoints that are set to return timestamps add `chunks`. */
const answer = z.object({
  text: z.string(),
  chunks: z.array(z.object({ text: z.string(), timestamp: z.tuple([z.number(), z.number().nullable()]) })).nullish(),
});

export function huggingfaceRecogniser(deps: EngineDeps): Recogniser {
  const { settings, clock } = deps;
  const id = "huggingface";
  const model = settings.huggingfaceModel;
  return wholeUtteranceRecogniser(
    {
      id,
      version: model,
      capabilities: { words: false, languages: "any", sampleRate },
      concurrency: settings.remoteConcurrency,
      waiting: settings.remoteWaiting,
      limitEnv: "EARSHOT_ASR_REMOTE_CONCURRENCY or EARSHOT_ASR_REMOTE_WAITING",
      audioMs: settings.utteranceAudioMs,
      timeoutMs: settings.utteranceTimeoutMs,
      retries: settings.remoteRetries,
      async transcribe(pcm, _options, signal) {
        // The client hides the answer's headers, and Retry-After is one.
        let last: Response | undefined;
        const watchedFetch: typeof fetch = async (input, init) => {
          last = await fetch(input, init);
          return last;
        };
        let given: unknown;
        try {
          given = await automaticSpeechRecognition(
            {
              data: new Blob([wavOf(pcm, sampleRate)], { type: "audio/wav" }),
              model,
              ...(settings.huggingfaceToken === "" ? {} : { accessToken: settings.huggingfaceToken }),
              ...(settings.huggingfaceEndpoint === ""
                ? { provider: "hf-inference" as const }
                : { endpointUrl: settings.huggingfaceEndpoint }),
            },
            { retry_on_error: false, signal, fetch: watchedFetch },
          );
        } catch (error) {
          if (error instanceof InferenceClientProviderApiError || last?.ok === false)
            throw httpFailure(id, { status: last?.status, retryAfter: last?.headers.get("retry-after") }, clock.now());
          if (last === undefined) throw httpFailure(id, { cause: error }, clock.now());
          throw unreadableAnswer(id);
        }
        const read = answer.safeParse(given);
        if (!read.success) throw unreadableAnswer(id);
        return {
          text: read.data.text.trim(),
          words: (read.data.chunks ?? []).flatMap(({ text, timestamp }): RecognisedWord[] => {
            const single = text.trim();
            if (single === "" || single.includes(" ")) return [];
            return [{ text: single, startMs: timestamp[0] * 1000, endMs: (timestamp[1] ?? timestamp[0]) * 1000 }];
          }),
        };
      },
    },
    clock,
    deps.metrics,
  );
}
