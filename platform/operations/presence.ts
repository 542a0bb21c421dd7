/** A process says on services.v1 that it is there and how it is, so that the status page of any API process shows all of them. */
import { hostname } from "node:os";
import { encodeEvent } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { Clock } from "../clock/clock.ts";
import type { EventLog } from "../event-log/port.ts";
import type { Component } from "../lifecycle/component.ts";
import type { PartHealth } from "./health.ts";

export type PresenceOptions = {
  /** The role, or "earshot" for all of them in one process. */
  readonly service: string;
  readonly version: string;
  readonly beatMs: number;
  readonly eventLog: EventLog;
  readonly clock: Clock;
  readonly health: () => readonly PartHealth[];
  /** Default: host and process. */
  readonly instance?: string;
};

export function createPresence(options: PresenceOptions): Component {
  const { service, version, beatMs, eventLog, clock, health, instance = `${hostname()}/${process.pid}` } = options;
  const startedAtMs = clock.now();
  let cancel = () => {};
  /** A log that is away is not told: an old beat says nothing. */
  const beat = (left = false): void => {
    if (eventLog.health().state !== "up") return;
    const now = clock.now();
    const value = { service, instance, version, startedAtMs, parts: left ? [] : health().map((part) => ({ ...part })), left };
    const event = {
      id: `${instance}-beat-${now}`,
      tenantId: "",
      callId: "",
      occurredAtMs: now,
      payload: { case: "serviceBeat" as const, value },
    };
    eventLog.append(topics.services.name, instance, encodeEvent(event));
  };
  return {
    name: "presence",
    async start() {
      beat();
      cancel = clock.every(beatMs, () => beat());
    },
    async stop() {
      cancel();
      beat(true);
    },
  };
}
