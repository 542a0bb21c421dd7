/** The records that a consumer could not handle, from dead-letter.v1, and what people did with them. Kept in memory without their bytes. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog, LogRecord, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { deadLetter } from "@earshot/proto/api/queue.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, encodeEvent } from "@earshot/proto/event.ts";
import { DeadLetterSettled_Outcome as Outcome } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topicNamed, topics } from "@earshot/proto/topics.ts";
import type { z } from "zod";

export type DeadLetter = z.infer<typeof deadLetter>;
type Settlement = { readonly state: "replayed" | "discarded"; readonly by: string; readonly at: string };
type Kept = { readonly tenant: string; readonly letter: DeadLetter; readonly partition: number; readonly offset: number };

export type DeadLettersOptions = {
  readonly eventLog: EventLog;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Letters that are listed; beyond, the oldest is no longer. It stays on the log. */
  readonly listed: number;
};

/** A tenant's administrators see their own letters, the installation's own those that are nobody's too. */
export type Reader = { readonly tenant: TenantId; readonly seesUnclaimed: boolean };

export class DeadLetters implements Component {
  readonly name = "dead-letters";
  readonly #options: DeadLettersOptions;
  /** By the letter's id; the one that came last is the last. */
  readonly #letters = new Map<string, Kept>();
  /** By the letter's id, which may come before its letter. */
  readonly #settled = new Map<string, Settlement>();
  readonly #underWay = new Set<string>();
  #subscriptions: Subscription[] = [];

