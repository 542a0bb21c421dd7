/** Sends one stream of a demo call as RTP (RFC 3550) with RFC 4733 digits, and does to it what a bad network would. */
import { randomInt } from "node:crypto";
import { bytesPerFrame, type PressedDigit, type StreamAudio } from "./call-audio.ts";
import type { Impairment } from "./dialogue.ts";
import { payloadTypes, telephoneEventPayloadType } from "./session-offer.ts";

const headerBytes = 12;
const samplesPerFrame = 160;
const silenceByte: Record<StreamAudio["codec"], number> = { PCMA: 0xd5, PCMU: 0xff, G722: 0xfa };

export class RtpSender {
  readonly #send: (packet: Buffer) => void;
  readonly #audio: StreamAudio;
  readonly #impairment: Impairment;
  readonly #mute: boolean;
  readonly #ssrc = randomInt(2 ** 32);
  readonly #random: () => number;
  #sequence = randomInt(2 ** 15);
  #timestamp = randomInt(2 ** 31);
  #frame = 0;
  #held: Buffer | undefined;
  readonly #late = new Set<NodeJS.Timeout>();
  #packets = 0;
  #octets = 0;
  readonly #digitAt: ReadonlyMap<number, PressedDigit>;
  #digit: PressedDigit | undefined;
  #digitStart = 0;

  /**
   * @param send puts a packet on the wire
   * @param mute sends silence instead of the audio
   * @param random 0..1, for which packets are lost or late (a test passes a fixed sequence)
   */
  constructor(
    send: (packet: Buffer) => void,
    audio: StreamAudio,
    impairment: Impairment,
    mute: boolean,
    random: () => number = Math.random,
  ) {
    this.#send = send;
    this.#audio = audio;
    this.#impairment = impairment;
    this.#mute = mute;
    this.#random = random;
    this.#digitAt = new Map(audio.digits.map((digit) => [digit.startFrame, digit]));
  }

  /** Sends the next 20 ms. @returns false when the recording has been played to its end */
  sendFrame(): boolean {
    if (this.#frame >= this.#audio.frames) return false;
    this.#digit ??= this.#startDigit();
    if (this.#digit !== undefined) this.#sendDigit(this.#digit);
    else this.#transmit(this.#audioPacket());
    this.#frame++;
    this.#timestamp = (this.#timestamp + samplesPerFrame) >>> 0;
    return true;
  }

  /** The call is over: what is still under way never arrives. */
  stop(): void {
    for (const late of this.#late) clearTimeout(late);
    this.#late.clear();
  }

  /** A sender report with SDES CNAME (RFC 3550 6.4.1, 6.5). */
  report(nowMs: number): Buffer {
    const cname = Buffer.from("demo@pbx.invalid");
    const sdesWords = Math.ceil((4 + 2 + cname.length + 1) / 4);
    const packet = Buffer.alloc(28 + 4 + sdesWords * 4);
    packet.writeUInt16BE(0x80c8, 0);
    packet.writeUInt16BE(6, 2);
    packet.writeUInt32BE(this.#ssrc, 4);
    const ntp = nowMs / 1000 + 2_208_988_800;
    packet.writeUInt32BE(Math.floor(ntp), 8);
    packet.writeUInt32BE(Math.floor((ntp % 1) * 2 ** 32), 12);
    packet.writeUInt32BE(this.#timestamp, 16);
    packet.writeUInt32BE(this.#packets, 20);
    packet.writeUInt32BE(this.#octets >>> 0, 24);
    packet.writeUInt16BE(0x81ca, 28);
    packet.writeUInt16BE(sdesWords, 30);
    packet.writeUInt32BE(this.#ssrc, 32);
    packet.writeUInt8(1, 36);
    packet.writeUInt8(cname.length, 37);
    cname.copy(packet, 38);
    return packet;
  }

  #startDigit(): PressedDigit | undefined {
    const digit = this.#digitAt.get(this.#frame);
    if (digit !== undefined) this.#digitStart = this.#timestamp;
    return digit;
  }

  /** Events share the timestamp of the key's beginning; the last packet goes three times (RFC 4733 2.5.1.4). */
  #sendDigit(digit: PressedDigit): void {
    const elapsed = this.#frame - digit.startFrame + 1;
    const last = elapsed >= digit.frames;
    for (let copy = 0; copy < (last ? 3 : 1); copy++) {
      const packet = this.#packet(telephoneEventPayloadType, this.#digitStart, elapsed === 1, 4);
      packet.writeUInt8("0123456789*#ABCD".indexOf(digit.digit), headerBytes);
      packet.writeUInt8((last ? 0x80 : 0) | 10, headerBytes + 1);
      packet.writeUInt16BE(elapsed * samplesPerFrame, headerBytes + 2);
      this.#transmit(packet);
    }
    if (last) this.#digit = undefined;
  }

  #audioPacket(): Buffer {
    const packet = this.#packet(payloadTypes[this.#audio.codec], this.#timestamp, this.#frame === 0, bytesPerFrame);
    if (this.#mute) packet.fill(silenceByte[this.#audio.codec], headerBytes);
    else packet.set(this.#audio.payload.subarray(this.#frame * bytesPerFrame, (this.#frame + 1) * bytesPerFrame), headerBytes);
    return packet;
  }

  #packet(payloadType: number, timestamp: number, marker: boolean, payloadBytes: number): Buffer {
    const packet = Buffer.alloc(headerBytes + payloadBytes);
    packet.writeUInt8(0x80, 0);
    packet.writeUInt8((marker ? 0x80 : 0) | payloadType, 1);
    packet.writeUInt16BE(this.#sequence, 2);
    packet.writeUInt32BE(timestamp, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#packets++;
    this.#octets += payloadBytes;
    return packet;
  }

  #transmit(packet: Buffer): void {
    const { lossPercent = 0, jitterMs = 0, reorderPercent = 0 } = this.#impairment;
    if (this.#random() * 100 < lossPercent) return;
    if (this.#held !== undefined) {
      this.#deliver(packet, jitterMs);
      this.#deliver(this.#held, jitterMs);
      this.#held = undefined;
    } else if (this.#random() * 100 < reorderPercent) this.#held = packet;
    else this.#deliver(packet, jitterMs);
  }

  #deliver(packet: Buffer, jitterMs: number): void {
    if (jitterMs === 0) {
      this.#send(packet);
      return;
    }
    const late = setTimeout(() => {
      this.#late.delete(late);
      this.#send(packet);
    }, this.#random() * jitterMs);
    this.#late.add(late);
  }
}
