/**
 * One leg, from datagram to chunk: whose packet is it, is it valid, where does it belong, what does it carry. Read `onDatagram` and
 * `deliver` from top to bottom.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { frameFlag, MediaChunkEncoder } from "@earshot/proto/media-chunk-codec.ts";
import { Chunker, type ChunkSink } from "./chunker.ts";
import type { MediaCounters } from "./counters.ts";
import { DtmfReceiver } from "./dtmf.ts";
import { JitterBuffer, type PacketSink, pushed } from "./jitter-buffer.ts";
import { type ResolvedFormat, resolveFormat, samplesIn } from "./payload-format.ts";
import type { LegDescription, LegEvents } from "./port.ts";
import { emptyRtpHeader, isRtcp, parseRtpHeader, stripPadding } from "./rtp-packet.ts";
import { RtpStatistics } from "./rtp-statistics.ts";
import type { MediaSettings } from "./settings.ts";
import { SourceLatch } from "./source-latch.ts";
import { SrtpReceiver } from "./srtp.ts";
import { type Placement, Timeline } from "./timeline.ts";

export type LegContext = {
  readonly settings: MediaSettings;
  readonly clock: Clock;
  readonly counters: MediaCounters;
  readonly sink: ChunkSink;
  /** Unix milliseconds minus the monotonic clock; refreshed by the plane's tick. */
  wallOffsetMs: number;
};

/** Shared by all legs: parsing is synchronous. */
const header = emptyRtpHeader();
const placement: Placement = { position: 0, lostFrames: 0, silence: false };

export class LegReceiver implements PacketSink {
  readonly statistics = new RtpStatistics();
  readonly latch: SourceLatch;
  readonly chunker: Chunker;
  readonly #context: LegContext;
  readonly #events: LegEvents;
  readonly #originMs: number;
  readonly #jitter: JitterBuffer;
  readonly #timeline: Timeline;
  readonly #dtmf: DtmfReceiver;
  readonly #onRtcp: (packet: Uint8Array, address: string, port: number) => void;
  #formats: (ResolvedFormat | undefined)[] = [];
  #srtp: SrtpReceiver | undefined;
  #description: LegDescription;
  /** Of the description, beside the rest of what every packet touches. */
  #receiving = true;
  #rtcpMux = false;
  #paused = false;
  /** The current source; -1 before the first packet. */
  #ssrc = -1;
  #candidateSsrc = -1;
  #candidateNext = 0;
  #heldPacket: Uint8Array | undefined;
  #lastPacketMs = -1;
  #pendingMissing = 0;
  #clockSamples = 0;
  #windowBeganMs = 0;
  #windowPackets = 0;
  #windowForeign = 0;
  /** What `onDatagram` throws goes here. */
  onFault: (error: unknown) => void = () => {};
  /** The format of the last audio frame: what line quality is reckoned with. */
  #format: ResolvedFormat | undefined;

  constructor(
    context: LegContext,
    tenant: string,
    call: string,
    leg: number,
    originMs: number,
    description: LegDescription,
    events: LegEvents,
    onRtcp: (packet: Uint8Array, address: string, port: number) => void,
  ) {
    const { settings } = context;
    this.#context = context;
    this.#events = events;
    this.#originMs = originMs - context.wallOffsetMs;
    this.#onRtcp = onRtcp;
    this.latch = new SourceLatch(settings.relatchAfterMs);
    this.chunker = new Chunker(call, new MediaChunkEncoder(tenant, call, leg), context, settings.chunkMs, settings.voicedLevelDbov);
    this.#jitter = new JitterBuffer(this, settings.jitterDepthMs);
    this.#timeline = new Timeline(this.#originMs);
    this.#dtmf = new DtmfReceiver((digit, timestamp, duration, clockRate) => this.#onDigit(digit, timestamp, duration, clockRate));
    this.#description = description;
    this.update(description);
  }

  get description(): LegDescription {
    return this.#description;
  }

  get ssrc(): number {
    return this.#ssrc;
  }

  /** Monotonic milliseconds of the last packet; -1 before the first. */
  get lastPacketMs(): number {
    return this.#lastPacketMs;
  }

  get srtp(): SrtpReceiver | undefined {
    return this.#srtp;
  }

  get format(): ResolvedFormat | undefined {
    return this.#format;
  }

