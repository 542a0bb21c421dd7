/** Events to rows: each fact into its narrow table, and each touched call's wide row anew. */
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Event } from "@earshot/proto/event.ts";
import { callsTable, writeCallRow } from "./call-row.ts";
import type { CallState } from "./call-state.ts";
import { type CallStates, keyOf } from "./call-states.ts";
import type { ColumnStoreConnection, InsertTarget } from "./connection.ts";
import { RowBinaryWriter } from "./row-binary.ts";
import * as tables from "./tables.ts";

/** The longest id that is taken; longer ones are nobody's. */
const maxIdLength = 256;

export class EventWriter {
  readonly #connection: ColumnStoreConnection;
  readonly #states: CallStates;
  readonly #rowsWritten;
  readonly #writers = new Map<InsertTarget, RowBinaryWriter>();
  #tail: Promise<void> = Promise.resolve();

  constructor(connection: ColumnStoreConnection, states: CallStates, metrics: Metrics) {
    this.#connection = connection;
    this.#states = states;
    this.#rowsWritten = metrics.counter("earshot_column_store_rows_total", "Rows written to the column store, by table.", ["table"]);
  }

  /** One batch after the other: the next one goes on from the states this one leaves. */
  write(events: readonly Event[]): Promise<void> {
    const done = this.#tail.then(() => this.#write(events));
    this.#tail = done.catch(() => {});
    return done;
  }

  async #write(events: readonly Event[]): Promise<void> {
    const taken = events.filter(isStored);
    if (taken.length === 0) return;
    for (const event of taken) checkIds(event);
    const states = await this.#states.load(taken);
    try {
      for (const event of taken) {
        states.get(keyOf(event.tenantId, event.callId))!.apply(event);
        this.#writeFact(event);
      }
      // Facts first: a call whose row is stored has all the facts that were acknowledged.
      for (const [table, rows] of this.#writers) await this.#insert(table, rows);
      const rows = this.#rows(callsTable);
      for (const state of states.values()) writeRow(rows, state);
      await this.#insert(callsTable, rows);
    } catch (error) {
      for (const rows of this.#writers.values()) rows.reset();
      this.#states.forget(states);
      throw error;
    }
    for (const state of states.values()) {
      state.version++;
      state.storedUnderMs = state.startedAtMs;
    }
    this.#states.keep(states);
  }

  #writeFact(event: Event): void {
    const { payload } = event;
    switch (payload.case) {
      case "transcriptSegment":
        tables.writeSegment(this.#rows(tables.segmentsTable), event, payload.value);
        break;
      case "sentiment":
        tables.writeSentiment(this.#rows(tables.sentimentsTable), event, payload.value);
        break;
      case "lineQuality":
        tables.writeLineQuality(this.#rows(tables.lineQualityTable), event, payload.value);
        break;
      case "conversationMetrics":
        tables.writeConversation(this.#rows(tables.conversationsTable), event, payload.value);
        break;
      case "attention":
        tables.writeAttention(this.#rows(tables.attentionsTable), event, payload.value);
        break;
      case "alert":
        tables.writeAlert(this.#rows(tables.alertsTable), event, payload.value);
        break;
      case "recordingStored":
        tables.writeRecording(this.#rows(tables.recordingsTable), event, payload.value);
        break;
      case "stageReached":
        tables.writeStage(this.#rows(tables.ledgerTable), event, payload.value);
        break;
      case "dtmfPressed":
        tables.writeKeyPress(this.#rows(tables.keyPressesTable), event, payload.value);
        break;
      default:
        break;
    }
  }

  #rows(table: InsertTarget): RowBinaryWriter {
    const rows = this.#writers.get(table) ?? new RowBinaryWriter();
    this.#writers.set(table, rows);
    return rows;
  }

  async #insert(table: InsertTarget, rows: RowBinaryWriter): Promise<void> {
    if (rows.rows === 0) return;
    await this.#connection.insert(table, rows);
    this.#rowsWritten.inc({ table: table.name }, rows.rows);
    rows.reset();
  }
}

function writeRow(rows: RowBinaryWriter, state: CallState): void {
  const row = state.toRow();
  const before = state.storedUnderMs;
  // The start is part of the key: the row under the former start is voided, the call stands under the true one alone.
  if (before !== undefined && before !== row.started_at_ms) writeCallRow(rows, state.tenant, { ...row, started_at_ms: before }, true);
  writeCallRow(rows, state.tenant, row, false);
}

/** Partial words, commands, audio and settings are not memory. */
function isStored(event: Event): boolean {
  switch (event.payload.case) {
    case "transcriptSegment":
      return event.payload.value.final;
    case "callStarted":
    case "callUpdated":
    case "callEnded":
    case "dtmfPressed":
    case "lineQuality":
    case "conversationMetrics":
    case "recordingStored":
    case "stageReached":
    case "sentiment":
    case "alert":
    case "attention":
      return true;
    default:
      return false;
  }
}

function checkIds(event: Event): void {
  for (const id of [event.tenantId, event.callId])
    if (id === "" || id.length > maxIdLength)
      throw new EarshotError(
        "invalid_request",
        "event_without_ids",
        "An event to be stored needs a tenant and a call, of at most 256 characters each.",
        {
          details: { eventId: event.id.slice(0, 100) },
        },
      );
}
