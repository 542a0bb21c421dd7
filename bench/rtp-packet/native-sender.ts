/**
 * Sends many RTP streams from one socket with sendmmsg(2), so that the sender takes little of the machine that is measured. The packets lie
 * in one block of native memory; between two rounds only sequence numbers and timestamps change. Linux, 64 bit.
 */
import { createRequire } from "node:module";

type Native = {
  load(library: string): { func(signature: string): (...args: unknown[]) => unknown };
  address(pointer: unknown): bigint;
  view(pointer: unknown, length: number): ArrayBuffer;
};

const headerBytes = 12;
const audioBytes = 160;
const packetBytes = headerBytes + audioBytes;
const messageBytes = 64;
const vectorBytes = 16;
const addressBytes = 16;
/** The kernel takes no more at once (UIO_MAXIOV). */
const batch = 1000;
const dontWait = 0x40;

export class NativeSender {
  readonly streams: number;
  /** Ports of the parties. */
  readonly parties: readonly number[];
  #sent = 0;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #audio: Uint8Array | undefined;
  #round = 0;
  readonly #messages: bigint;
  readonly #packets: number;
  readonly #fd: number;
  readonly #partyFds: number[] = [];
  readonly #inbound: number;
  readonly #recvmmsg: (...args: unknown[]) => unknown;
  readonly #sendmmsg: (...args: unknown[]) => unknown;

  /** @param audio G.711 that each stream plays from a place of its own; absent: each sends one and the same noise all the time */
  constructor(streams: number, audio?: Uint8Array) {
    this.#audio = audio;
    // The pipeline's binding to native engines serves here too.
    const native = createRequire(import.meta.resolve("@earshot/media-pipeline/package.json"))("koffi") as Native;
    const libc = native.load("libc.so.6");
    this.#recvmmsg = libc.func("int recvmmsg(int, uint64_t, uint32_t, int, uint64_t)");
    this.#sendmmsg = libc.func("int sendmmsg(int, uint64_t, uint32_t, int)");
    const socket = libc.func("int socket(int, int, int)");
    const bind = libc.func("int bind(int, uint64_t, uint32_t)");
    const getsockname = libc.func("int getsockname(int, uint64_t, uint64_t)");

    this.streams = streams;
    const addresses = streams * messageBytes;
    const vectors = addresses + (streams + 1) * addressBytes;
    this.#packets = vectors + streams * vectorBytes;
    const total = this.#packets + streams * packetBytes + 64 + batch * (messageBytes + vectorBytes) + packetBytes;
    const block = libc.func("void *malloc(size_t)")(total);
    const base = native.address(block);
    this.#messages = base;
    const view = new DataView(native.view(block, total));
    this.#bytes = new Uint8Array(view.buffer).fill(0);
    this.#view = view;
    const random = new Uint32Array([12_345]);
    for (let i = 0; i < streams; i++) {
      const message = i * messageBytes;
      view.setBigUint64(message, base + BigInt(addresses + i * addressBytes), true);
      view.setUint32(message + 8, addressBytes, true);
      view.setBigUint64(message + 16, base + BigInt(vectors + i * vectorBytes), true);
      view.setBigUint64(message + 24, 1n, true);
      view.setBigUint64(vectors + i * vectorBytes, base + BigInt(this.#packets + i * packetBytes), true);
      view.setBigUint64(vectors + i * vectorBytes + 8, BigInt(packetBytes), true);
      const packet = this.#packets + i * packetBytes;
      view.setUint16(packet, 0x8008);
      view.setUint16(packet + 2, i & 0xffff);
      view.setUint32(packet + 8, 0x10000 + i);
      for (let b = 12; b < packetBytes; b++) {
        random[0] = random[0]! * 1_103_515_245 + 12_345;
        view.setUint8(packet + b, random[0]! >>> 24);
      }
    }
    this.#fd = socket(2, 2, 0) as number;
    const own = addresses + streams * addressBytes;
    this.#putAddress(own, 0);
    const ownAddress = base + BigInt(own);
    if (this.#fd < 0 || bind(this.#fd, ownAddress, addressBytes) !== 0) throw new Error("The sender cannot open its socket.");
    const scratch = this.#packets + streams * packetBytes;
    // The parties that a forwarding peer sends to: a port of its own for each, as in life.
    const parties: number[] = [];
    for (let i = 0; i < streams; i++) {
      const fd = socket(2, 2, 0) as number;
      this.#putAddress(own, 0);
      if (fd < 0 || bind(fd, ownAddress, addressBytes) !== 0) throw new Error("The sender cannot open its parties' sockets.");
      view.setUint32(scratch, addressBytes, true);
      getsockname(fd, ownAddress, base + BigInt(scratch));
      parties.push(view.getUint16(own + 2));
      this.#partyFds.push(fd);
    }
    this.parties = parties;
    this.#inbound = vectors + streams * vectorBytes + streams * packetBytes + 64;
    for (let i = 0; i < batch; i++) {
      const message = this.#inbound + i * messageBytes;
      const vector = this.#inbound + batch * messageBytes + i * vectorBytes;
      view.setBigUint64(message + 16, base + BigInt(vector), true);
      view.setBigUint64(message + 24, 1n, true);
      view.setBigUint64(vector, base + BigInt(this.#inbound + batch * (messageBytes + vectorBytes)), true);
      view.setBigUint64(vector + 8, BigInt(packetBytes), true);
    }
    this.aim(new Array(streams).fill(9));
  }

  /** Reads what a forwarding peer has sent to the parties `from` up to `to`. @returns datagrams read */
  drain(from: number, to: number): number {
    let read = 0;
    for (let i = from; i < to; i++) {
      const done = this.#recvmmsg(this.#partyFds[i]!, this.#messages + BigInt(this.#inbound), batch, dontWait, 0) as number;
      if (done > 0) read += done;
    }
    return read;
  }

  get sent(): number {
    return this.#sent;
  }

  aim(ports: readonly number[]): void {
    for (let i = 0; i < this.streams; i++) this.#putAddress(this.streams * messageBytes + i * addressBytes, ports[i]!);
  }

  #putAddress(at: number, port: number): void {
    this.#view.setUint16(at, 2, true);
    this.#view.setUint16(at + 2, port);
    this.#view.setUint32(at + 4, 0x7f000001);
  }

  /** One packet of each stream `from` up to `to`. */
  sendRound(from: number, to: number): void {
    const view = this.#view;
    const audio = this.#audio;
    if (from === 0) this.#round++;
    for (let i = from; i < to; i++) {
      const packet = this.#packets + i * packetBytes;
      if (audio !== undefined) {
        const at = ((i * 7919 + this.#round) * audioBytes) % (audio.length - audioBytes);
        this.#bytes.set(audio.subarray(at, at + audioBytes), packet + headerBytes);
      }
      view.setUint16(packet + 2, view.getUint16(packet + 2) + 1);
      view.setUint32(packet + 4, view.getUint32(packet + 4) + 160);
    }
    for (let at = from; at < to; ) {
      const count = Math.min(batch, to - at);
      const done = this.#sendmmsg(this.#fd, this.#messages + BigInt(at * messageBytes), count, 0) as number;
      // A port that nobody listens on any more reports itself on the next send: go on behind it.
      if (done > 0) {
        this.#sent += done;
        at += done;
      } else at++;
    }
  }
}
