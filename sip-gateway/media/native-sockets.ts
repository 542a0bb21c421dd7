/**
 * UDP sockets read through libc: one epoll set for all of them, looked at every few milliseconds, and recvmmsg(2) into memory that is used
 * again and again. On thousands of sockets that costs a fraction of node:dgram, which takes a turn of its event loop, a buffer and two
 * objects for each datagram. Linux on 64 bit, IPv4; elsewhere there is `RtpSocket`.
 */
import { createRequire } from "node:module";
import { isIPv4 } from "node:net";
import { endianness } from "node:os";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { MediaSocket } from "./media-socket.ts";
import type { DatagramReceiver } from "./rtp-socket.ts";

type Call = (...args: (number | Uint8Array | null)[]) => number;
type Libc = {
  readonly errno: () => number;
  /** Where the memory lies. It does not move while it is referred to. */
  readonly addressOf: (memory: ArrayBuffer) => number;
  readonly socket: Call;
  readonly bind: Call;
  readonly getsockname: Call;
  readonly setsockopt: Call;
  readonly epollCreate: Call;
  readonly epollControl: Call;
  readonly epollWait: Call;
  readonly receive: Call;
  readonly sendTo: Call;
  readonly close: Call;
  readonly clockGetTime: Call;
};

// Of the kernel's interface, alike on x86-64 and arm64.
const addressFamilyInet = 2;
const datagramNonBlockCloseOnExec = 2 | 0o4000 | 0o2000000;
const socketLevel = 1;
const receiveBuffer = 8;
/** SO_TIMESTAMPNS: the kernel says when each datagram came, so that looking only now and then costs jitter and drift no precision. */
const timestamps = 35;
const clockRealTime = 0;
/** struct cmsghdr and struct timespec */
const controlBytes = 32;
const closeOnExec = 0o2000000;
const epollAdd = 1;
const epollIn = 1;
const dontWait = 0x40;
const addressInUse = 98;
const messageBytes = 64;
const vectorBytes = 16;
const addressBytes = 16;
/** struct epoll_event is packed on x86-64 only. */
const eventBytes = process.arch === "x64" ? 12 : 16;

/** Datagrams of one socket taken at a time: what is left waits for the next round, so that no port can starve the others. */
const datagrams = 16;
/** Sockets taken from the set at a time. */
const maxEvents = 512;
/**
 * Rounds of one look while there are more ready, or more in one of them, than fit: a flood on a port is taken as it comes, so that it does
 * not push the packets of the port's own stream out of the kernel's buffer.
 */
const maxRounds = 16;
/** Adds half of itself to a packet's way, on average; a whole turn of a stream is 20 ms. */
const lookEveryMs = 4;
/** Longer than any stall that a call survives. */
const maxAgeMs = 5000;

/** @returns undefined where there is no such libc */
function loadLibc(): Libc | undefined {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64") || endianness() !== "LE") return undefined;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const library = koffi.load("libc.so.6");
    return {
      errno: () => koffi.errno(),
      addressOf: (memory) => Number(koffi.address(memory)),
      socket: library.func("int socket(int, int, int)"),
      bind: library.func("int bind(int, const uint8_t *, uint32_t)"),
      getsockname: library.func("int getsockname(int, _Out_ uint8_t *, _Inout_ uint8_t *)"),
      setsockopt: library.func("int setsockopt(int, int, int, const uint8_t *, uint32_t)"),
      epollCreate: library.func("int epoll_create1(int)"),
      epollControl: library.func("int epoll_ctl(int, int, int, const uint8_t *)"),
      epollWait: library.func("int epoll_wait(int, uint64_t, int, int)"),
      receive: library.func("int recvmmsg(int, uint64_t, uint32_t, int, uint64_t)"),
      sendTo: library.func("int sendto(int, const uint8_t *, uint64_t, int, const uint8_t *, uint32_t)"),
      close: library.func("int close(int)"),
      clockGetTime: library.func("int clock_gettime(int, uint64_t)"),
    };
  } catch {
    return undefined;
  }
}

/** struct sockaddr_in */
function socketAddress(host: string, port: number): Uint8Array {
  const bytes = new Uint8Array(addressBytes);
  bytes[0] = addressFamilyInet;
  bytes[2] = port >>> 8;
  bytes[3] = port & 0xff;
  bytes.set(host.split(".").map(Number), 4);
  return bytes;
}

export class NativeSocket implements MediaSocket {
  readonly port: number;
  readonly fd: number;
  receiver: DatagramReceiver;
  /** The last datagram's source as the kernel writes it, and as text: it hardly ever changes. */
  peerWord = 0;
  peerAddressWord = 0;
  peerAddress = "";
  peerPort = 0;
  readonly #owner: NativeSockets;

