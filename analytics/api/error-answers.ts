/** Whatever goes wrong becomes one shape of answer, and the status follows from the category (proto/errors.ts). */
import type { Log } from "@earshot/platform/log/log.ts";
import { type Category, categories, EarshotError } from "@earshot/proto/errors.ts";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors, isResponseSerializationError } from "fastify-type-provider-zod";

/** Fastify's own status codes, where the framework refuses before we do. */
const categoryOfStatus: Record<number, Category> = {
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  429: "rate_limited",
  503: "unavailable",
};

/** @returns the handler for `setErrorHandler` */
export function errorAnswers(log: Log): (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  return (error, request, reply) => {
    const known = toEarshotError(error);
    const status = statusOf(error, known);
    if (status >= 500 && known.category !== "unavailable")
      log.error({ err: error, requestId: request.id, route: request.routeOptions.url, code: known.code }, "A request failed");
    if (known.retryAfterMs !== undefined) void reply.header("retry-after", Math.ceil(known.retryAfterMs / 1000));
    return reply.status(status).send(errorBody(known, request.id));
  };
}

export function errorBody(error: EarshotError, requestId: string) {
  const { code, category, message, remedy, details } = error;
  const more = Object.keys(details).length === 0 ? {} : { details };
  return { error: { code, category, message, remedy, requestId, ...more } };
}

function statusOf(error: unknown, known: EarshotError): number {
  const given = (error as FastifyError).statusCode;
  // 405, 411, 413, 415, 431 say more than 400.
  if (!(error instanceof EarshotError) && given !== undefined && given >= 400 && given < 500) return given;
  return categories[known.category].http;
}

function toEarshotError(error: unknown): EarshotError {
  if (error instanceof EarshotError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issues = error.validation.map(({ instancePath, message }) => ({
      field: instancePath.replace(/^\//, ""),
      problem: message ?? "",
    }));
    return new EarshotError("invalid_request", "validation_failed", `The ${error.validationContext ?? "request"} is not as expected.`, {
      remedy: "Correct the fields named in details.",
      details: { fields: issues },
    });
  }
  if (isResponseSerializationError(error))
    return new EarshotError("bug", "answer_malformed", "The answer is not what the API promises.", { cause: error });
  const { statusCode, code, message, name } = (error ?? {}) as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new EarshotError(
      categoryOfStatus[statusCode] ?? "invalid_request",
      (code ?? name ?? "invalid_request").toLowerCase().replace(/^fst_err(_ctp)?_/, ""),
      message,
    );
  return new EarshotError("bug", "internal_error", "Something went wrong on our side.", {
    remedy: "Try again; if it stays so, look for the request's id in Earshot's log.",
    cause: error,
  });
}
