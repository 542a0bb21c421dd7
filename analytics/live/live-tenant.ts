/** The live sockets of one tenant: each batch is written once, as bytes, and handed to every client that can take it. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { LiveCall, LiveEvent, ServerMessage } from "@earshot/proto/api/live.ts";
import { EventRing, type PlacedEvent } from "./event-ring.ts";
import type { LiveClient } from "./live-client.ts";
import { type EventPlace, isBehind, type Positions, sameShape } from "./read-positions.ts";
import type { liveSettings } from "./settings.ts";
import { textFrame } from "./text-frame.ts";

export type LiveCounters = { sent: { inc(by: number): void }; slow: { inc(): void }; cutOff: { inc(): void } };

export type LiveTenantOptions = {
  clock: Clock;
  settings: SettingsOf<typeof liveSettings>;
  calls: () => LiveCall[];
  /** Up to where this process has taken the log in. */
  positions: () => Positions;
  /** Where `add` began to be told. */
  toldFrom: Positions;
  /** For clients: these positions, sealed for this tenant. */
  writeCursor: (positions: Positions) => string;
  counters: LiveCounters;
};

export class LiveTenant {
  readonly clients = new Set<LiveClient>();
  readonly #ring: EventRing;
  readonly #clock: Clock;
  readonly #settings: SettingsOf<typeof liveSettings>;
  readonly #calls: () => LiveCall[];
  readonly #positions: () => Positions;
  readonly #writeCursor: (positions: Positions) => string;
  readonly #counters: LiveCounters;
  /** Come from a process that had read further than this one has. */
  readonly #waiting = new Map<LiveClient, { seen: Positions; untilMs: number }>();
  /** The last answer to a resume: clients of a process that stopped come back together, with one cursor. */
  #resumed: { seen: string; frame: Buffer | undefined } | undefined;
  /** Events of this batch; undefined = replaced by a newer one. */
  #pending: (PlacedEvent | undefined)[] = [];
  #count = 0;
  /** Where the newest partial of a segment stands in `#pending`. */
  #partials = new Map<string, number>();
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  #cancelFlush: (() => void) | undefined;

  constructor(options: LiveTenantOptions) {
    // Whoever missed more than a client may have unsent gets a snapshot: what is older is of use to nobody.
    this.#ring = new EventRing(options.toldFrom, Math.min(options.settings.resumeBytes, options.settings.slowBytes));
    this.#positions = options.positions;
    this.#writeCursor = options.writeCursor;
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#calls = options.calls;
    this.#counters = options.counters;
  }

  /** Of recent messages, for clients that come back. */
  get keptBytes(): number {
    return this.#ring.bytes;
  }

  /** Written down as it is now: the call it may carry changes on. */
  add(event: LiveEvent, place: EventPlace): void {
    if (event.type === "transcript.partial" || event.type === "transcript.final") {
      const id = event.segment.segmentId;
      const before = this.#partials.get(id);
      if (before !== undefined) {
        this.#pending[before] = undefined;
        this.#count -= 1;
      }
      if (event.type === "transcript.partial") this.#partials.set(id, this.#pending.length);
      else this.#partials.delete(id);
    }
    this.#pending.push({ json: JSON.stringify(event), place });
    this.#count += 1;
    if (this.#cancelFlush !== undefined) return;
    // After a quiet time at once (with what else this turn brings), otherwise when the batch's time is over.
    const waitMs = Math.max(0, this.#flushedAtMs + this.#settings.batchMs - this.#clock.monotonicMs());
    this.#cancelFlush = this.#clock.after(waitMs, () => this.flush());
  }

  /** Where a client stands that has everything. To be read when nothing is pending: the positions include it. */
  get cursor(): string {
    return this.#writeCursor(this.#positions());
  }

  /** Sends what has gathered. A slow client gets nothing until it has caught up, then one summary. */
  flush(): void {
    this.#send();
    this.tend();
  }

  #send(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (this.#count === 0) return;
    this.#flushedAtMs = this.#clock.monotonicMs();
    const events = this.#pending.filter((event) => event !== undefined);
    this.#pending = [];
    this.#partials.clear();
    this.#count = 0;
    this.#resumed = undefined;
    const frame = this.#batch(events.map(({ json }) => json));
    this.#ring.add(events, frame.length);
    for (const client of this.clients) {
      if (!client.streaming) continue;
      const unsent = client.unsentBytes;
      if (client.slowSinceMs === undefined && unsent <= this.#settings.slowBytes) {
        client.sendFrame(frame);
        this.#counters.sent.inc(1);
      } else {
        this.#markSlow(client);
        client.droppedEvents += events.length;
      }
    }
  }

  #batch(events: readonly string[]): Buffer {
    return textFrame(`{"type":"batch","cursor":"${this.cursor}","events":[${events.join(",")}]}`);
  }

