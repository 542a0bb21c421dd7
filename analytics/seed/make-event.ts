/** Events as the services publish them, for seeds and tests. */
import { decodeEvent, type Event, type EventInit, encodeEvent } from "@earshot/proto/event.ts";

export type PayloadInit = NonNullable<EventInit["payload"]>;

/** As it comes off the log: encoded and decoded. The id is made of what the event says, so the same fact has the same id. */
export function makeEvent(tenant: string, call: string, atMs: number, payload: PayloadInit): Event {
  return decodeEvent(
    encodeEvent({ id: `${call}-${payload.case ?? "none"}-${atMs}`, tenantId: tenant, callId: call, occurredAtMs: atMs, payload }),
  );
}
