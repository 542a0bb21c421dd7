/** Events on the log: one envelope, a typed payload, deterministic ids. */
import { create, fromBinary, type JsonValue, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import { EarshotError } from "./errors.ts";
import { type Event, EventSchema } from "./gen/earshot/v1/events_pb.js";

export type { Event } from "./gen/earshot/v1/events_pb.js";
export type EventInit = MessageInitShape<typeof EventSchema>;
export type PayloadCase = NonNullable<Event["payload"]["case"]>;
export type PayloadOf<C extends PayloadCase> = Extract<Event["payload"], { case: C }>["value"];

/** The newest meaning of events that this code knows; a newer one is parked. */
export const eventSchemaVersion = 1;

export function encodeEvent(event: EventInit): Uint8Array {
  return toBinary(EventSchema, create(EventSchema, event));
}

/** For people to read: protobuf's JSON form. */
export function eventAsJson(event: Event): JsonValue {
  return toJson(EventSchema, event);
}

/** @throws EarshotError `corrupt` where the bytes are not an Event, are of a newer schema, or carry no payload this version knows */
export function decodeEvent(bytes: Uint8Array): Event {
  let event: Event;
  try {
    event = fromBinary(EventSchema, bytes);
  } catch (cause) {
    throw new EarshotError("corrupt", "event_undecodable", "A record on the event log is not an Event.", { cause });
  }
  if (event.schemaVersion > eventSchemaVersion)
    throw new EarshotError("corrupt", "event_schema_newer", `An event is of schema version ${event.schemaVersion}.`, {
      remedy: `This Earshot knows version ${eventSchemaVersion}: upgrade it, then replay the dead letter.`,
      details: { schemaVersion: event.schemaVersion },
    });
  if (event.payload.case === undefined)
    throw new EarshotError("corrupt", "event_payload_unknown", "An event carries no payload this version knows.", {
      remedy: "It may come from a newer Earshot: upgrade this one, then replay the dead letter.",
    });
  return event;
}
