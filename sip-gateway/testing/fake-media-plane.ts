/** A media plane without sockets: hands out port numbers and remembers what signalling asked for. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import type { LegDescription, LegEvents, LegMedia, LegPorts, LegTotals, MediaPlane } from "../media/port.ts";

export type FakeLeg = {
  readonly tenant: TenantId;
  readonly call: CallId;
  readonly index: number;
  readonly ports: LegPorts;
  readonly events: LegEvents;
  description: LegDescription;
  paused: boolean;
  closed: boolean;
  lastPacketMs: number | undefined;
};

export class FakeMediaPlane implements MediaPlane {
  readonly name = "fake-media-plane";
  readonly legs: FakeLeg[] = [];
  /** Awaited by each allocation, so that a test can hold an INVITE open. */
  gate: Promise<void> = Promise.resolve();
  totals: LegTotals = { packetsReceived: 0, packetsExpected: 0, packetsLost: 0 };
  readonly #capacity: number;
  readonly #used = new Set<number>();

  constructor(capacity = 1000) {
    this.#capacity = capacity;
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  async allocate(): Promise<LegPorts> {
    await this.gate;
    for (let slot = 0; slot < this.#capacity; slot++) {
      const rtpPort = 30_000 + slot * 2;
      if (this.#used.has(rtpPort)) continue;
      this.#used.add(rtpPort);
      return { rtpPort, rtcpPort: rtpPort + 1 };
    }
    throw new EarshotError("unavailable", "rtp_ports_exhausted", "No RTP port is free.");
  }

  release(ports: LegPorts): void {
    this.#used.delete(ports.rtpPort);
  }

  open(
    tenant: TenantId,
    call: CallId,
    index: number,
    _originMs: number,
    ports: LegPorts,
    description: LegDescription,
    events: LegEvents,
  ): LegMedia {
    const leg: FakeLeg = { tenant, call, index, ports, events, description, paused: false, closed: false, lastPacketMs: undefined };
    this.legs.push(leg);
    return {
      ports,
      update: (next) => {
        leg.description = next;
      },
      setPaused: (paused) => {
        leg.paused = paused;
      },
      lastPacketMs: () => leg.lastPacketMs,
      close: () => {
        leg.closed = true;
        this.#used.delete(ports.rtpPort);
        return this.totals;
      },
    };
  }

  freePairs(): number {
    return this.#capacity - this.#used.size;
  }

  get usedPairs(): number {
    return this.#used.size;
  }
}
