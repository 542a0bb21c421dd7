/** The answer to what could not be parsed, from what could be read of it. */

import { userAgent } from "../identity.ts";
import type { RawMessage } from "../raw-message.ts";

const names = [
  ["from", "From"],
  ["to", "To"],
  ["call-id", "Call-ID"],
  ["cseq", "CSeq"],
] as const;

/** @returns undefined where it must not or cannot be answered: ACK, responses, a request without the headers an answer repeats */
export function faultAnswer(raw: Pick<RawMessage, "startLine" | "headers">, status: number, reason: string): string | undefined {
  if (raw.startLine.startsWith("SIP/2.0") || raw.startLine.startsWith("ACK ")) return undefined;
  const text = [`SIP/2.0 ${status} ${status === 400 ? `Bad Request - ${reason}` : reason}`];
  for (const [name, value] of raw.headers) if (name === "via") text.push(`Via: ${value}`);
  if (text.length === 1) return undefined;
  for (const [name, written] of names) {
    const value = raw.headers.find(([key]) => key === name)?.[1];
    if (value === undefined) return undefined;
    text.push(`${written}: ${value}${name === "to" && !/;\s*tag=/i.test(value) ? ";tag=malformed" : ""}`);
  }
  text.push(`User-Agent: ${userAgent}`, "Content-Length: 0", "", "");
  return text.join("\r\n");
}
