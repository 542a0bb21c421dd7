/** The failures every engine shares, each with its one stable code. */
import { EarshotError } from "@earshot/proto/errors.ts";

export const aborted = () => new EarshotError("cancelled", "utterance_aborted", "The utterance was given up before its words were there.");

export const endedTwice = () =>
  new EarshotError("conflict", "utterance_already_ended", "end() was called a second time on one utterance, or after abort().");

export const stopped = (engine: string) =>
  new EarshotError("unavailable", "recogniser_stopped", "The speech engine was stopped before the words were there.", {
    details: { engine },
  });

export const notStarted = (engine: string) =>
  new EarshotError("unavailable", "recogniser_not_running", "The speech engine is not running.", { details: { engine } });

export const tooManyUtterances = (engine: string, limit: number, env: string) =>
  new EarshotError("rate_limited", "too_many_utterances", "The speech engine has as many utterances as it takes at once.", {
    remedy: `Raise ${env}, or give the engine more cores or a faster server.`,
    details: { engine, limit },
  });

export const utteranceTooLong = (engine: string, limitMs: number) =>
  new EarshotError("invalid_request", "utterance_too_long", "The utterance is longer than the audio kept for one; its end is missing.", {
    remedy: "Raise EARSHOT_ASR_UTTERANCE_AUDIO_MS, or cut utterances shorter.",
    details: { engine, limitMs },
  });

export const timedOut = (engine: string, timeoutMs: number) =>
  new EarshotError("timeout", "recogniser_timeout", "The speech engine gave no words in time.", {
    remedy: "Raise EARSHOT_ASR_TIMEOUT_MS, or use a faster engine.",
    details: { engine, timeoutMs },
  });

/** @param known what it does know, in words */
export const languageNotSupported = (engine: string, language: string, known: string) =>
  new EarshotError("invalid_request", "language_not_supported", `${engine} knows ${known} only.`, {
    remedy: "Use another engine for this language, such as whisper or openai.",
    details: { engine, language },
  });
