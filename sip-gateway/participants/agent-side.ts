/** Which leg is the agent's: extension map, else name or short extension against an external number, else the trunk's label order. */
import type { Extension } from "@earshot/proto/gen/earshot/v1/events_pb.js";

export type Side = "agent" | "caller" | "mixed";
export type SpeakerReason = "extension-map" | "short-extension" | "label-order" | "single-stream";
export type LegParticipants = { readonly participants: readonly { readonly name: string; readonly address: string }[] };
export type LegSide = { readonly side: Side; readonly reason: SpeakerReason; readonly agentName: string };

/** @param legs in the order of their labels (m-lines) */
export function assignSides(
  legs: readonly LegParticipants[],
  extensions: ReadonlyMap<string, Extension>,
  labelOrder: "agent-first" | "caller-first",
): LegSide[] {
  const agents = legs.map((leg) =>
    leg.participants.map((one) => extensions.get(numberOf(one.address))).find((extension) => extension !== undefined),
  );
  const agentName = (index: number) => agents[index]?.agentName ?? "";
  if (legs.length === 1) return [{ side: "mixed", reason: "single-stream", agentName: agentName(0) }];
  const mapped = agents.filter((extension) => extension !== undefined).length;
  if (mapped > 0 && mapped < legs.length)
    return legs.map((_, index) => ({ side: agents[index] ? "agent" : "caller", reason: "extension-map", agentName: agentName(index) }));
  const places = legs.map(placeOf);
  if (mapped === 0 && places.includes("internal") && places.includes("external"))
    return legs.map((_, index) => ({ side: places[index] === "internal" ? "agent" : "caller", reason: "short-extension", agentName: "" }));
  return legs.map((_, index) => {
    const first = index === 0;
    return { side: (labelOrder === "caller-first") === first ? "caller" : "agent", reason: "label-order", agentName: agentName(index) };
  });
}

export type Place = "internal" | "external" | "unknown";

/** Internal: a name or an extension of at most 6 digits; external: an E.164-like number. */
export function placeOf(leg: LegParticipants): Place {
  const places = new Set(leg.participants.map((one) => placeOfNumber(numberOf(one.address))));
  places.delete("unknown");
  const [only] = places;
  return places.size === 1 ? only! : "unknown";
}

export function placeOfNumber(number: string): Place {
  if (number === "" || number === "anonymous" || number === "unavailable" || number === "unknown" || number === "restricted")
    return "unknown";
  if (/^\+\d{4,15}$/.test(number) || /^\d{7,18}$/.test(number)) return "external";
  return "internal";
}

/** User part of a SIP, SIPS or tel address, without visual separators; lower case. */
export function numberOf(address: string): string {
  const match = /^\s*(?:"[^"]*"\s*)?<?\s*(?:(?:sips?|tel):)?([^@;>?]*)/i.exec(address);
  const user = (match?.[1] ?? "").split(":", 1)[0]!.trim().toLowerCase().replace(/%2b/g, "+");
  return /^\+?[\d\s().-]+$/.test(user) ? user.replace(/[\s().-]/g, "") : user;
}

export type CallDirection = "inbound" | "outbound" | "internal" | "unknown";

/**
 * @param initiator number of who called, "" where nothing says it. Vendors' own "calling party" marks are not asked: some are swapped.
 */
export function directionOf(
  sides: readonly { readonly side: Side; readonly participants: LegParticipants["participants"] }[],
  initiator: string,
): CallDirection {
  const everyone = sides.flatMap((leg) => leg.participants.map((one) => numberOf(one.address)));
  const places = everyone.map(placeOfNumber);
  if (places.length >= 2 && places.every((place) => place === "internal")) return "internal";
  if (!places.includes("external")) return "unknown";
  if (initiator === "" || !everyone.includes(initiator)) return "unknown";
  return placeOfNumber(initiator) === "external" ? "inbound" : "outbound";
}
