/** Retention on the real column store and object store. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { createFileObjectStore } from "@earshot/platform/object-store/file.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, type Event, encodeEvent } from "@earshot/proto/event.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type ClickHouseCallStore, createClickHouseCallStore } from "../store/clickhouse/call-store.ts";
import { exampleCall } from "../store/clickhouse/contract.ts";
import type { TenantRow } from "../store/port.ts";
import { storeSettings } from "../store/settings.ts";
import { createRetention, type Retention } from "./retention.ts";

const dayMs = 86_400_000;
const clock = new ManualClock();
const metrics = createMetrics();
let folder: string;
let store: ClickHouseCallStore;
let objects: ObjectStore;
let run = 0;
let tenants: { keeps: TenantId; forgets: TenantId };
let rows: TenantRow[];
let logIsFull: boolean;
let told: { topic: string; key: string; event: Event }[];
let audited: { tenant: TenantId; details: Record<string, unknown> }[];

const tenant = (id: TenantId, retentionDays: number): TenantRow => ({
  id,
  name: id,
  timezone: "UTC",
  suspended: false,
  language: "",
  vocabulary: [],
  retentionDays,
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "earshot-retention-"));
  const { values } = readSettings({ store: storeSettings, platform: platformSettings }, {});
  store = createClickHouseCallStore({ url: `chdb:${join(folder, "store")}`, log: silentLog, metrics, clock, settings: values.store });
  objects = createFileObjectStore({ directory: join(folder, "objects"), clock, log: silentLog, settings: values.platform });
  await store.start();
  await objects.start();
});
afterAll(async () => {
  await store.stop(1000);
  await rm(folder, { recursive: true, force: true });
});

/** Two tenants with an old and a new call each, with recordings; one keeps everything, one 30 days. */
beforeEach(async () => {
  run++;
  tenants = { keeps: tenantId(`keeps-${run}`), forgets: tenantId(`forgets-${run}`) };
  rows = [tenant(tenants.keeps, 0), tenant(tenants.forgets, 30)];
  audited = [];
  told = [];
  logIsFull = false;
  for (const { id } of rows)
    for (const [call, daysAgo] of [
      ["old", 31],
      ["new", 29],
    ] as const) {
      await store.write(exampleCall(id, call, clock.now() - daysAgo * dayMs));
      await objects.put(id, `recordings/${call}.wav`, new Uint8Array(10));
    }
  await store.settle();
});

function retention(changed: Partial<Parameters<typeof createRetention>[0]> = {}): Retention {
  return createRetention({
    directory: {
      tenants: async () => rows,
      audit: async (id, { details }) => void audited.push({ tenant: id, details }),
    },
    calls: store,
    objectStore: objects,
    eventLog: {
      append: (topic, key, value) => {
        if (logIsFull) return false;
        told.push({ topic, key, event: decodeEvent(value) });
        return true;
      },
    },
    clock,
    log: silentLog,
    metrics,
    sweepMinutes: 60,
    unendedHours: 24,
    ...changed,
  });
}

/** Which calls and recordings there are, as "tenant call" and "tenant call.wav". */
async function kept(): Promise<string[]> {
  const found: string[] = [];
  for (const { id } of rows)
    for (const call of ["old", "new"]) {
      if ((await store.getCall(id, call)) !== undefined) found.push(`${id.split("-")[0]} ${call}`);
      if ((await objects.stat(id, `recordings/${call}.wav`)) !== undefined) found.push(`${id.split("-")[0]} ${call}.wav`);
    }
  return found;
}
const everything = [
  "keeps old",
  "keeps old.wav",
  "keeps new",
  "keeps new.wav",
  "forgets old",
  "forgets old.wav",
  "forgets new",
  "forgets new.wav",
];
const afterwards = everything.filter((one) => !one.startsWith("forgets old"));

test("what a tenant keeps no longer goes with its recording, and is on the tenant's audit; nobody else's goes", async () => {
  const one = retention();
  await one.sweeps(() => true);
  expect(await kept()).toEqual(everything);
  expect(await one.sweep()).toBe(1);
  expect(await kept()).toEqual(afterwards);
  const before = new Date(clock.now() - 30 * dayMs).toISOString();
  expect(audited).toEqual([{ tenant: tenants.forgets, details: { calls: 1, retentionDays: 30, before } }]);
  expect(await one.sweep()).toBe(0);
  expect(audited).toHaveLength(1);
  await one.stop(1000);
});

const withoutEnd = (id: TenantId, call: string, daysAgo: number) =>
  exampleCall(id, call, clock.now() - daysAgo * dayMs).filter(({ payload }) => payload.case !== "callEnded");
const toldSoFar = () =>
  told.map(({ topic, key, event: { tenantId: of, payload } }) => [
    topic,
    of.split("-")[0],
    key,
    payload.case === "callCommand" ? payload.value.command.case : payload.case,
  ]);

