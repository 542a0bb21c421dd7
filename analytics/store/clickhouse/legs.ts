/** Legs as the API shows them, from legs as the gateway sends them. */
import type { Leg, Speaker } from "@earshot/proto/api/calls.ts";
import { type Leg as LegEvent, Speaker as SpeakerCode } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";

const codecNames: Record<number, string> = {
  [Codec.PCMA]: "PCMA",
  [Codec.PCMU]: "PCMU",
  [Codec.G722]: "G722",
  [Codec.L16]: "L16",
  [Codec.OPUS]: "opus",
};

export function legsOf(legs: readonly LegEvent[]): Leg[] {
  const told: Leg[] = [];
  for (const leg of legs) {
    const participant = leg.participant;
    told.push({
      index: leg.index,
      label: leg.label,
      speaker: speakerOf(leg.speaker),
      speakerReason: leg.speakerReason,
      name: participant?.name ?? "",
      address: participant?.address ?? "",
      agentName: leg.agentName,
      codec: codecNames[leg.codec ?? 0] ?? "",
      state: leg.state === "paused" || leg.state === "removed" ? leg.state : "active",
    });
  }
  return told;
}

function speakerOf(code: SpeakerCode): Speaker {
  if (code === SpeakerCode.AGENT) return "agent";
  if (code === SpeakerCode.CALLER) return "caller";
  return "mixed";
}

/** The side of a segment follows the legs as they are known now: roles may be corrected after the words were written. */
export function speakerOfLeg(legs: readonly Leg[], index: number): Speaker {
  return legs.find((leg) => leg.index === index)?.speaker ?? "mixed";
}

/** The name that stands for a side: the extension map's, else the PBX's, else the address without scheme and host. */
export function nameOfSide(legs: readonly Leg[], side: "agent" | "caller"): string {
  let removed: Leg | undefined;
  for (const leg of legs) {
    if (leg.speaker !== side) continue;
    if (leg.state !== "removed") return nameOf(leg);
    removed ??= leg;
  }
  return removed === undefined ? "" : nameOf(removed);
}

function nameOf(leg: Leg): string {
  return leg.agentName || leg.name || userOf(leg.address);
}

const scheme = /^(?:sips?|tel):/i;

/** `sip:100@pbx.example` is 100. */
function userOf(address: string): string {
  const at = address.indexOf("@");
  const user = at < 0 ? address : address.slice(0, at);
  return user.startsWith("sip:") ? user.slice(4) : user.replace(scheme, "");
}
