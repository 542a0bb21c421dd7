/** Publishes what happens to a call. Ids are deterministic: the same fact published twice has the same id. */
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";

export type Payload = NonNullable<EventInit["payload"]>;
export type Stage = {
  stage: "record" | "media";
  outcome: "running" | "done" | "failed" | "skipped";
  detail: string;
  remedy: string;
  startedAtMs: number;
};

export class CallEvents {
  readonly #eventLog: EventLog;
  readonly #log: Log;
  readonly #failed;

  constructor(eventLog: EventLog, log: Log, metrics: Metrics) {
    this.#eventLog = eventLog;
    this.#log = log;
    this.#failed = metrics.counter("earshot_sip_events_lost_total", "Call events the event log did not take", ["topic"]);
  }

  /**
   * Takes it into the log's buffer now or not at all; for the start of a call, which is refused where it cannot be recorded.
   * @throws EarshotError unavailable `event_log_full`
   */
  require(tenant: TenantId, call: CallId, name: string, atMs: number, payload: Payload): void {
    if (this.#eventLog.append(topics.calls.name, call, encode(tenant, call, name, atMs, payload))) return;
    throw new EarshotError("unavailable", "event_log_full", "The event log takes no more records.", {
      remedy: "Free disk space under EARSHOT_DATA_DIR.",
      retryAfterMs: 5000,
    });
  }

  publish(tenant: TenantId, call: CallId, name: string, atMs: number, payload: Payload): void {
    this.#send(topics.calls.name, call, encode(tenant, call, name, atMs, payload));
  }

  stage(tenant: TenantId, call: CallId, atMs: number, stage: Stage): void {
    const payload: Payload = { case: "stageReached", value: stage };
    this.#send(topics.ledger.name, call, encode(tenant, call, `${stage.stage}-${stage.outcome}`, atMs, payload));
  }

  /** @param tenant empty: of a source that is nobody's */
  refused(tenant: TenantId | "", source: string, id: string, atMs: number, payload: Extract<Payload, { case: "inviteRefused" }>): void {
    this.#send(topics.admissions.name, source, encodeEvent({ id, tenantId: tenant, callId: "", occurredAtMs: atMs, payload }));
  }

  /** A full buffer is waited for; only a log that fails for good loses the event, and that is counted and logged. */
  #send(topic: string, key: string, value: Uint8Array): void {
    const lost = (error: unknown) => {
      this.#failed.inc({ topic });
      this.#log.error({ err: error, topic, callId: key }, "The event log did not take an event of a call");
    };
    try {
      if (!this.#eventLog.append(topic, key, value)) this.#eventLog.publish(topic, key, value).catch(lost);
    } catch (error) {
      lost(error);
    }
  }
}

function encode(tenant: TenantId, call: CallId, name: string, occurredAtMs: number, payload: Payload): Uint8Array {
  return encodeEvent({ id: `${call}-${name}`, tenantId: tenant, callId: call, occurredAtMs, payload });
}
