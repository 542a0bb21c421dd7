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

/**
 * Brings the words behind a piece of evidence into view and marks them for a moment: the segment when it is there, else what was being
 * said at `atMs`, the first words when nothing had been said by then. Answers false when there are no words at all.
 */
export function showSegment(root: HTMLElement | null, segmentId: string | undefined, atMs: number): boolean {
  if (root === null) return false;
  let found = segmentId === undefined ? null : root.querySelector<HTMLElement>(`[data-segment="${CSS.escape(segmentId)}"]`);
  if (found === null) {
    for (const turn of root.querySelectorAll<HTMLElement>("[data-start]"))
      if (found === null || Number(turn.dataset.start) <= atMs + 1) found = turn;
  }
  if (found === null) return false;
  found.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  found.classList.remove("shown");
  void found.offsetWidth;
  found.classList.add("shown");
  return true;
}
