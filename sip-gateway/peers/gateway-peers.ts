/**
 * The gateways on one event log know one another by their beats on gateways.v1: who lives, who has room, who is gone for good. Time is judged
 * by when beats are read here, on the monotonic clock, and only while our own come back: a log that is away makes nobody lost.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog, LogRecord, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { decodeEvent, encodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { SipTransport } from "../signalling/port.ts";

export type PeerAddress = { readonly transport: SipTransport; readonly address: string; readonly port: number };
export type GatewayState = {
  readonly addresses: readonly PeerAddress[];
  readonly liveCalls: number;
  readonly room: number;
  readonly draining: boolean;
};

export type GatewayPeersOptions = {
  readonly gatewayId: string;
  readonly beatMs: number;
  readonly lostMs: number;
  readonly eventLog: EventLog;
  readonly clock: Clock;
  readonly log: Log;
  /** What this gateway says of itself now. */
  state(): GatewayState;
  /** A gateway is gone for good, and it falls to this one to end its calls. Called again after a failure. */
  lost(gatewayId: string): Promise<void>;
};

type Known = { beat: PayloadOf<"gatewayBeat">; heardAtMs: number; settled: boolean };

/** A peer that missed so many beats gets no callers; it is far from lost. */
const missedBeats = 3;

export class GatewayPeers {
  readonly #options: GatewayPeersOptions;
  readonly #startedAtMs: number;
  readonly #known = new Map<string, Known>();
  /** Since when our own beats come back without a gap; undefined: they do not. */
  #hearingSinceMs: number | undefined;
  #subscription: Subscription | undefined;
  #cancelBeat = () => {};
  #ending = false;

  constructor(options: GatewayPeersOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.now();
  }

  async start(): Promise<void> {
    const { eventLog, gatewayId, clock, beatMs } = this.#options;
    this.#subscription = await eventLog.subscribe({
      topics: [topics.gateways.name],
      group: `gateway-peers-${gatewayId}`,
      from: "earliest",
      durable: false,
      handle: (batch) => this.#hear(batch),
    });
    this.beat();
    this.#cancelBeat = clock.every(beatMs, () => {
      this.beat();
      this.#judge();
    });
  }

  /** Says that this gateway has left, so that nobody waits for it. */
  async stop(): Promise<void> {
    this.#cancelBeat();
    this.beat(true);
    await this.#subscription?.stop();
    this.#subscription = undefined;
  }

  /** Tells the others how this gateway is, now. A log that is away is not told: an old beat says nothing. */
  beat(left = false): void {
    const { eventLog, gatewayId, clock } = this.#options;
    if (eventLog.health().state !== "up") return;
    const { addresses, ...state } = this.#options.state();
    const now = clock.now();
    const value = { gatewayId, startedAtMs: this.#startedAtMs, addresses: [...addresses], ...state, left };
    eventLog.append(
      topics.gateways.name,
      gatewayId,
      encodeEvent({ id: `${gatewayId}-beat-${now}`, tenantId: "", callId: "", occurredAtMs: now, payload: { case: "gatewayBeat", value } }),
    );
  }

  /** Where a caller of this transport is taken that we cannot take: the living peer with the most room. */
  withRoom(transport: SipTransport): PeerAddress | undefined {
    const { gatewayId, clock, beatMs } = this.#options;
    const now = clock.monotonicMs();
    let best: { room: number; address: PeerAddress } | undefined;
    for (const [id, { beat, heardAtMs }] of this.#known) {
      if (id === gatewayId || beat.left || beat.draining || beat.room <= (best?.room ?? 0) || now - heardAtMs > missedBeats * beatMs)
        continue;
      const address = beat.addresses.find((one) => one.transport === transport);
      if (address !== undefined) best = { room: beat.room, address: { transport, address: address.address, port: address.port } };
    }
    return best?.address;
  }

  #hear(batch: readonly LogRecord[]): void {
    const { gatewayId, clock, log } = this.#options;
    const now = clock.monotonicMs();
    for (const record of batch) {
      try {
        const { payload } = decodeEvent(record.value);
        if (payload.case !== "gatewayBeat") continue;
        this.#known.set(record.key, { beat: payload.value, heardAtMs: now, settled: false });
      } catch {
        log.warn({ offset: record.offset }, "A beat of a gateway could not be read");
      }
      if (record.key === gatewayId) this.#hearingSinceMs ??= now;
    }
  }

  #judge(): void {
    const { gatewayId, clock, beatMs, lostMs, log } = this.#options;
    const now = clock.monotonicMs();
    const own = this.#known.get(gatewayId);
    if (own === undefined || now - own.heardAtMs > missedBeats * beatMs) {
      this.#hearingSinceMs = undefined;
      return;
    }
    if (this.#ending || this.#hearingSinceMs === undefined || now - this.#hearingSinceMs < lostMs) return;
    const living = [...this.#known].filter(([, { beat, heardAtMs }]) => !beat.left && now - heardAtMs < lostMs).map(([id]) => id);
    if (living.some((id) => id < gatewayId)) return;
    for (const [id, known] of this.#known) {
      if (known.settled || known.beat.left || now - known.heardAtMs < lostMs) continue;
      this.#ending = true;
      this.#options
        .lost(id)
        .then(
          () => {
            known.settled = true;
          },
          (err: unknown) => log.warn({ err, gatewayId: id }, "The calls of a lost gateway could not be ended, tried again"),
        )
        .finally(() => {
          this.#ending = false;
        });
      return;
    }
  }
}