  update(description: LegDescription): void {
    const before = this.#description;
    const formats: (ResolvedFormat | undefined)[] = new Array(128).fill(undefined);
    for (const [payloadType, format] of description.formats) formats[payloadType & 0x7f] = resolveFormat(format);
    this.#formats = formats;
    if (description.srtp === undefined) this.#srtp = undefined;
    else if (this.#srtp === undefined || !sameKeys(description, before)) this.#srtp = new SrtpReceiver(description.srtp, this.#srtp);
    if (description.remote !== undefined) this.latch.signal(description.remote.address, description.remote.rtpPort);
    this.#description = description;
    this.#receiving = description.receiving;
    this.#rtcpMux = description.rtcpMux;
    if (before.receiving && !description.receiving) {
      this.#interrupt();
      this.statistics.restart();
      this.#jitter.reset();
    }
  }

  setPaused(paused: boolean): void {
    if (paused && !this.#paused) this.#interrupt();
    this.#paused = paused;
  }

  /** What was heard so far goes out; what comes next lies behind an intended gap. */
  #interrupt(): void {
    this.#jitter.flush();
    this.#dtmf.flush();
    this.chunker.flush();
    this.#timeline.pause();
  }

  /** A datagram of the leg's RTP port. */
  onDatagram(packet: Uint8Array, address: string, port: number, nowMs: number = this.#context.clock.monotonicMs()): void {
    const { counters, settings } = this.#context;
    // Others have a budget of their own: they must not use up the source's.
    const current = this.latch.isCurrent(address, port);
    const own = current || this.latch.isSignalled(address, port);
    if (own) {
      if (++this.#windowPackets > settings.maxPacketsPerSecond) {
        counters.rateLimited++;
        return;
      }
    } else if (++this.#windowForeign > settings.maxForeignPacketsPerSecond) {
      counters.foreign++;
      return;
    }
    if (packet.length > settings.maxPacketBytes) {
      counters.oversize++;
      return;
    }
    if (this.#rtcpMux && isRtcp(packet)) {
      if (current) this.#onRtcp(packet, address, port);
      return;
    }
    if (!current && !this.latch.accepts(address, port, nowMs - this.#lastPacketMs)) {
      counters.foreign++;
      return;
    }
    if (!parseRtpHeader(packet, header)) {
      counters.malformed++;
      return;
    }
    const format = this.#formats[header.payloadType];
    if (format === undefined) {
      counters.unknownPayloadType++;
      return;
    }
    if (this.#srtp !== undefined && !this.#srtp.unprotect(packet, header)) {
      counters.srtpRejected++;
      return;
    }
    if (!stripPadding(packet, header)) {
      counters.malformed++;
      return;
    }
    if (!this.#receiving) {
      counters.inactive++;
      return;
    }
    if (!current) this.latch.latch(address, port);
    if (!own) this.#windowPackets++;
    counters.received++;
    if (header.ssrc !== this.#ssrc) this.#onOtherSource(packet, nowMs);
    else {
      this.#candidateSsrc = -1;
      this.#accept(packet, format, nowMs);
    }
  }

  /** The first source is taken at once, a later one when two of its packets came in a row (RFC 3550 appendix A.1, 7866 section 8.1.3). */
  #onOtherSource(packet: Uint8Array, nowMs: number): void {
    if (this.#ssrc >= 0) {
      if (header.ssrc !== this.#candidateSsrc || header.sequence !== this.#candidateNext) {
        this.#candidateSsrc = header.ssrc;
        this.#candidateNext = (header.sequence + 1) & 0xffff;
        this.#heldPacket = new Uint8Array(packet);
        return;
      }
      this.#jitter.reset();
      this.statistics.restart();
      this.#timeline.break();
      this.#dtmf.flush();
      this.#dtmf.reset();
    }
    const held = this.#heldPacket;
    this.#heldPacket = undefined;
    const first = this.#ssrc < 0;
    this.#ssrc = header.ssrc;
    this.#candidateSsrc = -1;
    if (first) this.#events.onFirstPacket();
    else {
      this.#context.counters.sourceChanges++;
      if (held !== undefined) this.#acceptHeld(held, packet, nowMs);
    }
    const format = this.#formats[header.payloadType];
    if (format !== undefined) this.#accept(packet, format, nowMs);
  }

  /** The packet that announced the new source, already decrypted; its header is read again. */
  #acceptHeld(held: Uint8Array, packet: Uint8Array, nowMs: number): void {
    const tagLength = this.#srtp?.tagLength ?? 0;
    if (parseRtpHeader(held, header)) {
      header.payloadEnd -= tagLength;
      const format = this.#formats[header.payloadType];
      if (format !== undefined && stripPadding(held, header)) this.#accept(held, format, nowMs);
    }
    parseRtpHeader(packet, header);
    header.payloadEnd -= tagLength;
    stripPadding(packet, header);
  }

  #accept(packet: Uint8Array, format: ResolvedFormat, nowMs: number): void {
    this.#lastPacketMs = nowMs;
    const { sequence, timestamp } = header;
    if (format.kind === "audio") this.statistics.onTransit(nowMs, timestamp, format.clockRate);
    const result = this.#jitter.push(packet, header.payloadStart, header.payloadEnd, header.payloadType, sequence, timestamp, nowMs);
    switch (result) {
      case pushed.inOrder:
        this.statistics.onPacket(sequence);
        break;
      case pushed.reordered:
        this.statistics.onPacket(sequence);
        this.statistics.onReordered();
        break;
      case pushed.duplicate:
        this.statistics.onDuplicate();
        break;
      case pushed.late:
        this.statistics.onLate();
        break;
      case pushed.restarted:
        this.statistics.restart();
        this.statistics.onPacket(sequence);
        break;
    }
  }

