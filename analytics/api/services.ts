/** The processes of this installation as they tell of themselves on services.v1, and which of them are silent. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog, LogRecord, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Service } from "@earshot/proto/api/administration.ts";
import { decodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";

export type ServicesOptions = { readonly eventLog: EventLog; readonly clock: Clock; readonly beatMs: number };

const missedBeats = 3;
/** One that never came back is shown for so long. */
const shownGoneMs = 3_600_000;
/** Processes that are remembered at once; the one silent for longest goes first. */
const mostServices = 2000;

type Known = { readonly beat: PayloadOf<"serviceBeat"> /** By the monotonic clock. */; readonly heardAtMs: number };

export class Services implements Component {
  readonly name = "services";
  readonly #options: ServicesOptions;
  /** By instance; the one heard of last is the last. */
  readonly #known = new Map<string, Known>();
  #subscription: Subscription | undefined;

  constructor(options: ServicesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#subscription = await this.#options.eventLog.subscribe({
      topics: [topics.services.name],
      group: "services",
      from: "earliest",
      durable: false,
      handle: (batch) => {
        for (const record of batch) this.#hear(record);
      },
    });
  }

  async stop(_deadlineMs: number): Promise<void> {
    await this.#subscription?.stop();
  }

  /** By service, then by instance. */
  list(): Service[] {
    const { clock, beatMs } = this.#options;
    const now = clock.monotonicMs();
    for (const [instance, { heardAtMs }] of this.#known) if (now - heardAtMs > shownGoneMs) this.#known.delete(instance);
    const services = [...this.#known.values()].map(({ beat, heardAtMs }): Service => {
      const silentMs = now - heardAtMs;
      const reasons = beat.parts.flatMap(({ part, state, detail }) =>
        state === "degraded" || state === "down" ? [{ part, state: state as "degraded" | "down", detail }] : [],
      );
      const worst = reasons.some(({ state }) => state === "down") ? "down" : reasons.length > 0 ? "degraded" : "up";
      return {
        service: beat.service,
        instance: beat.instance,
        version: beat.version,
        startedAt: new Date(beat.startedAtMs).toISOString(),
        heardAt: new Date(clock.now() - silentMs).toISOString(),
        state: silentMs > missedBeats * beatMs ? "gone" : worst,
        reasons,
      };
    });
    return services.sort((a, b) => a.service.localeCompare(b.service) || a.instance.localeCompare(b.instance));
  }

  #hear(record: LogRecord): void {
    if (record.value.length === 0) return;
    const { payload } = decodeEvent(record.value);
    if (payload.case !== "serviceBeat") return;
    const { clock } = this.#options;
    this.#known.delete(record.key);
    if (payload.value.left) return;
    // What is read at the start may be old.
    const ageMs = Math.max(0, clock.now() - record.appendedAtMs);
    this.#known.set(record.key, { beat: payload.value, heardAtMs: clock.monotonicMs() - ageMs });
    if (this.#known.size > mostServices) this.#known.delete(this.#known.keys().next().value!);
  }
}
