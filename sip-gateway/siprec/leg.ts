/** One stream of a call: its m-line, its receiver, who speaks on it. */
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import type { LegMedia, LegPorts, LegTotals, PayloadFormat } from "../media/port.ts";
import type { LegSide, Side } from "../participants/agent-side.ts";
import type { Negotiated } from "./media-answer.ts";
import type { ParticipantRecord } from "./metadata-document.ts";

const speakers: Readonly<Record<Side, Speaker>> = { agent: Speaker.AGENT, caller: Speaker.CALLER, mixed: Speaker.MIXED };
const codecs: Readonly<Partial<Record<PayloadFormat["encoding"], Codec>>> = {
  PCMA: Codec.PCMA,
  PCMU: Codec.PCMU,
  G722: Codec.G722,
  L16: Codec.L16,
  opus: Codec.OPUS,
};

export class Leg {
  /** Never reused within a call, even where its m-line is. */
  readonly index: number;
  readonly mediaLine: number;
  label: string;
  state: "active" | "paused" | "removed";
  agreed: Negotiated;
  participants: readonly ParticipantRecord[] = [];
  speaker: Speaker = Speaker.UNSPECIFIED;
  speakerReason = "";
  agentName = "";
  readonly ports: LegPorts;
  media: LegMedia | undefined;
  #totals: LegTotals = { packetsReceived: 0, packetsExpected: 0, packetsLost: 0 };

  constructor(index: number, mediaLine: number, label: string, ports: LegPorts, agreed: Negotiated) {
    this.index = index;
    this.mediaLine = mediaLine;
    this.label = label;
    this.ports = ports;
    this.agreed = agreed;
    this.state = agreed.description.receiving ? "active" : "paused";
  }

  renegotiate(label: string | undefined, agreed: Negotiated): void {
    this.label = label ?? this.label;
    this.agreed = agreed;
    this.state = agreed.description.receiving ? "active" : "paused";
    this.media?.update(agreed.description);
  }

  /** Stops receiving; safe to call again. */
  remove(): void {
    if (this.state === "removed") return;
    this.state = "removed";
    if (this.media !== undefined) this.#totals = this.media.close();
    this.media = undefined;
  }

  get totals(): LegTotals {
    return this.#totals;
  }

  /** A side somebody corrected by hand is never changed again by metadata. */
  assign(side: LegSide): void {
    this.agentName = side.agentName;
    if (this.speakerReason === "corrected") return;
    this.speaker = speakers[side.side];
    this.speakerReason = side.reason;
  }

  correct(speaker: Speaker): void {
    this.speaker = speaker;
    this.speakerReason = "corrected";
  }

  get codec(): Codec {
    for (const format of this.agreed.description.formats.values()) {
      const codec = codecs[format.encoding];
      if (codec !== undefined) return codec;
    }
    return Codec.UNSPECIFIED;
  }

  /** As events carry it. */
  record() {
    const [first] = this.participants;
    return {
      index: this.index,
      label: this.label,
      speaker: this.speaker,
      speakerReason: this.speakerReason,
      participant: { name: first?.name ?? "", address: first?.address ?? "" },
      participants: this.participants.map(({ name, address }) => ({ name, address })),
      codec: this.codec,
      state: this.state,
      agentName: this.agentName,
    };
  }
}
