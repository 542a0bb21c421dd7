/**
 * The pairs of ports (even RTP, odd RTCP) of the configured range. A pair that was used stays bound for the drain time and drops what
 * still arrives, so that one call's late packets never reach another's.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { BindMediaSocket, MediaSocket } from "./media-socket.ts";
import type { LegPorts } from "./port.ts";
import type { DatagramReceiver } from "./rtp-socket.ts";

export type BoundPair = { readonly ports: LegPorts; readonly rtp: MediaSocket; readonly rtcp: MediaSocket };

export type PortPoolOptions = {
  from: number;
  to: number;
  host: string;
  receiveBufferBytes: number;
  drainMs: number;
  clock: Clock;
  bind: BindMediaSocket;
  /** Takes what comes for a pair that serves no call (any more). */
  stray: DatagramReceiver;
};

export class PortPool {
  readonly #options: PortPoolOptions;
  readonly #first: number;
  readonly #count: number;
  /** By index of the pair: allocated, being bound, or draining. */
  readonly #taken: Uint8Array;
  readonly #bound = new Map<number, BoundPair>();
  readonly #cancelDrain = new Map<number, () => void>();
  readonly #closing = new Set<Promise<unknown>>();
  #free: number;
  /** Pairs are handed out in turn, from a random start: the longest-unused port next, and no peer can guess it from outside. */
  #cursor: number;

  constructor(options: PortPoolOptions) {
    this.#options = options;
    this.#first = options.from + (options.from & 1);
    this.#count = Math.max(0, Math.floor((options.to - this.#first + 1) / 2));
    this.#taken = new Uint8Array(this.#count);
    this.#free = this.#count;
    this.#cursor = Math.floor(Math.random() * Math.max(1, this.#count));
  }

  get free(): number {
    return this.#free;
  }

  /** @throws EarshotError unavailable `rtp_ports_exhausted` | what binding throws, other than a port in use */
  async allocate(): Promise<LegPorts> {
    // A port that another process holds is passed over; after one round there is none left.
    for (let tries = 0; tries < this.#count && this.#free > 0; tries++) {
      const index = this.#nextFree();
      if (index < 0) break;
      this.#taken[index] = 1;
      this.#free--;
      let pair: BoundPair | undefined;
      try {
        pair = await this.#bind(this.#first + index * 2);
      } finally {
        if (pair === undefined) {
          this.#taken[index] = 0;
          this.#free++;
        }
      }
      if (pair !== undefined) {
        this.#bound.set(pair.ports.rtpPort, pair);
        return pair.ports;
      }
    }
    throw new EarshotError("unavailable", "rtp_ports_exhausted", "No free pair of RTP ports is left.", {
      remedy: "Widen EARSHOT_RTP_PORTS: every leg takes two ports, and keeps them for EARSHOT_RTP_DRAIN_MS after its end.",
      retryAfterMs: 5000,
    });
  }

  /** @returns the sockets of an allocated pair */
  bound(ports: LegPorts): BoundPair | undefined {
    return this.#cancelDrain.has(ports.rtpPort) ? undefined : this.#bound.get(ports.rtpPort);
  }

  /** Gives a pair back; `drain` where it may have been told to a peer. */
  release(ports: LegPorts, drain: boolean): void {
    const pair = this.bound(ports);
    if (pair === undefined) return;
    pair.rtp.giveTo(this.#options.stray);
    pair.rtcp.giveTo(nobody);
    if (!drain || this.#options.drainMs === 0) this.#close(pair);
    else
      this.#cancelDrain.set(
        ports.rtpPort,
        this.#options.clock.after(this.#options.drainMs, () => this.#close(pair)),
      );
  }

  /** Closes every socket. */
  async stop(): Promise<void> {
    for (const pair of [...this.#bound.values()]) this.#close(pair);
    await Promise.all(this.#closing);
  }

  #close(pair: BoundPair): void {
    const port = pair.ports.rtpPort;
    this.#cancelDrain.get(port)?.();
    this.#cancelDrain.delete(port);
    this.#bound.delete(port);
    const closing = Promise.all([pair.rtp.close(), pair.rtcp.close()]).then(() => {
      this.#taken[(port - this.#first) / 2] = 0;
      this.#free++;
      this.#closing.delete(closing);
    });
    this.#closing.add(closing);
  }

  #nextFree(): number {
    for (let i = 0; i < this.#count; i++) {
      const index = this.#cursor;
      this.#cursor = (this.#cursor + 1) % this.#count;
      if (this.#taken[index] === 0) return index;
    }
    return -1;
  }

  async #bind(rtpPort: number): Promise<BoundPair | undefined> {
    const { host, receiveBufferBytes, stray, bind } = this.#options;
    let rtp: MediaSocket | undefined;
    try {
      rtp = await bind(host, rtpPort, receiveBufferBytes, stray);
      const rtcp = await bind(host, rtpPort + 1, 16_384, nobody);
      return { ports: { rtpPort, rtcpPort: rtpPort + 1 }, rtp, rtcp };
    } catch (error) {
      await rtp?.close();
      if (error instanceof EarshotError && error.code === "rtp_port_in_use") return undefined;
      throw error;
    }
  }
}

const nobody: DatagramReceiver = { onDatagram() {} };
