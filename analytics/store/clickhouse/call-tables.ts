/** Every table with rows of calls. */
import { callsTable, openCallsTable } from "./call-row.ts";
import { openSegmentsTable } from "./open-segments.ts";
import * as facts from "./tables.ts";

/** What hangs on a call, and last the call itself: a deletion that is cut off is found again by it. */
export const tablesOfCalls: readonly string[] = [
  facts.segmentsTable,
  facts.sentimentsTable,
  facts.lineQualityTable,
  facts.conversationsTable,
  facts.attentionsTable,
  facts.alertsTable,
  facts.recordingsTable,
  facts.ledgerTable,
  facts.keyPressesTable,
  openSegmentsTable,
  openCallsTable,
  callsTable,
].map(({ name }) => name);