  constructor(owner: NativeSockets, fd: number, port: number, receiver: DatagramReceiver) {
    this.#owner = owner;
    this.fd = fd;
    this.port = port;
    this.receiver = receiver;
  }

  giveTo(receiver: DatagramReceiver): void {
    this.receiver = receiver;
  }

  send(bytes: Uint8Array, address: string, port: number): boolean {
    return this.#owner.send(this, bytes, address, port);
  }

  async close(): Promise<void> {
    this.#owner.close(this);
  }
}

export class NativeSockets {
  readonly #libc: Libc;
  readonly #clock: Clock;
  /** -1 once stopped. */
  #epoll: number;
  /** By file descriptor. */
  readonly #sockets: (NativeSocket | undefined)[] = [];
  #open = 0;
  readonly #base: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #slotBytes: number;
  readonly #namesAt: number;
  readonly #controlAt: number;
  /** struct timespec of the present look. */
  readonly #timeAt: number;
  readonly #eventsAt: number;
  readonly #dataAt: number;
  /** By slot: what the last datagram in it was handed over as. Most streams' packets are of one length. */
  readonly #packets: Uint8Array[] = [];
  #stopLooking = (): void => {};

  private constructor(libc: Libc, epoll: number, maxPacketBytes: number, clock: Clock) {
    this.#libc = libc;
    this.#epoll = epoll;
    this.#clock = clock;
    // One byte more: a datagram that is cut off is still seen to be too long.
    this.#slotBytes = (maxPacketBytes + 64) & ~63;
    const vectorsAt = datagrams * messageBytes;
    this.#namesAt = vectorsAt + datagrams * vectorBytes;
    this.#controlAt = this.#namesAt + datagrams * addressBytes;
    this.#timeAt = this.#controlAt + datagrams * controlBytes;
    this.#eventsAt = this.#timeAt + 16;
    this.#dataAt = (this.#eventsAt + maxEvents * eventBytes + 63) & ~63;
    const memory = new ArrayBuffer(this.#dataAt + datagrams * this.#slotBytes);
    const address = libc.addressOf(memory);
    this.#base = address;
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory, 0, this.#dataAt >> 2);
    const view = new DataView(memory);
    for (let i = 0; i < datagrams; i++) {
      const message = i * messageBytes;
      const vector = vectorsAt + i * vectorBytes;
      view.setBigUint64(message, BigInt(address + this.#namesAt + i * addressBytes), true);
      view.setUint32(message + 8, addressBytes, true);
      view.setBigUint64(message + 16, BigInt(address + vector), true);
      view.setBigUint64(message + 24, 1n, true);
      view.setBigUint64(message + 32, BigInt(address + this.#controlAt + i * controlBytes), true);
      view.setUint32(message + 40, controlBytes, true);
      view.setBigUint64(vector, BigInt(address + this.#dataAt + i * this.#slotBytes), true);
      view.setBigUint64(vector + 8, BigInt(this.#slotBytes), true);
      this.#packets.push(this.#bytes.subarray(0, 0));
    }
  }

  /** @returns undefined where the platform or the address does not allow it */
  static create(host: string, maxPacketBytes: number, clock: Clock): NativeSockets | undefined {
    if (!isIPv4(host)) return undefined;
    const libc = loadLibc();
    const epoll = libc?.epollCreate(closeOnExec) ?? -1;
    return libc === undefined || epoll < 0 ? undefined : new NativeSockets(libc, epoll, maxPacketBytes, clock);
  }

  /**
   * @param port 0 = any
   * @throws EarshotError conflict `rtp_port_in_use` | unavailable `rtp_port_unusable`
   */
  async bind(host: string, port: number, receiveBufferBytes: number, receiver: DatagramReceiver): Promise<NativeSocket> {
    const libc = this.#libc;
    if (this.#epoll < 0) throw unusable(port, 0);
    const fd = libc.socket(addressFamilyInet, datagramNonBlockCloseOnExec, 0);
    if (fd < 0) throw unusable(port, libc.errno());
    const fail = (): EarshotError => {
      const errno = libc.errno();
      libc.close(fd);
      return errno === addressInUse
        ? new EarshotError("conflict", "rtp_port_in_use", "The RTP port is in use.", { details: { port } })
        : unusable(port, errno);
    };
    const size = new Uint8Array(new Int32Array([receiveBufferBytes]).buffer);
    if (libc.setsockopt(fd, socketLevel, receiveBuffer, size, 4) < 0) throw fail();
    if (libc.setsockopt(fd, socketLevel, timestamps, Uint8Array.of(1, 0, 0, 0), 4) < 0) throw fail();
    if (libc.bind(fd, socketAddress(host, port), addressBytes) < 0) throw fail();
    const name = new Uint8Array(addressBytes);
    if (libc.getsockname(fd, name, Uint8Array.of(addressBytes, 0, 0, 0)) < 0) throw fail();
    const event = new DataView(new ArrayBuffer(eventBytes));
    event.setUint32(0, epollIn, true);
    event.setInt32(eventBytes - 8, fd, true);
    if (libc.epollControl(this.#epoll, epollAdd, fd, new Uint8Array(event.buffer)) < 0) throw fail();
    const socket = new NativeSocket(this, fd, (name[2]! << 8) | name[3]!, receiver);
    this.#sockets[fd] = socket;
    if (this.#open++ === 0) this.#stopLooking = this.#clock.every(lookEveryMs, () => this.#look());
    return socket;
  }

  send(socket: NativeSocket, bytes: Uint8Array, address: string, port: number): boolean {
    if (!Number.isInteger(port) || port < 1 || port > 65_535 || this.#sockets[socket.fd] !== socket || !isIPv4(address)) return false;
    return this.#libc.sendTo(socket.fd, bytes, bytes.length, dontWait, socketAddress(address, port), addressBytes) >= 0;
  }

  /** A closed descriptor leaves the epoll set by itself. */
  close(socket: NativeSocket): void {
    if (this.#sockets[socket.fd] !== socket) return;
    this.#sockets[socket.fd] = undefined;
    this.#libc.close(socket.fd);
    if (--this.#open === 0) this.#stopLooking();
  }

  /** Closes every socket that is left, and the set. */
  stop(): void {
    for (const socket of this.#sockets) if (socket !== undefined) this.close(socket);
    if (this.#epoll >= 0) this.#libc.close(this.#epoll);
    this.#epoll = -1;
  }

  /** Takes what has arrived. */
  #look(): void {
    const words = this.#words;
    const first = this.#eventsAt >> 2;
    const step = eventBytes >> 2;
    const fdAt = (eventBytes - 8) >> 2;
    const nowMs = this.#clock.monotonicMs();
    this.#libc.clockGetTime(clockRealTime, this.#base + this.#timeAt);
    for (let round = 0; round < maxRounds; round++) {
      const ready = this.#libc.epollWait(this.#epoll, this.#base + this.#eventsAt, maxEvents, 0);
      let more = ready === maxEvents;
      for (let i = 0; i < ready; i++) {
        const socket = this.#sockets[words[first + i * step + fdAt]!];
        if (socket !== undefined && this.#read(socket, nowMs) === datagrams) more = true;
      }
      if (!more) return;
    }
  }

  /** @returns datagrams taken */
  #read(socket: NativeSocket, nowMs: number): number {
    const words = this.#words;
    const time = this.#timeAt >> 2;
    const count = this.#libc.receive(socket.fd, this.#base, datagrams, dontWait, 0);
    for (let i = 0; i < count; i++) {
      const name = (this.#namesAt + i * addressBytes) >> 2;
      const peerWord = words[name]!;
      const peerAddressWord = words[name + 1]!;
      if (peerWord !== socket.peerWord || peerAddressWord !== socket.peerAddressWord) this.#readPeer(socket, peerWord, peerAddressWord);
      const message = (i * messageBytes) >> 2;
      const length = words[message + 14]!;
      let ageMs = 0;
      if (words[message + 10] === controlBytes) {
        const stamp = (this.#controlAt + i * controlBytes + 16) >> 2;
        ageMs = ((words[time]! - words[stamp]!) | 0) * 1000 + (words[time + 2]! - words[stamp + 2]!) / 1e6;
        // What came during the look is a little younger than it; a wall clock that is set meanwhile means nothing.
        if (ageMs > maxAgeMs || ageMs < -maxAgeMs) ageMs = 0;
      }
      words[message + 10] = controlBytes;
      let packet = this.#packets[i]!;
      if (packet.length !== length) {
        const at = this.#dataAt + i * this.#slotBytes;
        packet = this.#bytes.subarray(at, at + length);
        this.#packets[i] = packet;
      }
      try {
        socket.receiver.onDatagram(packet, socket.peerAddress, socket.peerPort, nowMs - ageMs);
      } catch (error) {
        socket.receiver.onFault?.(error);
      }
    }
    return count;
  }

  #readPeer(socket: NativeSocket, word: number, addressWord: number): void {
    socket.peerWord = word;
    socket.peerAddressWord = addressWord;
    socket.peerPort = ((word >>> 24) & 0xff) | ((word >>> 8) & 0xff00);
    socket.peerAddress = `${addressWord & 0xff}.${(addressWord >>> 8) & 0xff}.${(addressWord >>> 16) & 0xff}.${addressWord >>> 24}`;
  }
}

function unusable(port: number, errno: number): EarshotError {
  return new EarshotError("unavailable", "rtp_port_unusable", "The RTP port cannot be bound.", { details: { port, errno } });
}
