/** Events on the log: one envelope, a typed payload, deterministic ids. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { EarshotError } from "./errors.ts";
import { type Event, EventSchema } from "./gen/earshot/v1/events_pb.js";

export type { Event } from "./gen/earshot/v1/events_pb.js";
export type EventInit = MessageInitShape<typeof EventSchema>;
export type PayloadCase = NonNullable<Event["payload"]["case"]>;
export type PayloadOf<C extends PayloadCase> = Extract<Event["payload"], { case: C }>["value"];

export function encodeEvent(event: EventInit): Uint8Array {
  return toBinary(EventSchema, create(EventSchema, event));
}

/** @throws EarshotError `corrupt` where the bytes are not an Event, or carry no payload this version knows */
export function decodeEvent(bytes: Uint8Array): Event {
  let event: Event;
  try {
    event = fromBinary(EventSchema, bytes);
  } catch (cause) {
    throw new EarshotError("corrupt", "event_undecodable", "A record on the event log is not an Event.", { cause });
  }
  if (event.payload.case === undefined)
    throw new EarshotError("corrupt", "event_payload_unknown", "An event carries no payload this version knows.");
  return event;
}
