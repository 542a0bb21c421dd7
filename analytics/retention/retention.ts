/** Takes calls away that their tenant keeps no longer: recordings first, then every row. And ends calls whose end never came, whatever is kept. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { CallRetention, DirectoryStore, TenantRow } from "../store/port.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const firstSweepMs = 60_000;
/** Between two batches other tenants and new calls get their turn. */
const callsAtOnce = 2000;
/** A tenant that shortens its retention by years: the rest goes at the next sweep. */
const batchesPerSweep = 25;
/** A gateway that has a call answers for it within this; one that is cut off from the event log for so long has been given up (EARSHOT_GATEWAY_LOST_MS). */
const answerMs = 600_000;

const reportCall = { case: "report" as const, value: {} };

export type RetentionOptions = {
  readonly directory: Pick<DirectoryStore, "tenants" | "audit">;
  readonly calls: CallRetention;
  readonly objectStore: Pick<ObjectStore, "delete">;
  readonly eventLog: Pick<EventLog, "append">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly sweepMinutes: number;
  /** How long nothing may be heard of a call that has no end. */
  readonly unendedHours: number;
};

export type Retention = Component & {
  /**
   * Takes the sweeping, for as long as `isOurs`: of several processes one alone sweeps. undefined gives it up; what was under way has ended when
   * this resolves.
   */
  sweeps(isOurs: (() => boolean) | undefined): Promise<void>;
  /** Sweeps now, once. @returns calls that went */
  sweep(): Promise<number>;
};

/**
 * A sweep goes through the tenants one after the other. What fails for one (its recordings cannot be deleted, say) is logged and tried
 * again at the next sweep, and keeps no other tenant's calls.
 */
export function createRetention(options: RetentionOptions): Retention {
  const { directory, calls, objectStore, eventLog, clock, log, metrics, sweepMinutes, unendedHours } = options;
  const deleted = metrics.counter("earshot_retention_calls_deleted_total", "Calls deleted because their tenant keeps them no longer.");
  const failures = metrics.counter("earshot_retention_failures_total", "Sweeps of a tenant's calls that failed and are tried again.");
  const ended = metrics.counter("earshot_retention_calls_ended_total", "Calls whose end never came, ended.");
  let cancel = () => {};
  let cancelFirst = () => {};
  let isOurs = (): boolean => false;
  /** By tenant, the calls that gateways have been asked for: when (monotonic), and what was known of the call then. */
  const asked = new Map<TenantId, Map<string, { readonly atMs: number; readonly changedAtMs: number }>>();
  let sweeping: Promise<unknown> = Promise.resolve();
  let busy = false;
  let erasedOnDay = -1;
  let hidden = 0;

  async function deleteExpired({ id, retentionDays }: TenantRow): Promise<number> {
    const beforeMs = clock.now() - retentionDays * dayMs;
    let gone = 0;
    for (let batch = 0; batch < batchesPerSweep && isOurs(); batch++) {
      const expired = await calls.expiredCalls(id, beforeMs, callsAtOnce);
      if (expired.length === 0) break;
      // What its tenant keeps for longer since this process stood still is another one's to know.
      for (const { objectKeys } of expired) for (const key of objectKeys) if (isOurs()) await deleteObject(id, key);
      if (!isOurs()) break;
      await calls.deleteCalls(
        id,
        expired.map(({ callId }) => callId),
      );
      gone += expired.length;
      deleted.inc(expired.length);
    }
    if (gone === 0) return 0;
    const details = { calls: gone, retentionDays, before: new Date(beforeMs).toISOString() };
    await directory.audit(id, { actor: "retention", action: "calls.delete", subject: id, details });
    log.info({ tenantId: id, ...details }, "Calls were deleted that are kept no longer");
    return gone;
  }

  /**
   * A quiet call is not over: whichever gateway has it is asked first, and its answer is an event like any other. Only a call that nobody answered
   * for is ended, told to everybody like any other end, without its start, which the store has. A log that takes nothing now is not waited for;
   * the next sweep tells it again.
   */
  async function endUnended(tenant: TenantId): Promise<void> {
    const silent = await calls.unendedCalls(tenant, clock.now() - unendedHours * hourMs, callsAtOnce);
    const before = asked.get(tenant);
    const now: typeof before = new Map();
    asked.set(tenant, now);
    let told = 0;
    for (const { callId, changedAtMs } of silent) {
      const question = before?.get(callId);
      if (question?.changedAtMs !== changedAtMs) {
        if (
          !tell(topics.commands.name, tenant, callId, "asked", { case: "callCommand", value: { actor: "retention", command: reportCall } })
        )
          continue;
        now.set(callId, { atMs: clock.monotonicMs(), changedAtMs });
        continue;
      }
      now.set(callId, question);
      if (clock.monotonicMs() - question.atMs < answerMs) continue;
      const end = {
        endedAtMs: changedAtMs,
        termination: "gateway_lost",
        detail: "Its end was never told; this is the last that was heard of it.",
      };
      if (tell(topics.calls.name, tenant, callId, "ended", { case: "callEnded", value: end })) told++;
    }
    if (told === 0) return;
    ended.inc(told);
    log.info({ tenantId: tenant, calls: told }, "Calls whose end never came, and that no gateway has, were ended");
  }

  /** @returns whether the log took it */
  function tell(topic: string, tenant: TenantId, callId: string, what: string, payload: EventInit["payload"]): boolean {
    const event = { id: `${callId}-${what}-by-retention`, tenantId: tenant, callId, occurredAtMs: clock.now(), payload };
    return isOurs() && eventLog.append(topic, callId, encodeEvent(event), isOurs);
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
      if (!isOurs()) break;
      try {
        if (tenant.retentionDays > 0) gone += await deleteExpired(tenant);
        await endUnended(tenant.id);
      } catch (error) {
        failures.inc();
        log.warn(
          { err: error, tenantId: tenant.id },
          "A tenant's expired and unended calls could not be swept; tried again at the next sweep",
        );
      }
    }
    hidden += gone;
    const day = Math.floor(clock.now() / dayMs);
    if (hidden > 0 && day !== erasedOnDay && isOurs()) {
      // It rewrites what it touches: once a day.
      await calls.eraseDeleted();
      erasedOnDay = day;
      hidden = 0;
    }
    return gone;
  }

  const run = (): void => {
    if (busy || !isOurs()) return;
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
      await this.sweeps(undefined);
    },
    async sweeps(whileOurs) {
      isOurs = whileOurs ?? (() => false);
      cancelFirst();
      // Soon, and not in the rush of a start: a process that never runs for a whole interval must sweep too.
      if (whileOurs !== undefined) cancelFirst = clock.after(Math.min(firstSweepMs, sweepMinutes * 60_000), run);
      else await sweeping;
    },
    sweep,
  };
}
