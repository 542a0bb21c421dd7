/** How large a record may be. The same for every adapter. */
import { EarshotError } from "@earshot/proto/errors.ts";
import { maxKeyBytes } from "./record-format.ts";

/** @throws EarshotError invalid_request `event_log_record_too_large` */
export function checkSize(topic: string, key: string, value: Uint8Array, maxBytes: number): void {
  if (value.length > maxBytes || key.length > maxKeyBytes)
    throw new EarshotError("invalid_request", "event_log_record_too_large", "A record is over the size limit.", {
      remedy: "Send less at once, or raise EARSHOT_EVENT_LOG_MAX_RECORD_BYTES.",
      details: { topic, bytes: value.length, limit: maxBytes },
    });
}
