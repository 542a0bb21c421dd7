/** The live sockets of one tenant: each batch is written once, as bytes, and handed to every client that can take it. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { LiveCall, LiveEvent, ServerMessage } from "@earshot/proto/api/live.ts";
import { BatchRing } from "./batch-ring.ts";
import type { LiveClient } from "./live-client.ts";
import type { liveSettings } from "./settings.ts";
import { textFrame } from "./text-frame.ts";

export type LiveCounters = { sent: { inc(by: number): void }; slow: { inc(): void }; cutOff: { inc(): void } };

export class LiveTenant {
  readonly clients = new Set<LiveClient>();
  readonly ring: BatchRing;
  readonly #clock: Clock;
  readonly #settings: SettingsOf<typeof liveSettings>;
  readonly #calls: () => LiveCall[];
  readonly #counters: LiveCounters;
  /** Events of this batch, already JSON; undefined = replaced by a newer one. */
  #pending: (string | undefined)[] = [];
  #count = 0;
  /** Where the newest partial of a segment stands in `#pending`. */
  #partials = new Map<string, number>();
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  #cancelFlush: (() => void) | undefined;

  constructor(options: {
    epoch: string;
    clock: Clock;
    settings: SettingsOf<typeof liveSettings>;
    calls: () => LiveCall[];
    counters: LiveCounters;
  }) {
    this.ring = new BatchRing(options.epoch, options.settings.resumeBytes);
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#calls = options.calls;
    this.#counters = options.counters;
  }

  /** Written down as it is now: the call it may carry changes on. */
  add(event: LiveEvent): void {
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
    this.#pending.push(JSON.stringify(event));
    this.#count += 1;
    if (this.#cancelFlush !== undefined) return;
    // After a quiet time at once (with what else this turn brings), otherwise when the batch's time is over.
    const waitMs = Math.max(0, this.#flushedAtMs + this.#settings.batchMs - this.#clock.monotonicMs());
    this.#cancelFlush = this.#clock.after(waitMs, () => this.flush());
  }

  /** Sends what has gathered. A slow client gets nothing until it has caught up, then one summary. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (this.#count > 0) {
      this.#flushedAtMs = this.#clock.monotonicMs();
      const events = this.#pending.filter((event) => event !== undefined);
      this.#pending = [];
      this.#partials.clear();
      this.#count = 0;
      const batch = this.ring.add(events.length, (cursor) => `{"type":"batch","cursor":"${cursor}","events":[${events.join(",")}]}`);
      for (const client of this.clients) {
        if (!client.streaming) continue;
        const unsent = client.unsentBytes;
        if (client.slowSinceMs === undefined && unsent <= this.#settings.slowBytes) {
          client.sendFrame(batch.frame);
          this.#counters.sent.inc(1);
        } else {
          this.#markSlow(client);
          client.droppedEvents += batch.events;
        }
      }
    }
    this.tend();
  }

  /** Looks after the slow ones; to be called now and then, also when nothing happens. */
  tend(): void {
    for (const client of this.clients) if (client.slowSinceMs !== undefined) this.#tend(client, client.slowSinceMs);
  }

  #tend(client: LiveClient, slowSinceMs: number): void {
    const unsent = client.unsentBytes;
    if (unsent > this.#settings.hardBytes || this.#clock.monotonicMs() - slowSinceMs > this.#settings.slowMs) {
      this.#counters.cutOff.inc();
      client.cutOff();
    } else if (unsent <= this.#settings.slowBytes / 8) {
      const droppedEvents = client.droppedEvents;
      client.slowSinceMs = undefined;
      client.droppedEvents = 0;
      client.say({ type: "summary", cursor: this.ring.cursor, droppedEvents, calls: this.#calls() });
    }
  }

  #markSlow(client: LiveClient): void {
    if (client.slowSinceMs !== undefined) return;
    client.slowSinceMs = this.#clock.monotonicMs();
    this.#counters.slow.inc();
  }

  /** First things first: everything that has happened is in the snapshot, nothing comes twice. */
  begin(client: LiveClient): void {
    this.flush();
    client.streaming = true;
    if (!this.#isBehind(client)) client.sendFrame(this.#snapshot());
  }

  /** One that does not read what it has is given no more: it is slow, and gets a summary once it has caught up. */
  #isBehind(client: LiveClient): boolean {
    if (client.slowSinceMs === undefined && client.unsentBytes <= this.#settings.slowBytes) return false;
    this.#markSlow(client);
    return true;
  }

  /** What was missed since the cursor; a snapshot where that is too long ago. */
  resume(client: LiveClient, cursor: string): void {
    this.flush();
    const missed = this.ring.since(cursor);
    const late = client.streaming;
    client.streaming = true;
    if (this.#isBehind(client)) return;
    const bytes = missed?.reduce((sum, batch) => sum + batch.frame.length, 0) ?? 0;
    const tooMuch = bytes > this.#settings.slowBytes;
    if (missed !== undefined && !tooMuch) for (const batch of missed) client.sendFrame(batch.frame);
    // A client that has had a snapshot already is not left with the older state that the missed batches tell of.
    if (missed === undefined || tooMuch || late) client.sendFrame(this.#snapshot());
  }

  #snapshot(): Buffer {
    const message: ServerMessage = { type: "snapshot", cursor: this.ring.cursor, calls: this.#calls() };
    return textFrame(JSON.stringify(message));
  }
}