test("a call whose end never came is asked for and, where no gateway has it, ended by name, however long its tenant keeps calls", async () => {
  for (const { id } of rows) await store.write([...withoutEnd(id, "lost", 31), ...withoutEnd(id, "held", 2)]);
  const lastHeardMs = clock.now();
  clock.advance(dayMs + 1);
  await store.write(withoutEnd(tenants.keeps, "young", 1));
  const one = retention();
  await one.sweeps(() => true);
  // A log that takes nothing is not waited for.
  logIsFull = true;
  await one.sweep();
  expect(told).toEqual([]);
  logIsFull = false;
  await one.sweep();
  expect(toldSoFar()).toEqual(["keeps", "forgets"].flatMap((of) => ["lost", "held"].map((call) => ["commands.v1", of, call, "report"])));
  told = [];
  clock.advance(300_000);
  await one.sweep();
  expect(told).toEqual([]);
  // As the gateway that has it answers.
  for (const { id: tenant } of rows) {
    const legs = exampleCall(tenant, "held", 0).flatMap(({ payload }) => (payload.case === "callStarted" ? payload.value.legs : []));
    const value = { legs, reason: "asked" };
    const answer = {
      id: "held-updated-9",
      tenantId: tenant,
      callId: "held",
      occurredAtMs: clock.now(),
      payload: { case: "callUpdated" as const, value },
    };
    await store.write([decodeEvent(encodeEvent(answer))]);
  }
  clock.advance(300_000);
  await one.sweep();
  expect(toldSoFar()).toEqual(["keeps", "forgets"].map((of) => ["calls.v1", of, "lost", "callEnded"]));
  // As ingest does it.
  await store.write(told.map(({ event }) => event));
  for (const { id } of rows) {
    expect(await store.getCall(id, "lost")).toMatchObject({
      termination: "gateway_lost",
      terminationDetail: expect.stringContaining("never told"),
      endedAt: new Date(lastHeardMs).toISOString(),
    });
    expect((await store.getCall(id, "held"))?.endedAt).toBeNull();
  }
  expect((await store.getCall(tenants.keeps, "young"))?.endedAt).toBeNull();
  // Not before it rests: its last words may still be on their way.
  expect(await one.sweep()).toBe(0);
  clock.advance(10 * 60_000);
  await store.settle();
  expect(await one.sweep()).toBe(1);
  expect(await store.getCall(tenants.forgets, "lost")).toBeUndefined();
  expect(await store.getCall(tenants.keeps, "lost")).toBeDefined();
  await one.stop(1000);
});

test("a process that stood still, and whose partition may be another's, deletes, ends and asks for nothing more", async () => {
  await store.write(withoutEnd(tenants.forgets, "lost", 31));
  clock.advance(dayMs + 1);
  let isOurs = true;
  const one = retention({
    calls: {
      ...store,
      expiredCalls: async (...asked) => {
        const expired = await store.expiredCalls(...asked);
        isOurs = false;
        return expired;
      },
    },
  });
  await one.sweeps(() => isOurs);
  expect(await one.sweep()).toBe(0);
  expect([told, audited, await kept()]).toEqual([[], [], everything]);
  await one.stop(1000);
});

test("a recording that cannot be deleted keeps its call, and keeps nobody else's; the next sweep takes it", async () => {
  rows = rows.map((row) => ({ ...row, retentionDays: 30 }));
  let isAway = true;
  const objectStore = {
    delete: async (id: TenantId, name: string) => {
      if (isAway && id === tenants.keeps) throw new EarshotError("unavailable", "object_store_away", "away");
      await objects.delete(id, name);
    },
  };
  const one = retention({ objectStore });
  await one.sweeps(() => true);
  expect(await one.sweep()).toBe(1);
  expect(await kept()).toEqual(afterwards);
  isAway = false;
  expect(await one.sweep()).toBe(1);
  expect(await kept()).toEqual(["keeps new", "keeps new.wav", "forgets new", "forgets new.wav"]);
  await one.stop(1000);
});

test("a deletion that is cut off is finished by the next sweep", async () => {
  let cutOff = true;
  const calls = {
    expiredCalls: store.expiredCalls,
    unendedCalls: store.unendedCalls,
    eraseDeleted: store.eraseDeleted,
    deleteCalls: async (id: TenantId, ids: readonly string[]) => {
      if (cutOff) throw new EarshotError("unavailable", "column_store_away", "away");
      await store.deleteCalls(id, ids);
    },
  };
  const one = retention({ calls });
  await one.sweeps(() => true);
  expect(await one.sweep()).toBe(0);
  expect(await kept()).toEqual(everything.filter((each) => each !== "forgets old.wav"));
  cutOff = false;
  expect(await one.sweep()).toBe(1);
  expect(await kept()).toEqual(afterwards);
  await one.stop(1000);
});

test("sweeps a minute after it takes the task, and not once it has given it up", async () => {
  const one = retention();
  await one.start();
  clock.advance(3 * 60_000);
  expect(await one.sweep()).toBe(0);
  await one.sweeps(() => true);
  clock.advance(61_000);
  await vi.waitFor(() => expect(audited).toHaveLength(1), 20_000);
  await one.sweeps(undefined);
  await store.write(exampleCall(tenants.forgets, "older", clock.now() - 40 * dayMs));
  await store.settle();
  clock.advance(3 * 3_600_000);
  expect(await one.sweep()).toBe(0);
  expect(await store.getCall(tenants.forgets, "older")).toBeDefined();
  await one.stop(1000);
});
