/** The error table: what went wrong is a category, and everything else (retry, HTTP, gRPC, SIP) follows from it. */

export const categories = {
  invalid_request: { http: 400, grpc: 3, sip: 400, retry: false, consumer: "dead-letter" },
  unauthenticated: { http: 401, grpc: 16, sip: 403, retry: false, consumer: "dead-letter" },
  forbidden: { http: 403, grpc: 7, sip: 403, retry: false, consumer: "dead-letter" },
  not_found: { http: 404, grpc: 5, sip: 404, retry: false, consumer: "drop" },
  conflict: { http: 409, grpc: 6, sip: 491, retry: false, consumer: "drop" },
  rate_limited: { http: 429, grpc: 8, sip: 503, retry: true, consumer: "retry" },
  quota: { http: 402, grpc: 8, sip: 503, retry: false, consumer: "dead-letter" },
  unavailable: { http: 503, grpc: 14, sip: 503, retry: true, consumer: "retry" },
  timeout: { http: 504, grpc: 4, sip: 504, retry: true, consumer: "retry" },
  cancelled: { http: 499, grpc: 1, sip: 487, retry: false, consumer: "drop" },
  corrupt: { http: 500, grpc: 15, sip: 500, retry: false, consumer: "dead-letter" },
  bug: { http: 500, grpc: 13, sip: 500, retry: false, consumer: "crash" },
} as const;

export type Category = keyof typeof categories;

/** An expected failure. `code` is stable and lower_snake; `remedy` tells the operator what to do, in one sentence. */
export class EarshotError extends Error {
  override readonly name = "EarshotError";
  readonly code: string;
  readonly category: Category;
  readonly remedy: string;
  readonly retryAfterMs: number | undefined;
  /** Fields for the log and the API's `details`; never words spoken, phone numbers or secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    category: Category,
    code: string,
    message: string,
    more: { remedy?: string; retryAfterMs?: number; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.category = category;
    this.code = code;
    this.remedy = more.remedy ?? "";
    this.retryAfterMs = more.retryAfterMs;
    this.details = more.details ?? {};
  }
}

/** The category of anything thrown: an EarshotError's own, otherwise `bug`. */
export function categoryOf(error: unknown): Category {
  return error instanceof EarshotError ? error.category : "bug";
}

/** gRPC statuses that no category maps to: what other people's servers also answer. */
const foreignStatuses: Readonly<Record<number, Category>> = {
  2: "unavailable",
  9: "conflict",
  10: "conflict",
  11: "invalid_request",
  12: "not_found",
};
const byGrpcStatus = new Map<number, Category>(
  // The first category of a status stands for it: RESOURCE_EXHAUSTED is rate_limited, not quota.
  (Object.entries(categories) as [Category, (typeof categories)[Category]][]).toReversed().map(([category, { grpc }]) => [grpc, category]),
);

/** The category of another process's gRPC status. What is a bug over there is no bug here: it is `unavailable`. */
export function categoryOfGrpcStatus(status: number): Category {
  const category = byGrpcStatus.get(status) ?? foreignStatuses[status] ?? "unavailable";
  return category === "bug" ? "unavailable" : category;
}

/** May the same call succeed later? By category only. */
export function isRetryable(error: unknown): boolean {
  return categories[categoryOf(error)].retry;
}
