/** Recording clients that were turned away, from admissions.v1: kept in memory, because the last day of the log is all there is to know. */
import { isIP } from "node:net";
import type { EventLog, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { refusal } from "@earshot/proto/api/administration.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { z } from "zod";

export type Refusal = z.infer<typeof refusal>;
const kept = 500;

export class Refusals implements Component {
  readonly name = "refusals";
  readonly #eventLog: EventLog;
  /** Key: tenant (empty = of nobody), source, user agent. The one seen last is the last. */
  readonly #refusals = new Map<string, { tenantId: string; refusal: Refusal }>();
  #subscription: Subscription | undefined;

  constructor(eventLog: EventLog) {
    this.#eventLog = eventLog;
  }

  async start(): Promise<void> {
    this.#subscription = await this.#eventLog.subscribe({
      topic: topics.admissions.name,
      group: "refusals",
      from: "earliest",
      durable: false,
      handle: (batch) => {
        for (const record of batch) this.#take(record.value);
      },
    });
  }

  async stop(_deadlineMs: number): Promise<void> {
    await this.#subscription?.stop();
  }

  /** Newest first. A source that belongs to no tenant yet is shown to the installation's own administrators only. */
  list(tenant: TenantId, seesUnclaimed: boolean): Refusal[] {
    return [...this.#refusals.values()]
      .filter(({ tenantId }) => tenantId === tenant || (tenantId === "" && seesUnclaimed))
      .map(({ refusal }) => refusal)
      .reverse();
  }

  #take(value: Uint8Array): void {
    const { tenantId, occurredAtMs, payload } = decodeEvent(value);
    if (payload.case !== "inviteRefused") return;
    const { sourceAddress, transport, requestUri, userAgent, reason, status } = payload.value;
    const key = `${tenantId} ${hostOf(sourceAddress)} ${userAgent}`;
    const count = (this.#refusals.get(key)?.refusal.count ?? 0) + 1;
    this.#refusals.delete(key);
    const lastAt = new Date(occurredAtMs).toISOString();
    this.#refusals.set(key, { tenantId, refusal: { sourceAddress, transport, requestUri, userAgent, reason, status, lastAt, count } });
    if (this.#refusals.size > kept) this.#refusals.delete(this.#refusals.keys().next().value!);
  }
}

/** Without the port, which differs with every connection. */
function hostOf(address: string): string {
  if (isIP(address) !== 0) return address;
  return address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
