/** What both OpenAI engines know of the server: its address, and how its failures map to categories. */
import type { EarshotError } from "@earshot/proto/errors.ts";
import { APIConnectionError, APIError } from "openai";
import { httpFailure, unreadableAnswer } from "../http-failure.ts";
import type { RecogniserSettings } from "../settings.ts";

export const openaiBaseUrl = (settings: RecogniserSettings) => settings.openaiBaseUrl || "https://api.openai.com/v1";

/** A compatible server on one's own machines needs no key, but the client insists on one. */
export const openaiKey = (settings: RecogniserSettings) => settings.openaiApiKey || "none";

/** gpt models answer `json` only; Whisper and the compatible servers give words with times in `verbose_json`. */
export const givesWords = (model: string) => !model.startsWith("gpt-");

/** @param error what the `openai` client threw */
export function openaiFailure(engine: string, error: unknown, nowMs: number): EarshotError {
  if (error instanceof APIConnectionError) return httpFailure(engine, { cause: error }, nowMs);
  if (error instanceof APIError && error.status !== undefined)
    return httpFailure(
      engine,
      { status: error.status, code: error.code, retryAfter: error.headers?.get("retry-after"), cause: withoutBody(error) },
      nowMs,
    );
  return unreadableAnswer(engine, error instanceof Error ? withoutBody(error) : undefined);
}

/** The name only: a server's message may repeat what was said. */
const withoutBody = (error: Error) => new Error(error.name);
