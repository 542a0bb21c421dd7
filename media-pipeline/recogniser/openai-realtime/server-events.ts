/** The server's events of a Realtime transcription session that matter here; all others are passed over. */
import { z } from "@earshot/platform/config/settings.ts";
import { EarshotError } from "@earshot/proto/errors.ts";

const fault = z.object({ type: z.string().nullish(), code: z.string().nullish() });

const serverEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("input_audio_buffer.committed"), item_id: z.string() }),
  z.object({ type: z.literal("conversation.item.input_audio_transcription.delta"), item_id: z.string(), delta: z.string() }),
  z.object({ type: z.literal("conversation.item.input_audio_transcription.completed"), item_id: z.string(), transcript: z.string() }),
  z.object({ type: z.literal("conversation.item.input_audio_transcription.failed"), item_id: z.string(), error: fault }),
  z.object({ type: z.literal("error"), error: fault }),
]);
export type ServerEvent = z.infer<typeof serverEvent>;

const anyEvent = z.object({ type: z.string() });

/** @returns undefined for an event that does not matter, "unreadable" for what is no event or lacks its fields */
export function readServerEvent(data: string): ServerEvent | undefined | "unreadable" {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return "unreadable";
  }
  const read = serverEvent.safeParse(json);
  if (read.success) return read.data;
  const type = anyEvent.safeParse(json);
  if (!type.success) return "unreadable";
  return serverEvent.options.some((option) => option.shape.type.value === type.data.type) ? "unreadable" : undefined;
}

/** An error event's category, from its stable `code` and `type`. */
export function serverFault(engine: string, given: z.infer<typeof fault>): EarshotError {
  const code = given.code ?? given.type ?? "unknown";
  const more = { details: { engine, code } };
  if (code === "insufficient_quota")
    return new EarshotError("quota", "recogniser_quota", "The account at the speech engine has no credit left.", {
      ...more,
      remedy: "Top up the account, or add a second engine to EARSHOT_ASR.",
    });
  if (code.includes("rate_limit"))
    return new EarshotError("rate_limited", "recogniser_rate_limited", "The speech engine's server limits the rate.", more);
  if (code === "invalid_api_key" || given.type === "authentication_error")
    return new EarshotError("unauthenticated", "recogniser_unauthenticated", "The speech engine's server refuses the key.", {
      ...more,
      remedy: "Check the engine's key.",
    });
  if (code === "session_expired" || given.type !== "invalid_request_error")
    return new EarshotError("unavailable", "recogniser_failed", "The speech engine's server failed.", more);
  return new EarshotError("invalid_request", "recogniser_refused", "The speech engine's server refused the session or its audio.", {
    ...more,
    remedy: "Check EARSHOT_OPENAI_MODEL.",
  });
}