  /** A packet in order, from the jitter buffer. */
  deliver(
    packet: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
    payloadType: number,
    timestamp: number,
    missing: number,
    arrivalMs: number,
  ): void {
    if (missing > 0) {
      this.statistics.onMissing(missing);
      this.#pendingMissing += missing;
    }
    const format = this.#formats[payloadType];
    if (format === undefined || this.#paused || payloadEnd <= payloadStart) return;
    if (format.kind === "dtmf") {
      this.#deliverEvent(packet, payloadStart, payloadEnd, timestamp, format, arrivalMs);
      return;
    }
    const spoken = format.kind === "audio" ? format : this.#format;
    if (spoken === undefined) return;
    const samples =
      format.kind === "audio"
        ? samplesIn(format, packet, payloadStart, payloadEnd)
        : Math.round((Math.max(10, this.#description.ptimeMs) * spoken.sampleRate) / 1000);
    if (samples === 0) {
      this.#context.counters.malformed++;
      return;
    }
    this.#timeline.place(spoken, samples, timestamp, this.#pendingMissing, arrivalMs, placement);
    this.#pendingMissing = 0;
    if (format.kind === "audio" && (++this.#clockSamples & 7) === 0) this.statistics.onClockSample(arrivalMs, timestamp, format.clockRate);
    const { position, lostFrames } = placement;
    this.#format = spoken;
    if (lostFrames > 0) {
      const lostFrom = position - lostFrames * samples;
      this.chunker.place(spoken, samples, lostFrom, placement.silence);
      for (let i = 0; i < lostFrames; i++) {
        this.chunker.addMissing(arrivalMs);
        this.chunker.place(spoken, samples, lostFrom + (i + 1) * samples, false);
      }
    } else this.chunker.place(spoken, samples, position, placement.silence);
    if (format.kind === "noise") this.chunker.addNoise(packet, payloadStart, payloadEnd, arrivalMs);
    else {
      const flags = this.#dtmf.sounding ? frameFlag.dtmf : 0;
      this.chunker.add(spoken, packet, payloadStart, payloadEnd, flags, arrivalMs);
    }
  }

  #deliverEvent(packet: Uint8Array, start: number, end: number, timestamp: number, format: ResolvedFormat, arrivalMs: number): void {
    const before = this.#dtmf.sounding;
    if (!this.#dtmf.onEvent(packet, start, end, timestamp, format.clockRate, arrivalMs)) return;
    const audio = this.#format;
    if (!before && this.#dtmf.sounding && audio !== undefined && audio.clockRate === format.clockRate) {
      // Audio that came before the event was announced already has the tone in it.
      const from = this.#timeline.positionOf(this.#dtmf.since, audio.clockRate, audio.samplesPerTick, arrivalMs);
      this.chunker.flagFrom(from, frameFlag.dtmf);
    }
  }

  #onDigit(digit: string, timestamp: number, duration: number, clockRate: number): void {
    this.#context.counters.digits++;
    const durationMs = Math.round((duration * 1000) / clockRate);
    const audio = this.#format;
    const arrivalMs = Math.max(0, this.#lastPacketMs - durationMs);
    const position =
      audio !== undefined && audio.clockRate === clockRate
        ? (this.#timeline.positionOf(timestamp, clockRate, audio.samplesPerTick, arrivalMs) * 1000) / audio.sampleRate
        : Math.max(0, arrivalMs - this.#originMs);
    this.#events.onDtmf(digit, Math.round(position), durationMs);
  }

  /** Called every few milliseconds: gives up on missing packets, reports digits without an end, sends chunks that nothing completes. */
  tick(nowMs: number): void {
    if (nowMs - this.#windowBeganMs >= 1000) {
      this.#windowBeganMs = nowMs;
      this.#windowPackets = 0;
      this.#windowForeign = 0;
    }
    if (this.#jitter.waiting > 0) this.#jitter.expire(nowMs);
    if (this.#dtmf.sounding) this.#dtmf.expire(nowMs);
    // Twice the chunk's length: one of whole length may still be on its way in a burst.
    if (this.chunker.pending && nowMs - this.chunker.beganMs >= 2 * this.#context.settings.chunkMs) this.chunker.flush();
  }

  /** Everything that waits goes out: the leg ends. */
  flush(): void {
    this.#jitter.flush();
    this.#dtmf.flush();
    this.chunker.flush();
  }
}

function sameKeys(a: LegDescription, b: LegDescription): boolean {
  return (
    a.srtp !== undefined &&
    b.srtp !== undefined &&
    a.srtp.suite === b.srtp.suite &&
    Buffer.compare(a.srtp.remote, b.srtp.remote) === 0 &&
    Buffer.compare(a.srtp.local, b.srtp.local) === 0
  );
}
