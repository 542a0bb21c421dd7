import { duration, exactTime, spokenDuration } from "../format/time.ts";
import { useCallDuration } from "./live-connection.ts";
import type { BoardCall } from "./live-store.ts";

/** How long the call has lasted, ticking; the exact start on hover, and in words for a screen reader. */
export function CallDuration({ call }: { call: BoardCall }) {
  const ms = useCallDuration(call);
  return (
    <span title={`Since ${exactTime(call.startedAt)}`}>
      <span aria-hidden="true">{duration(ms)}</span>
      <span className="sr-only">{spokenDuration(ms)}</span>
    </span>
  );
}