  readonly #waiting;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
    this.#waiting = options.metrics.gauge("earshot_dead_letters_waiting", "Dead letters that nobody has replayed or discarded");
  }

  async start(): Promise<void> {
    const { eventLog } = this.#options;
    const follow = (topic: string, take: (record: LogRecord) => void) =>
      eventLog.subscribe({
        topics: [topic],
        group: "dead-letters",
        from: "earliest",
        durable: false,
        handle: (batch) => {
          batch.forEach(take);
          this.#count();
        },
      });
    this.#subscriptions = [
      await follow(topics.deadLetterSettled.name, (record) => this.#takeSettlement(record)),
      await follow(topics.deadLetter.name, (record) => this.#takeLetter(record)),
    ];
  }

  async stop(_deadlineMs: number): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()));
  }

  /** Newest first. */
  list(reader: Reader): DeadLetter[] {
    return [...this.#letters.values()]
      .filter((kept) => sees(reader, kept))
      .map(({ letter }) => this.#asItStands(letter))
      .reverse();
  }

  /** @throws EarshotError not_found */
  get(reader: Reader, id: string): DeadLetter {
    return this.#asItStands(this.#find(reader, id).letter);
  }

  /** The record as it was. @throws EarshotError not_found, also where the log's retention has deleted it */
  async value(reader: Reader, id: string): Promise<Uint8Array> {
    const { partition, offset } = this.#find(reader, id);
    const [record] = await this.#options.eventLog.read(topics.deadLetter.name, partition, offset, 1);
    const payload = record?.offset === offset ? decodeEvent(record.value).payload : undefined;
    if (payload?.case !== "deadLetter")
      throw new EarshotError("not_found", "dead_letter_expired", "The record is not on the log any more.", {
        remedy: "Dead letters are kept for thirty days, or as long as they have room; discard it.",
      });
    return payload.value.value;
  }

  /**
   * Publishes the record once more on its own topic, under its own key. Every consumer of that topic gets it again, which changes nothing for
   * those that had it: they are idempotent. Where it fails again, it comes back as another letter.
   * @throws EarshotError not_found; conflict where it is settled already
   */
  async replay(reader: Reader, id: string, actor: string): Promise<DeadLetter> {
    return this.#settle(reader, id, actor, Outcome.REPLAYED, async (letter) => {
      if (topicNamed(letter.topic) === undefined)
        throw new EarshotError("conflict", "dead_letter_topic_unknown", `This Earshot has no topic "${letter.topic}".`, {
          remedy: "The record comes from another version of Earshot: replay it there, or discard it.",
        });
      await this.#options.eventLog.publish(letter.topic, letter.key, await this.value(reader, id));
    });
  }

  /** @throws EarshotError not_found; conflict where it is settled already */
  async discard(reader: Reader, id: string, actor: string): Promise<DeadLetter> {
    return this.#settle(reader, id, actor, Outcome.DISCARDED, async () => {});
  }

  async #settle(
    reader: Reader,
    id: string,
    actor: string,
    outcome: Outcome,
    act: (letter: DeadLetter) => Promise<void>,
  ): Promise<DeadLetter> {
    const { letter, tenant } = this.#find(reader, id);
    const before = this.#settled.get(id);
    if (before !== undefined || this.#underWay.has(id))
      throw new EarshotError("conflict", "dead_letter_settled", `This record was ${before?.state ?? "taken up"} already.`, {
        remedy: "Where it failed again, it is listed anew.",
        ...(before === undefined ? {} : { details: before }),
      });
    this.#underWay.add(id);
    try {
      await act(letter);
      const { eventLog, clock } = this.#options;
      const occurredAtMs = clock.now();
      const payload = { case: "deadLetterSettled" as const, value: { outcome, actor } };
      // The act first: cut off in between, the letter is still listed, and acting twice does no harm.
      await eventLog.publish(
        topics.deadLetterSettled.name,
        id,
        encodeEvent({ id: `${id}-settled`, tenantId: tenant, callId: letter.key, occurredAtMs, payload }),
      );
      this.#keepSettlement(id, outcome, actor, occurredAtMs);
      this.#count();
      return this.#asItStands(letter);
    } finally {
      this.#underWay.delete(id);
    }
  }

  #count(): void {
    let waiting = 0;
    for (const id of this.#letters.keys()) if (!this.#settled.has(id)) waiting++;
    this.#waiting.set(waiting);
  }

  #find(reader: Reader, id: string): Kept {
    const kept = this.#letters.get(id);
    if (kept === undefined || !sees(reader, kept))
      throw new EarshotError("not_found", "dead_letter_unknown", "There is no such dead letter.", {
        remedy: "It may be older than those that are listed: EARSHOT_DEAD_LETTERS_LISTED.",
      });
    return kept;
  }

  #asItStands(letter: DeadLetter): DeadLetter {
    const settled = this.#settled.get(letter.id);
    return settled === undefined ? letter : { ...letter, state: settled.state, settledBy: settled.by, settledAt: settled.at };
  }

  #takeLetter({ value, partition, offset }: LogRecord): void {
    const { id, tenantId, callId, occurredAtMs, payload } = decodeEvent(value);
    if (payload.case !== "deadLetter") return;
    const { topic, group, errorCode, errorCategory, attempts } = payload.value;
    this.#letters.delete(id);
    this.#letters.set(id, {
      tenant: tenantId,
      partition,
      offset,
      letter: {
        id,
        at: new Date(occurredAtMs).toISOString(),
        topic,
        partition: payload.value.partition,
        offset: payload.value.offset,
        key: callId,
        group,
        errorCode,
        errorCategory,
        attempts,
        bytes: payload.value.value.byteLength,
        claimed: tenantId !== "",
        state: "waiting",
        settledBy: null,
        settledAt: null,
      },
    });
    if (this.#letters.size > this.#options.listed) this.#letters.delete(this.#letters.keys().next().value!);
  }

  #takeSettlement({ key, value }: LogRecord): void {
    if (value.byteLength === 0) return;
    const { occurredAtMs, payload } = decodeEvent(value);
    if (payload.case === "deadLetterSettled") this.#keepSettlement(key, payload.value.outcome, payload.value.actor, occurredAtMs);
  }

  #keepSettlement(id: string, outcome: Outcome, by: string, atMs: number): void {
    this.#settled.set(id, { state: outcome === Outcome.DISCARDED ? "discarded" : "replayed", by, at: new Date(atMs).toISOString() });
    // Of letters that are not listed any more, or not yet.
    if (this.#settled.size > this.#options.listed * 2) this.#settled.delete(this.#settled.keys().next().value!);
  }
}

function sees({ tenant, seesUnclaimed }: Reader, kept: Kept): boolean {
  return kept.tenant === tenant || (kept.tenant === "" && seesUnclaimed);
}
