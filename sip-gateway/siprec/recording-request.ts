/** Is this INVITE a recording session? (RFC 7866 6.2) */
import type { Refusal } from "../admission/admission.ts";
import type { SipRequest } from "../signalling/port.ts";
import { splitList } from "../signalling/tokens.ts";

const known = new Set(["siprec", "timer"]);

/** @param lenient the trunk takes sessions that lack the option tag or the feature tag */
export function checkRecordingRequest(request: SipRequest, lenient: boolean): Refusal | undefined {
  const required = requiredExtensions(request);
  const unsupported = required.filter((tag) => !known.has(tag));
  if (unsupported.length > 0) return { status: 420, headers: [["Unsupported", unsupported.join(", ")]], outcome: "bad_extension" };
  if (lenient) return undefined;
  if (!required.includes("siprec")) return { status: 421, headers: [["Require", "siprec"]], outcome: "not_siprec" };
  if (!isRecordingClient(request)) return { status: 403, reason: "Contact Lacks +sip.src", outcome: "not_siprec" };
  return undefined;
}

/** Option tags of Require, in lower case. */
export function requiredExtensions(request: SipRequest): string[] {
  return request.headers("require").flatMap((line) => splitList(line).map((tag) => tag.toLowerCase()));
}

/** The feature tag stands outside the angle brackets (RFC 3840 9). */
function isRecordingClient(request: SipRequest): boolean {
  const contact = (request.header("contact") ?? "").replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/<[^>]*>/, "");
  return /;\s*\+sip\.src\s*(?:=|;|$)/i.test(contact);
}
