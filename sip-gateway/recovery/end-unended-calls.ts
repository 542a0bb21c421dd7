/** After a crash: every call that a gateway started and never ended is ended, so that none stays "in progress" for ever. */
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { decodeEvent, type Event } from "@earshot/proto/event.ts";
import { callId, type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { CallEvents } from "../events/call-events.ts";

type OpenCall = {
  tenant: TenantId;
  startedAtMs: number;
  lastSeenMs: number;
  legs: NonNullable<Extract<Event["payload"], { case: "callStarted" }>["value"]["legs"]>;
};

const batch = 2000;
/** Of each media partition only the newest records are read: a call that was up wrote there to the last. */
const mediaTail = 5000;

export type UnendedOf = {
  readonly gatewayId: string;
  readonly termination: "restart" | "gateway_lost";
  readonly detail: string;
};

/**
 * Replays calls.v1 for the calls of one gateway. `endedAt` is the last the log knows of a call: its own events, or its newest chunk of media.
 * @returns how many calls were ended
 */
export async function endUnendedCalls(eventLog: EventLog, events: CallEvents, nowMs: number, of: UnendedOf): Promise<number> {
  const open = new Map<string, OpenCall>();
  await replay(eventLog, topics.calls.name, (key, value, appendedAtMs) => {
    let event: Event;
    try {
      event = decodeEvent(value);
    } catch {
      return; // a newer version's event: not ours to judge
    }
    const { payload } = event;
    if (payload.case === "callStarted") {
      if (payload.value.gatewayId !== of.gatewayId) return;
      open.set(key, {
        tenant: tenantId(event.tenantId),
        startedAtMs: payload.value.startedAtMs,
        lastSeenMs: appendedAtMs,
        legs: payload.value.legs,
      });
    } else if (payload.case === "callEnded") open.delete(key);
    else {
      const call = open.get(key);
      if (call === undefined) return;
      call.lastSeenMs = Math.max(call.lastSeenMs, appendedAtMs);
      if (payload.case === "callUpdated") call.legs = payload.value.legs;
    }
  });
  if (open.size === 0) return 0;
  await replay(
    eventLog,
    topics.media.name,
    (key, _value, appendedAtMs) => {
      const call = open.get(key);
      if (call !== undefined) call.lastSeenMs = Math.max(call.lastSeenMs, appendedAtMs);
    },
    mediaTail,
  );
  for (const [id, call] of open) {
    const endedAtMs = Math.min(nowMs, Math.max(call.startedAtMs, call.lastSeenMs));
    const { termination, detail } = of;
    // A name of its own: a gateway that was only cut off may still tell how the call really ended.
    events.publish(call.tenant, callId(id), termination === "gateway_lost" ? "ended-by-another" : "ended", nowMs, {
      case: "callEnded",
      value: { endedAtMs, termination, detail, startedAtMs: call.startedAtMs, legs: call.legs },
    });
    for (const stage of ["record", "media"] as const)
      events.stage(call.tenant, callId(id), nowMs, { stage, outcome: "done", detail, remedy: "", startedAtMs: call.startedAtMs });
  }
  return open.size;
}

type Take = (key: string, value: Uint8Array, appendedAtMs: number) => void;

async function replay(eventLog: EventLog, topic: string, take: Take, tail = Number.POSITIVE_INFINITY): Promise<void> {
  for (const { partition, first, next } of await eventLog.bounds(topic)) {
    for (let offset = Math.max(first, next - tail); offset < next; ) {
      const records = await eventLog.read(topic, partition, offset, batch);
      if (records.length === 0) break;
      for (const record of records) take(record.key, record.value, record.appendedAtMs);
      offset = records.at(-1)!.offset + 1;
    }
  }
}
