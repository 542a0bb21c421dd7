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
/** Sources and reasons kept of each tenant, and as many that are nobody's: what strangers send takes no tenant's place. */
const keptOfEach = 500;
const nobody = "";

export class Refusals implements Component {
  readonly name = "refusals";
  readonly #eventLog: EventLog;
  /** By tenant, then by source and reason: what else a client says of itself it can say anew each time. The one seen last is the last. */
  readonly #refusals = new Map<string, Map<string, Refusal>>();
  #subscription: Subscription | undefined;

  constructor(eventLog: EventLog) {
    this.#eventLog = eventLog;
  }

  async start(): Promise<void> {
    this.#subscription = await this.#eventLog.subscribe({
      topics: [topics.admissions.name],
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
    const found = [...(this.#refusals.get(tenant)?.values() ?? []), ...((seesUnclaimed && this.#refusals.get(nobody)?.values()) || [])];
    return found.sort((a, b) => Date.parse(b.lastAt) - Date.parse(a.lastAt));
  }

  #take(value: Uint8Array): void {
    const { tenantId, occurredAtMs, payload } = decodeEvent(value);
    if (payload.case !== "inviteRefused") return;
    let its = this.#refusals.get(tenantId);
    if (its === undefined) {
      its = new Map();
      this.#refusals.set(tenantId, its);
    }
    const { sourceAddress, transport, requestUri, userAgent, reason, remedy, status, times, trunkName } = payload.value;
    const source = `${hostOf(sourceAddress)} ${reason}`;
    const count = (its.get(source)?.count ?? 0) + Math.max(1, times);
    its.delete(source);
    its.set(source, {
      sourceAddress,
      transport,
      requestUri,
      userAgent,
      reason,
      remedy,
      trunk: trunkName,
      status,
      lastAt: new Date(occurredAtMs).toISOString(),
      count,
    });
    if (its.size > keptOfEach) its.delete(its.keys().next().value!);
  }
}

/** Without the port, which differs with every connection. */
function hostOf(address: string): string {
  if (isIP(address) !== 0) return address;
  return address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
