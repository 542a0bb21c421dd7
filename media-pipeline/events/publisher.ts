/** Puts events on the log: one envelope, deterministic ids, nothing lost when the buffer is full. */
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import type { TopicName } from "@earshot/proto/topics.ts";

export type CallContext = { readonly tenantId: TenantId; readonly callId: CallId; traceparent: string };

export class Publisher {
  readonly #eventLog: EventLog;
  readonly #log: Log;
  readonly #mayPublish: () => boolean;
  /** false once another worker may have the calls: what waits to be sent is withdrawn then. */
  readonly isOurs: () => boolean;
  readonly #waiting = new Set<Promise<void>>();

  /** @param mayPublish false once the calls have been given up: nothing more is said of them then */
  constructor(eventLog: EventLog, log: Log, mayPublish: () => boolean = () => true, isOurs: () => boolean = () => true) {
    this.#eventLog = eventLog;
    this.#log = log;
    this.#mayPublish = mayPublish;
    this.isOurs = isOurs;
  }

  /**
   * Appends at once; where the log's buffer is full the event waits, unless it may be lost.
   * @param lossy true for what the next event replaces anyway (partials, listened audio)
   */
  emit(topic: TopicName, call: CallContext, id: string, occurredAtMs: number, payload: EventInit["payload"], lossy = false): void {
    if (!this.#mayPublish() || !this.isOurs()) return;
    const bytes = encodeEvent({
      id,
      tenantId: call.tenantId,
      callId: call.callId,
      occurredAtMs,
      traceparent: call.traceparent,
      payload: payload!,
    });
    try {
      if (this.#eventLog.append(topic, call.callId, bytes, this.isOurs) || lossy) return;
    } catch (error) {
      this.#failed(topic, call, error);
      return;
    }
    const publishing = this.#eventLog
      .publish(topic, call.callId, bytes, this.isOurs)
      .then(
        () => {},
        (error: unknown) => {
          if (this.isOurs()) this.#failed(topic, call, error);
        },
      )
      .finally(() => this.#waiting.delete(publishing));
    this.#waiting.add(publishing);
  }

  #failed(topic: TopicName, { tenantId, callId }: CallContext, error: unknown): void {
    this.#log.error({ err: error, tenantId, callId, topic }, "an event could not be published");
  }

  /** One stage of the call's ledger. */
  stage(
    call: CallContext,
    stage: "record" | "transcript",
    outcome: "running" | "done" | "failed" | "skipped",
    atMs: number,
    more: { detail?: string; remedy?: string; startedAtMs?: number } = {},
  ): void {
    this.emit("ledger.v1", call, `${call.callId}-${stage}-${outcome}`, atMs, {
      case: "stageReached",
      value: { stage, outcome, detail: more.detail ?? "", remedy: more.remedy ?? "", startedAtMs: more.startedAtMs ?? atMs },
    });
  }

  /** Resolves when nothing waits any more. */
  async flush(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
    await this.#eventLog.flush();
  }
}