  /** Looks after the slow ones and those that wait; to be called now and then, also when nothing happens. */
  tend(): void {
    const positions = this.#waiting.size === 0 ? [] : this.#positions();
    for (const [client, { seen, untilMs }] of this.#waiting) {
      const over = this.#clock.monotonicMs() >= untilMs;
      if (!over && this.clients.has(client) && isBehind(positions, seen)) continue;
      this.#waiting.delete(client);
      if (this.clients.has(client)) this.#catchUp(client, over ? undefined : seen);
    }
    for (const client of this.clients) if (client.slowSinceMs !== undefined) this.#tend(client, client.slowSinceMs);
  }

  #tend(client: LiveClient, slowSinceMs: number): void {
    const unsent = client.unsentBytes;
    if (unsent > this.#settings.hardBytes || this.#clock.monotonicMs() - slowSinceMs > this.#settings.slowMs) {
      this.#counters.cutOff.inc();
      client.cutOff();
    } else if (unsent <= this.#settings.slowBytes / 8) {
      // What is pending is in the summary.
      this.#send();
      const droppedEvents = client.droppedEvents;
      client.slowSinceMs = undefined;
      client.droppedEvents = 0;
      client.say({ type: "summary", cursor: this.cursor, droppedEvents, calls: this.#calls() });
    }
  }

  #markSlow(client: LiveClient): void {
    if (client.slowSinceMs !== undefined) return;
    client.slowSinceMs = this.#clock.monotonicMs();
    this.#counters.slow.inc();
  }

  /** First things first: everything that has happened is in the snapshot, nothing comes twice. */
  begin(client: LiveClient): void {
    this.#waiting.delete(client);
    this.#send();
    client.streaming = true;
    if (!this.#isBehind(client)) client.sendFrame(this.#snapshot());
  }

  /** Whether it will be answered as soon as this process has read as far as the client has seen. */
  awaits(client: LiveClient): boolean {
    return this.#waiting.has(client);
  }

  /** One that does not read what it has is given no more: it is slow, and gets a summary once it has caught up. */
  #isBehind(client: LiveClient): boolean {
    if (client.slowSinceMs === undefined && client.unsentBytes <= this.#settings.slowBytes) return false;
    this.#markSlow(client);
    return true;
  }

  /**
   * What was missed since `seen`; a snapshot where that is too long ago, or unknown (undefined). Where the client has seen more than this
   * process has read, the answer waits for the log, `resumeWaitMs` at most: sent at once, what it has seen would come twice.
   */
  resume(client: LiveClient, seen: Positions | undefined): void {
    this.#waiting.delete(client);
    const positions = this.#positions();
    const isAhead = seen !== undefined && sameShape(seen, positions) && isBehind(positions, seen);
    if (isAhead && !client.streaming) this.#waiting.set(client, { seen, untilMs: this.#clock.monotonicMs() + this.#settings.resumeWaitMs });
    else this.#catchUp(client, isAhead ? undefined : seen);
  }

  #catchUp(client: LiveClient, seen: Positions | undefined): void {
    this.#send();
    const late = client.streaming;
    client.streaming = true;
    if (this.#isBehind(client)) return;
    const missed = seen === undefined ? undefined : this.#since(seen);
    if (missed !== undefined) client.sendFrame(missed);
    // A client that has had a snapshot already is not left with the older state that the missed events tell of.
    if (missed === undefined || late) client.sendFrame(this.#snapshot());
  }

  /** @returns undefined where it is too long ago, or more than a client may have unsent */
  #since(seen: Positions): Buffer | undefined {
    const key = JSON.stringify(seen);
    if (this.#resumed?.seen !== key) {
      const missed = this.#ring.since(seen);
      const frame = missed && this.#batch(missed);
      this.#resumed = { seen: key, frame: frame !== undefined && frame.length <= this.#settings.slowBytes ? frame : undefined };
    }
    return this.#resumed.frame;
  }

  #snapshot(): Buffer {
    const message: ServerMessage = { type: "snapshot", cursor: this.cursor, calls: this.#calls() };
    return textFrame(JSON.stringify(message));
  }
}
