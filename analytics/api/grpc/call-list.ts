/** Calls as gRPC tells them, and a tenant's calls page by page. */
import type { LiveCall } from "@earshot/proto/api/live.ts";
import { EarshotError } from "@earshot/proto/errors.ts";

/** A place in the order of the pages: behind this call, whether it is still up or not. */
type Place = { readonly startedAt: string; readonly id: string };

const isBehind = (call: Place, place: Place): boolean =>
  call.startedAt === place.startedAt ? call.id > place.id : call.startedAt > place.startedAt;

/**
 * @param size calls on the page, at most; 1 or more
 * @param token of the page before, "" = the first page. It names a place, and gives no rights: whose calls these are, the key says.
 * @throws EarshotError invalid_request `page_token_invalid`
 */
export function pageOf(calls: readonly LiveCall[], size: number, token: string) {
  const place = token === "" ? undefined : placeOf(token);
  const left = calls.filter((call) => place === undefined || isBehind(call, place)).sort((a, b) => (isBehind(a, b) ? 1 : -1));
  const page = left.slice(0, size);
  return { calls: page.map(callOf), nextPageToken: left.length > size ? tokenOf(page.at(-1)!) : "" };
}

const tokenOf = ({ startedAt, id }: Place): string => Buffer.from(JSON.stringify([startedAt, id])).toString("base64url");

function placeOf(token: string): Place {
  try {
    const [startedAt, id]: unknown[] = JSON.parse(Buffer.from(token, "base64url").toString());
    if (typeof startedAt === "string" && typeof id === "string") return { startedAt, id };
  } catch {
    // Said below.
  }
  throw new EarshotError("invalid_request", "page_token_invalid", "page_token is none that this service has given.", {
    remedy: "Send next_page_token of the page before as it came, or none for the first page.",
  });
}

export function callOf(call: LiveCall) {
  return {
    id: call.id,
    startedAtMs: Date.parse(call.startedAt),
    endedAtMs: call.endedAt === null ? 0 : Date.parse(call.endedAt),
    termination: call.termination ?? "",
    agent: call.agent,
    caller: call.caller,
    direction: call.direction,
    queue: call.queue,
    trunk: call.trunkName,
    recordingPaused: call.recordingPaused,
    attention: call.attention,
    legs: call.legs.map(({ index, speaker, name, address, state }) => ({ index, speaker, name, address, state })),
  };
}
