/** Takes calls away that their tenant keeps no longer: recordings first, then every row. One that never ended is ended first. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { CallRetention, DirectoryStore, TenantRow } from "../store/port.ts";

const dayMs = 86_400_000;
const firstSweepMs = 60_000;
/** Between two batches other tenants and new calls get their turn. */
const callsAtOnce = 2000;
/** A tenant that shortens its retention by years: the rest goes at the next sweep. */
const batchesPerSweep = 25;
/** A call without an end of which nothing was heard for so long is on no gateway any more: none keeps one for longer than EARSHOT_SIP_MAX_CALL_MS. */
const silentForMs = dayMs;

export type RetentionOptions = {
  readonly directory: Pick<DirectoryStore, "tenants" | "audit">;
  readonly calls: CallRetention;
  readonly objectStore: Pick<ObjectStore, "delete">;
  readonly eventLog: Pick<EventLog, "append">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly sweepMinutes: number;
};

export type Retention = Component & {
  /** Takes or gives up the sweeping: of several processes one alone sweeps. Given up, what was under way has ended when this resolves. */
  sweeps(on: boolean): Promise<void>;
  /** Sweeps now, once. @returns calls that went */
  sweep(): Promise<number>;
};

/**
 * A sweep goes through the tenants one after the other. What fails for one (its recordings cannot be deleted, say) is logged and tried
 * again at the next sweep, and keeps no other tenant's calls.
 */
export function createRetention(options: RetentionOptions): Retention {
  const { directory, calls, objectStore, eventLog, clock, log, metrics, sweepMinutes } = options;
  const deleted = metrics.counter("earshot_retention_calls_deleted_total", "Calls deleted because their tenant keeps them no longer.");
  const failures = metrics.counter(
    "earshot_retention_failures_total",
    "Sweeps of a tenant's expired calls that failed and are tried again.",
  );
  const ended = metrics.counter(
    "earshot_retention_calls_ended_total",
    "Calls older than their tenant keeps them whose end never came, ended.",
  );
  let cancel = () => {};
  let cancelFirst = () => {};
  let isOn = false;
  let sweeping: Promise<unknown> = Promise.resolve();
  let busy = false;
  let erasedOnDay = -1;
  let hidden = 0;

  async function sweepTenant({ id, retentionDays }: TenantRow): Promise<number> {
    const beforeMs = clock.now() - retentionDays * dayMs;
    let gone = 0;
    for (let batch = 0; batch < batchesPerSweep && isOn; batch++) {
      const expired = await calls.expiredCalls(id, beforeMs, callsAtOnce);
      if (expired.length === 0) break;
      for (const { objectKeys } of expired) for (const key of objectKeys) await deleteObject(id, key);
      await calls.deleteCalls(
        id,
        expired.map(({ callId }) => callId),
      );
      gone += expired.length;
      deleted.inc(expired.length);
    }
    await endUnended(id, beforeMs);
    if (gone === 0) return 0;
    const details = { calls: gone, retentionDays, before: new Date(beforeMs).toISOString() };
    await directory.audit(id, { actor: "retention", action: "calls.delete", subject: id, details });
    log.info({ tenantId: id, ...details }, "Calls were deleted that are kept no longer");
    return gone;
  }

  /**
   * Told to everybody, like any other end; once it is stored the call is settled, and goes at one of the next sweeps. Without its start, which the
   * store has: nothing is to be judged anew of a call that is so old. A log that takes nothing now is not waited for; the next sweep tells it again.
   */
  async function endUnended(tenant: TenantId, beforeMs: number): Promise<void> {
    let told = 0;
    for (const { callId, changedAtMs } of await calls.unendedCalls(tenant, beforeMs, clock.now() - silentForMs, callsAtOnce)) {
      const event = encodeEvent({
        id: `${callId}-ended-by-retention`,
        tenantId: tenant,
        callId,
        occurredAtMs: clock.now(),
        payload: {
          case: "callEnded",
          value: {
            endedAtMs: changedAtMs,
            termination: "gateway_lost",
            detail: "Its end was never told; this is the last that was heard of it.",
          },
        },
      });
      if (!isOn || !eventLog.append(topics.calls.name, callId, event, () => isOn)) break;
      told++;
    }
    if (told === 0) return;
    ended.inc(told);
    log.info({ tenantId: tenant, calls: told }, "Calls whose end never came, and that are kept no longer, were ended");
  }

  async function deleteObject(tenant: TenantId, key: string): Promise<void> {
    const own = `tenants/${tenant}/`;
    if (!key.startsWith(own)) return;
    try {
      await objectStore.delete(tenant, key.slice(own.length));
    } catch (error) {
      // No object can have such a name.
      if (error instanceof EarshotError && error.code === "object_name_invalid") return;
      throw error;
    }
  }

  async function sweep(): Promise<number> {
    let gone = 0;
    for (const tenant of await directory.tenants()) {
      if (tenant.retentionDays === 0 || !isOn) continue;
      try {
        gone += await sweepTenant(tenant);
      } catch (error) {
        failures.inc();
        log.warn({ err: error, tenantId: tenant.id }, "Expired calls could not be deleted; tried again at the next sweep");
      }
    }
    hidden += gone;
    const day = Math.floor(clock.now() / dayMs);
    if (hidden > 0 && day !== erasedOnDay && isOn) {
      // It rewrites what it touches: once a day.
      await calls.eraseDeleted();
      erasedOnDay = day;
      hidden = 0;
    }
    return gone;
  }

  const run = (): void => {
    if (busy || !isOn) return;
    busy = true;
    sweeping = sweep()
      .catch((error: unknown) => log.warn({ err: error }, "Expired calls could not be looked for; tried again at the next sweep"))
      .finally(() => {
        busy = false;
      });
  };

  return {
    name: "retention",
    async start() {
      cancel = clock.every(sweepMinutes * 60_000, run);
    },
    async stop() {
      cancel();
      await this.sweeps(false);
    },
    async sweeps(on) {
      isOn = on;
      cancelFirst();
      // Soon, and not in the rush of a start: a process that never runs for a whole interval must sweep too.
      if (on) cancelFirst = clock.after(Math.min(firstSweepMs, sweepMinutes * 60_000), run);
      else await sweeping;
    },
    sweep,
  };
}
