import { expect, it } from "vitest";
import { httpFailure, retryAfterMs } from "./http-failure.ts";

it("maps status to category", () => {
  const category = (status?: number, code?: string) =>
    httpFailure("x", { ...(status === undefined ? {} : { status }), ...(code === undefined ? {} : { code }) }, 0).category;
  expect([400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504].map((status) => category(status))).toEqual([
    "invalid_request",
    "unauthenticated",
    "quota",
    "forbidden",
    "not_found",
    "timeout",
    "invalid_request",
    "invalid_request",
    "rate_limited",
    "unavailable",
    "unavailable",
    "unavailable",
    "timeout",
  ]);
  expect(category(undefined)).toBe("unavailable");
  expect(category(429, "insufficient_quota")).toBe("quota");
});

it("reads Retry-After as seconds or as a date", () => {
  const now = Date.parse("2026-01-05T09:00:00Z");
  expect(retryAfterMs("2.5", now)).toBe(2500);
  expect(retryAfterMs("Mon, 05 Jan 2026 09:00:30 GMT", now)).toBe(30_000);
  expect(retryAfterMs("Mon, 05 Jan 2026 08:00:00 GMT", now)).toBe(0);
  expect([retryAfterMs("soon", now), retryAfterMs(null, now)]).toEqual([undefined, undefined]);
});
