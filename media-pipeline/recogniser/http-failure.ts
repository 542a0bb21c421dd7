/** An HTTP answer or a broken connection of a remote engine, as an EarshotError: categories decide about retry and fallback. */
import { type Category, EarshotError } from "@earshot/proto/errors.ts";

/**
 * @param status HTTP status; undefined = no answer came
 * @param retryAfter the Retry-After header: seconds or an HTTP date (RFC 9110 section 10.2.3)
 * @param code the server's own error code, such as OpenAI's "insufficient_quota"
 */
export function httpFailure(
  engine: string,
  given: { status?: number; retryAfter?: string | null; code?: string | null; cause?: unknown },
  nowMs: number,
): EarshotError {
  const details = { engine, status: given.status, code: given.code ?? undefined };
  const more = { details, cause: given.cause };
  if (given.status === undefined)
    return new EarshotError("unavailable", "recogniser_unreachable", "The speech engine's server could not be reached.", {
      ...more,
      remedy: "Check the server's address and the network.",
    });
  if (given.code === "insufficient_quota" || given.status === 402)
    return new EarshotError("quota", "recogniser_quota", "The account at the speech engine has no credit left.", {
      ...more,
      remedy: "Top up the account, or add a second engine to EARSHOT_ASR.",
    });
  const category = categoryOfStatus(given.status);
  return new EarshotError(category, `recogniser_${category}`, `The speech engine's server refused with HTTP ${given.status}.`, {
    ...more,
    remedy:
      category === "unauthenticated" || category === "forbidden"
        ? "Check the engine's key."
        : category === "not_found"
          ? "Check the engine's model and address."
          : "",
    retryAfterMs: category === "rate_limited" || category === "unavailable" ? retryAfterMs(given.retryAfter, nowMs) : undefined,
  });
}

/** An answer that is no transcription. */
export const unreadableAnswer = (engine: string, cause?: unknown) =>
  new EarshotError("unavailable", "recogniser_unreadable_answer", "The speech engine's server sent an answer that is no transcription.", {
    remedy: "Check that the address is that of a speech recognition server.",
    details: { engine },
    cause,
  });

function categoryOfStatus(status: number): Category {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "forbidden";
  if (status === 404) return "not_found";
  if (status === 408 || status === 504) return "timeout";
  if (status === 429) return "rate_limited";
  if (status >= 500) return "unavailable";
  return "invalid_request";
}

export function retryAfterMs(header: string | null | undefined, nowMs: number): number | undefined {
  if (header === null || header === undefined || header === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
