import type { ByteRange } from "@earshot/platform/object-store/port.ts";

/**
 * The Range header (RFC 9110 section 14.2) against an object of `bytes`.
 * @returns "whole" where there is none that counts (several ranges, another unit, malformed: to be ignored), "unsatisfiable" for 416
 */
export function byteRange(header: string | undefined, bytes: number): ByteRange | "whole" | "unsatisfiable" {
  const match = /^bytes=(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/.exec(header?.trim() ?? "");
  if (match === null) return "whole";
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const length = Number(suffix);
    if (length === 0 || bytes === 0) return "unsatisfiable";
    return { start: Math.max(0, bytes - length), end: bytes - 1 };
  }
  const start = Number(first);
  const end = last === undefined ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (last !== undefined && Number(last) < start) return "whole";
  if (start >= bytes) return "unsatisfiable";
  return { start, end };
}
