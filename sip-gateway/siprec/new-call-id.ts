import { randomBytes } from "node:crypto";
import { type CallId, callId } from "@earshot/proto/ids.ts";

/** A fresh call id in the shape of UUIDv7 (RFC 9562 5.7): URL-safe, unguessable, sorts by time. */
export function newCallId(nowMs: number): CallId {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Math.floor(nowMs), 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString("hex");
  return callId(`${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`);
}
