/** A leg as signalling sees it: its ports, its receiver, its RTCP and its line quality, put together. */
import type { EventInit } from "@earshot/proto/event.ts";
import { type LegContext, LegReceiver } from "./leg-receiver.ts";
import { LineQualityMeter } from "./line-quality.ts";
import type { LegDescription, LegEvents, LegMedia, LegPorts, LegTotals } from "./port.ts";
import type { BoundPair } from "./port-pool.ts";
import { RtcpSession } from "./rtcp-session.ts";
import { zeroCounts } from "./rtp-statistics.ts";

export type LegContextWithEvents = LegContext & {
  readonly cname: string;
  publishQuality(key: string, event: EventInit): void;
  onClosed(leg: MediaLeg): void;
  /** Something of this leg threw: the leg ends, the others go on. Never throws. */
  onFault(leg: MediaLeg, error: unknown): void;
};

export type LegIdentity = { readonly tenantId: string; readonly callId: string; readonly leg: number; readonly originMs: number };

export class MediaLeg implements LegMedia {
  readonly ports: LegPorts;
  readonly #context: LegContextWithEvents;
  readonly #identity: LegIdentity;
  readonly #pair: BoundPair;
  readonly #receiver: LegReceiver;
  readonly #rtcp: RtcpSession;
  readonly #quality: LineQualityMeter;
  /** Where RTCP has come from; 0 = nothing yet, and the offer's address is used. */
  #rtcpAddress = "";
  #rtcpPort = 0;
  /** The call's start on the monotonic clock: positions do not follow a wall clock that is set. */
  readonly #originMs: number;
  #nextIntervalMs: number;
  #closed = false;

  constructor(context: LegContextWithEvents, identity: LegIdentity, pair: BoundPair, description: LegDescription, events: LegEvents) {
    this.#context = context;
    this.#identity = identity;
    this.#pair = pair;
    this.ports = pair.ports;
    const { tenantId, callId, leg, originMs } = identity;
    this.#originMs = originMs - context.wallOffsetMs;
    this.#receiver = new LegReceiver(context, tenantId, callId, leg, originMs, description, events, (packet, address, port) =>
      this.#onRtcp(packet, address, port),
    );
    this.#rtcp = new RtcpSession(this.#receiver.statistics, context.cname);
    this.#rtcp.setKeys(description.srtp);
    this.#quality = new LineQualityMeter(identity, this.#receiver.statistics);
    this.#nextIntervalMs = context.clock.monotonicMs() + context.settings.qualityIntervalMs;
    const onFault = (error: unknown) => context.onFault(this, error);
    this.#receiver.onFault = onFault;
    pair.rtp.giveTo(this.#receiver);
    pair.rtcp.giveTo({ onDatagram: (packet, address, port) => this.#onRtcp(packet, address, port), onFault });
  }

  update(description: LegDescription): void {
    if (this.#closed) return;
    const keysBefore = this.#receiver.srtp;
    const remoteBefore = this.#receiver.description.remote;
    this.#receiver.update(description);
    if (this.#receiver.srtp !== keysBefore) this.#rtcp.setKeys(description.srtp);
    if (description.remote?.address !== remoteBefore?.address || description.remote?.rtcpPort !== remoteBefore?.rtcpPort)
      this.#rtcpPort = 0;
  }

  setPaused(paused: boolean): void {
    if (!this.#closed) this.#receiver.setPaused(paused);
  }

  lastPacketMs(): number | undefined {
    const at = this.#receiver.lastPacketMs;
    return at < 0 ? undefined : at;
  }

  /** From the plane's tick. */
  tick(nowMs: number): void {
    this.#receiver.tick(nowMs);
    if (nowMs < this.#nextIntervalMs) return;
    this.#nextIntervalMs += this.#context.settings.qualityIntervalMs;
    // After a stall of the process the missed intervals are one long one.
    if (this.#nextIntervalMs <= nowMs) this.#nextIntervalMs = nowMs + this.#context.settings.qualityIntervalMs;
    this.#publishQuality(nowMs);
    this.#sendReport(nowMs);
  }

  close(): LegTotals {
    const totals = zeroCounts();
    if (!this.#closed) {
      this.#closed = true;
      try {
        this.#receiver.flush();
        this.#publishQuality(this.#context.clock.monotonicMs());
      } catch (error) {
        this.#context.onFault(this, error);
      } finally {
        this.#context.onClosed(this);
      }
    }
    this.#receiver.statistics.read(totals);
    return { packetsReceived: totals.received, packetsExpected: totals.expected, packetsLost: totals.lost };
  }

  #publishQuality(nowMs: number): void {
    const { wallOffsetMs, settings } = this.#context;
    const unixMs = Math.round(nowMs + wallOffsetMs);
    const delayMs = this.#rtcp.oneWayMs ?? settings.assumedDelayMs;
    const encoding = this.#receiver.format?.encoding ?? "";
    const toMs = Math.max(0, Math.round(nowMs - this.#originMs));
    const event = this.#quality.interval(toMs, unixMs, encoding, delayMs, this.#receiver.chunker.loudest);
    if (event !== undefined) this.#context.publishQuality(this.#identity.callId, event);
  }

  #sendReport(nowMs: number): void {
    const receiver = this.#receiver;
    if (receiver.ssrc < 0) return;
    const { description, latch } = receiver;
    const packet = this.#rtcp.report(receiver.ssrc, receiver.format?.clockRate ?? 8000, nowMs, nowMs + this.#context.wallOffsetMs);
    let sent = false;
    if (description.rtcpMux) sent = latch.latched && this.#pair.rtp.send(packet, latch.address, latch.port);
    else if (this.#rtcpPort !== 0) sent = this.#pair.rtcp.send(packet, this.#rtcpAddress, this.#rtcpPort);
    else if (description.remote !== undefined && description.remote.rtcpPort !== 0)
      sent = this.#pair.rtcp.send(packet, description.remote.address, description.remote.rtcpPort);
    else if (latch.latched) sent = this.#pair.rtcp.send(packet, latch.address, latch.port + 1);
    if (sent) this.#context.counters.rtcpSent++;
    else this.#context.counters.rtcpUnsendable++;
  }

  #onRtcp(packet: Uint8Array, address: string, port: number): void {
    const { counters, clock, wallOffsetMs } = this.#context;
    const receiver = this.#receiver;
    // RTCP is believed only from the host that sends the RTP, or the one the offer names.
    const known = address === receiver.latch.address || address === receiver.description.remote?.address;
    const nowMs = clock.monotonicMs();
    if (!known || !this.#rtcp.onPacket(packet, receiver.srtp, nowMs, nowMs + wallOffsetMs)) {
      counters.rtcpMalformed++;
      return;
    }
    counters.rtcpReceived++;
    this.#rtcpAddress = address;
    this.#rtcpPort = port;
  }
}
