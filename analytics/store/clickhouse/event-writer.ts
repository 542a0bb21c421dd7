/** Events to rows: each fact into its narrow table, and each touched call's wide row anew. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Event } from "@earshot/proto/event.ts";
import { type CallRow, cardText } from "./call-card.ts";
import { callsTable, openCallsTable, writeOpenCall, writeSettledCall } from "./call-row.ts";
import { CallState } from "./call-state.ts";
import { type CallEvents, type CallStates, EventsByCall } from "./call-states.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import type { InsertTarget } from "./native-block.ts";
import { NativeBlock } from "./native-block.ts";
import { openSegmentsTable, writeOpenSegment } from "./open-segments.ts";
import { finishDeletions, settleAfterMs, settleCalls } from "./settle.ts";
import * as tables from "./tables.ts";

/** The longest id that is taken; longer ones are nobody's. */
const maxIdLength = 256;

export class EventWriter {
  readonly #connection: ColumnStoreConnection;
  readonly #states: CallStates;
  readonly #clock: Clock;
  readonly #rowsWritten;
  readonly #writers = new Map<InsertTarget, NativeBlock>();
  /** Of a call that was settled at once: the next one takes it. */
  #unusedState: CallState | undefined;
  #tail: Promise<void> = Promise.resolve();
  /** On a cluster the last write failed: what few replicas took of it can be read, and may yet be dropped. */
  #isDoubtful = false;
  /** The connection's term in which this process settled calls last, and nobody else since: its deletions are done on this replica. */
  #settledIn: number | undefined;

  constructor(connection: ColumnStoreConnection, states: CallStates, metrics: Metrics, clock: Clock) {
    this.#clock = clock;
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

  /** Moves calls that rest from the open to the settled ones, between two writes. @param isOurs as of `settleCalls` */
  settle(isOurs: () => boolean): Promise<number> {
    const done = this.#tail.then(() => this.#settle(isOurs));
    this.#tail = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  /** Another process may have settled calls, on another replica. */
  settlesAnew(): void {
    this.#settledIn = undefined;
  }

  async #settle(isOurs: () => boolean): Promise<number> {
    const connection = this.#connection;
    const { term } = connection;
    if (connection.cluster !== undefined && this.#settledIn !== term) await finishDeletions(connection);
    this.#settledIn = undefined;
    const moved = await settleCalls(connection, this.#clock.now(), this.#states, isOurs);
    this.#settledIn = term;
    return moved;
  }

  async #write(events: readonly Event[]): Promise<void> {
    const batch = new EventsByCall();
    const { calls } = batch;
    try {
      // Everything about an event in one go: of a large batch each further look at it would be one into cold memory.
      for (const event of events) {
        if (!isStored(event)) continue;
        checkIds(event);
        this.#writeFact(event);
        batch.add(event);
      }
      if (calls.length === 0) return;
      await this.#states.load(calls);
      const { states, rows } = this.#writeCalls(calls);
      // Facts first: a call whose row is stored has all the facts that were acknowledged.
      for (const [table, facts] of this.#writers) if (table !== callsTable && table !== openCallsTable) await this.#insert(table, facts);
      for (const table of [callsTable, openCallsTable]) await this.#insert(table, this.#rows(table));
      for (const [state, row] of rows) state.stored = row;
      for (const state of states) state.wordsWritten();
      this.#states.keep(states);
      this.#isDoubtful = false;
    } catch (error) {
      for (const rows of this.#writers.values()) rows.reset();
      this.#states.forget(calls);
      this.#isDoubtful = this.#connection.cluster !== undefined;
      throw error;
    }
  }

  /**
   * Every touched call that changed. A call that ended long ago and is new to the store goes to the settled ones at once (imports, replays);
   * one that is there already and changed late stands open until it is settled again.
   * One call after the other from its events to its row: the state of one that is settled at once lives no longer than that, where ten
   * thousand kept until the end of the batch would cost the collector more than everything else here.
   * @returns the states to keep, and the rows that were written of them
   */
  #writeCalls(calls: readonly CallEvents[]): { states: CallState[]; rows: Map<CallState, CallRow> } {
    const nowMs = this.#clock.now();
    const states: CallState[] = [];
    const rows = new Map<CallState, CallRow>();
    // The last first: calls come in the order of time, the table lies the newest first, and the engine need not sort what is in order.
    for (let index = calls.length - 1; index >= 0; index--) {
      const call = calls[index]!;
      const state = call.state ?? this.#newState(call.tenant, call.callId);
      state.apply(call.first);
      if (call.more !== undefined) for (const event of call.more) state.apply(event);
      const card = state.toCard();
      const isOld = card.startedAtMs > 0 && card.endedAtMs > 0 && nowMs - card.endedAtMs > settleAfterMs;
      const version = state.nextVersion;
      if (isOld && state.stored === undefined) {
        // What follows of it, most likely nothing, is read back.
        if (call.state === undefined) this.#unusedState = state;
        writeSettledCall(this.#rows(callsTable), state.tenant, version, card, state.said());
        continue;
      }
      states.push(state);
      // Of one that was settled before, searches read `segments`.
      if (!isOld) for (const event of [call.first, ...(call.more ?? [])]) writeOpenSegment(this.#rows(openSegmentsTable), event);
      const text = cardText(card);
      // Among the settled calls the row holds the words too, so new ones open it again.
      if (!this.#isDoubtful && state.stored?.card === text && !(isOld && state.hasNewWords)) continue;
      writeOpenCall(this.#rows(openCallsTable), state.tenant, version, card, text, isOld, nowMs);
      rows.set(state, { version, card: text });
    }
    return { states, rows };
  }

  #newState(tenant: string, callId: string): CallState {
    const unused = this.#unusedState;
    if (unused === undefined) return new CallState(tenant, callId);
    this.#unusedState = undefined;
    unused.startOver(tenant, callId);
    return unused;
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

  #rows(table: InsertTarget): NativeBlock {
    const rows = this.#writers.get(table) ?? new NativeBlock(table);
    this.#writers.set(table, rows);
    return rows;
  }

  async #insert(table: InsertTarget, rows: NativeBlock): Promise<void> {
    if (rows.rows === 0) return;
    await this.#connection.insert(table, rows);
    this.#rowsWritten.inc({ table: table.name }, rows.rows);
    rows.reset();
  }
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
  if (isId(event.tenantId) && isId(event.callId)) return;
  throw new EarshotError(
    "invalid_request",
    "event_without_ids",
    "An event to be stored needs a tenant and a call, of at most 256 characters each.",
    { details: { eventId: event.id.slice(0, 100) } },
  );
}

function isId(id: string): boolean {
  return id !== "" && id.length <= maxIdLength;
}
