import { systemClock } from "@earshot/platform/clock/clock.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import type { Event } from "@earshot/proto/event.ts";
import { describe, expect, it } from "vitest";
import { makeEvent } from "../../seed/make-event.ts";
import { CallStates } from "./call-states.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { EventWriter } from "./event-writer.ts";

function writerOf(failure?: Error) {
  const inserted: string[] = [];
  const connection = {
    upToDate: (_tables: readonly string[], read: () => Promise<unknown>) => read(),
    insert: async ({ name }: { name: string }, rows: { rows: number; pieces(): Buffer[] }) => {
      inserted.push(`${name} ${rows.rows} ${Buffer.concat(rows.pieces()).includes("second") ? "second" : ""}`.trim());
    },
  } as unknown as ColumnStoreConnection;
  const states = new CallStates(
    async () => {
      if (failure !== undefined) throw failure;
      return [];
    },
    connection,
    100,
  );
  return { inserted, states, writer: new EventWriter(connection, states, createMetrics(), systemClock) };
}

const ended = (call: string, startedAtMs: number): Event =>
  makeEvent("t", call, startedAtMs + 1000, {
    case: "callEnded",
    value: { startedAtMs, endedAtMs: startedAtMs + 1000, termination: "bye" },
  });
const press = (call: string): Event =>
  makeEvent("t", call, 1000, { case: "dtmfPressed", value: { leg: 0, positionMs: 10, durationMs: 20 } });

describe("a batch of events", () => {
  it("leaves nothing behind where one of them has no call, nor where the store cannot be read", async () => {
    const { inserted, writer } = writerOf();
    await expect(writer.write([press("first"), makeEvent("t", "", 1, { case: "dtmfPressed", value: {} })])).rejects.toMatchObject({
      code: "event_without_ids",
    });
    expect(inserted).toEqual([]);
    await writer.write([press("second")]);
    expect(inserted).toEqual(["key_presses 1 second", "calls_open 1 second"]);
    await expect(writerOf(new Error("away")).writer.write([press("first")])).rejects.toThrow("away");
  });

  it("passes over what is no memory, ids or none", async () => {
    const { inserted, writer } = writerOf();
    await writer.write([makeEvent("", "", 1, { case: "transcriptSegment", value: { text: "not yet fin" } })]);
    expect(inserted).toEqual([]);
  });

  it("settles calls that ended long ago, keeps the others, and mixes up none of them", async () => {
    const { inserted, states, writer } = writerOf();
    const now = Date.now();
    const calls = [ended("old-1", now - 900_000), ended("up-1", now - 5000), ended("old-2", now - 800_000), ended("up-2", now - 4000)];
    await writer.write([...calls, ...calls]);
    expect(inserted).toEqual(["calls 2", "calls_open 2"]);
    expect(states.size).toBe(2);
    await writer.write([press("up-1"), press("up-2")]);
    expect(inserted.slice(2)).toEqual(["key_presses 2", "calls_open 2"]);
  });
});
