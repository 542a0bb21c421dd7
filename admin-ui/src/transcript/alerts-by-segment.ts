import type { Alert } from "@earshot/proto/api/calls.ts";

/** Alerts by the segment that raised them. */
export function alertsBySegment(alerts: readonly Alert[]): Map<string, Alert[]> {
  const found = new Map<string, Alert[]>();
  for (const alert of alerts) {
    const id = alert.evidence[0]?.segmentId;
    if (id !== undefined) found.set(id, [...(found.get(id) ?? []), alert]);
  }
  return found;
}
