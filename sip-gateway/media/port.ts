/** What signalling asks of media: ports, and one receiver per leg. Signalling never sees a packet, media never sees a SIP message. */

import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";

export type PayloadFormat = {
  readonly encoding: "PCMA" | "PCMU" | "G722" | "L16" | "opus" | "telephone-event" | "CN";
  /** RTP clock in Hz: 8000 for G.722 too (RFC 3551 4.5.2), 48000 for Opus (RFC 7587). */
  readonly clockRate: number;
  readonly channels: number;
};

export type SrtpSuite = "AES_CM_128_HMAC_SHA1_80" | "AES_CM_128_HMAC_SHA1_32" | "AES_256_CM_HMAC_SHA1_80" | "AES_256_CM_HMAC_SHA1_32";
/** SDES master key and salt, concatenated as in `inline:` (RFC 4568). `remote` decrypts what arrives, `local` protects our RTCP. */
export type SrtpKeys = { readonly suite: SrtpSuite; readonly remote: Uint8Array; readonly local: Uint8Array };

/** A bound pair of ports. With rtcp-mux agreed, `rtcpPort` stays bound and unused. */
export type LegPorts = { readonly rtpPort: number; readonly rtcpPort: number };

/** The negotiated state of one m-line; replaced whole by each offer/answer exchange. */
export type LegDescription = {
  /** c= and m= of the offer; RTP from elsewhere re-latches only as symmetric RTP allows. undefined = not told; rtcpPort 0 = none. */
  readonly remote: { readonly address: string; readonly rtpPort: number; readonly rtcpPort: number } | undefined;
  readonly rtcpMux: boolean;
  /** By RTP payload type. */
  readonly formats: ReadonlyMap<number, PayloadFormat>;
  readonly ptimeMs: number;
  readonly srtp: SrtpKeys | undefined;
  /** false = the stream is inactive: packets are not media, the gap is silence and not loss. */
  readonly receiving: boolean;
};

export type LegTotals = { readonly packetsReceived: number; readonly packetsExpected: number; readonly packetsLost: number };

export type LegEvents = {
  /** One RFC 4733 digit, once, when it ends (or its last packet is lost and it times out). */
  onDtmf(digit: string, positionMs: number, durationMs: number): void;
  /** The first RTP packet of the leg. */
  onFirstPacket(): void;
};

export interface LegMedia {
  readonly ports: LegPorts;
  /** A new offer: formats, keys, peer or direction changed. Takes effect with the next packet. */
  update(description: LegDescription): void;
  /** Recording paused by command: packets keep being counted for line quality, their audio is dropped. */
  setPaused(paused: boolean): void;
  /** Monotonic milliseconds of the last packet; undefined before the first. */
  lastPacketMs(): number | undefined;
  /** Flushes the last chunk and line-quality interval; the ports drain for `EARSHOT_RTP_DRAIN_MS` before reuse. */
  close(): LegTotals;
}

export interface MediaPlane extends Component {
  /** Binds a free pair. @throws EarshotError unavailable `rtp_ports_exhausted` */
  allocate(): Promise<LegPorts>;
  /** Gives back a pair that was never opened. */
  release(ports: LegPorts): void;
  /**
   * Receives on `ports` from now on: chunks go to media.v1, line quality to line-quality.v1, both keyed by call.
   * @param leg index of the leg in the call
   * @param originMs Unix milliseconds of the call's start: sample position 0
   */
  open(
    tenant: TenantId,
    call: CallId,
    leg: number,
    originMs: number,
    ports: LegPorts,
    description: LegDescription,
    events: LegEvents,
  ): LegMedia;
  /** For metrics and admission. */
  freePairs(): number;
}
