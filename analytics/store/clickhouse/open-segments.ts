/** The words of open calls in a table of their own, `open_segments`: written with the calls' rows, gone when the calls are settled. */
import type { Event } from "@earshot/proto/event.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import type { NativeBlock } from "./native-block.ts";
import { target } from "./tables.ts";

export const openSegmentsTable = target(
  "open_segments",
  "tenant String, call_id String, start_ms UInt32, segment_id String, revision UInt32, text String",
);

/** Of one call's event: its words, where it has any. */
export function writeOpenSegment(out: NativeBlock, { tenantId, callId, payload }: Event): void {
  if (payload.case !== "transcriptSegment") return;
  const segment = payload.value;
  out.string(tenantId);
  out.string(callId);
  out.u32(segment.startMs);
  out.string(segment.segmentId);
  out.u32(segment.revision);
  out.string(segment.text);
  out.rows++;
}

/**
 * Gives open calls their words where they have none here: those written by a version without this table, or restored from its backup. Can run
 * beside writes, and again.
 */
export async function fillOpenSegments(connection: ColumnStoreConnection): Promise<void> {
  const { name, columns } = openSegmentsTable;
  await connection.upToDate(["segments", "calls_open", name], () =>
    connection.command(
      `INSERT INTO ${name} (${columns}) SELECT ${columns} FROM segments WHERE (tenant, call_id) IN ` +
        `(SELECT tenant, call_id FROM calls_open WHERE in_settled = 0 AND (tenant, call_id) NOT IN (SELECT tenant, call_id FROM ${name}))`,
    ),
  );
}
