import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import type { EventLog, SubscribeOptions } from "@earshot/platform/event-log/port.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { callQuery } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type Event, encodeEvent } from "@earshot/proto/event.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { allTopics, topics } from "@earshot/proto/topics.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClickHouseCallStore } from "../store/clickhouse/call-store.ts";
import { exampleCall } from "../store/clickhouse/contract.ts";
import { storeSettings } from "../store/settings.ts";
import { createIngest } from "./ingest.ts";
import { topicOf } from "./testing/topic-of.ts";

const settings = { ...readSettings({ store: storeSettings }, {}).values.store, ingestBatchMs: 50 };
const tenant = tenantId("t1");
const all = callQuery.parse({ perPage: 200 });

describe("ingest", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "earshot-ingest-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function started() {
    const metrics = createMetrics();
    const eventLog = createEmbeddedEventLog({
      directory: join(directory, "log"),
      clock: systemClock,
      log: silentLog,
      metrics,
      settings: defaultPlatformSettings(),
    });
    await eventLog.start();
    await eventLog.declare(allTopics);
    const store = createClickHouseCallStore({
      url: `chdb:${join(directory, "store")}`,
      log: silentLog,
      metrics,
      clock: systemClock,
      settings,
    });
    await store.start();
    let broken: Error | undefined;
    const writes: number[] = [];
    const ingest = createIngest({
      eventLog,
      store: {
        async write(events) {
          if (broken !== undefined) throw broken;
          await store.write(events);
          writes.push(events.length);
        },
        release: () => store.release(),
      },
      log: silentLog,
      metrics,
      clock: systemClock,
      settings,
    });
    await ingest.start();
    return {
      store,
      ingest,
      writes,
      metrics,
      breakWith: (error: Error | undefined) => {
        broken = error;
      },
      publish: (events: readonly Event[]) =>
        Promise.all(events.map((event) => eventLog.publish(topicOf(event), event.callId, encodeEvent(event)))),
      publishRaw: (topic: string, key: string, value: Uint8Array) => eventLog.publish(topic, key, value),
      async stop() {
        await ingest.stop(5000);
        await store.stop(5000);
        await eventLog.stop(5000);
      },
    };
  }

  it("stores what seven topics say of a call, in few writes, and goes on after a restart", async () => {
    const start = Date.now() - 60_000;
    const first = await started();
    await first.publish(Array.from({ length: 30 }, (_, index) => exampleCall("t1", `c${index}`, start + index)).flat());
    await first.ingest.drained();
    const { data, total } = await first.store.listCalls(tenant, all, "UTC");
    expect(total).toBe(30);
    for (const call of data) {
      expect(call).toMatchObject({
        termination: "bye",
        durationMs: 20_000,
        agentSentiment: 0.5,
        callerSentiment: -0.25,
        mos: 3.5,
        alertCount: 1,
        talkRatio: 0.6,
      });
      expect(call.stages).toEqual(["done", "done", "done", "done", "done"]);
    }
    expect(first.writes.length).toBeLessThan(60);
    expect(first.ingest.lag()).toBe(0);
    await first.stop();

    const second = await started();
    await second.publish(exampleCall("t1", "after", start));
    await second.ingest.drained();
    expect((await second.store.listCalls(tenant, all, "UTC")).total).toBe(31);
    // The offsets were kept: what was stored is not stored again.
    expect(second.writes.reduce((sum, events) => sum + events, 0)).toBeLessThan(60);
    await second.stop();
  });

  it("loses nothing while the store fails, and no partition is held up by a record that is no event", async () => {
    const running = await started();
    running.breakWith(new EarshotError("unavailable", "column_store_failed", "The column store failed."));
    await running.publishRaw(topics.calls.name, "c1", new Uint8Array([1, 2, 3]));
    await running.publish(exampleCall("t1", "c1", Date.now() - 60_000));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await running.store.listCalls(tenant, all, "UTC")).total).toBe(0);
    running.breakWith(undefined);
    await running.ingest.drained();
    expect((await running.store.listCalls(tenant, all, "UTC")).data).toMatchObject([{ id: "c1", termination: "bye", alertCount: 1 }]);
    await running.stop();
  });

  it("stores nothing of a partition that another process may have, as the event log says", async () => {
    let subscriber: SubscribeOptions | undefined;
    const written: string[] = [];
    const told: ((() => boolean) | undefined)[] = [];
    const ingest = createIngest({
      eventLog: {
        subscribe: async (options: SubscribeOptions) => {
          subscriber = options;
          return { lag: () => 0, drained: async () => {}, stop: async () => {} };
        },
      } as unknown as EventLog,
      store: { write: async (events) => void written.push(...events.map(({ callId }) => callId)), release: () => {} },
      log: silentLog,
      metrics: createMetrics(),
      clock: systemClock,
      settings: { ...settings, ingestBatchMs: 5 },
      ownsFirstPartition: async (isOurs) => void told.push(isOurs),
    });
    await ingest.start();
    const record = (partition: number, callId: string) => {
      const event: Event = exampleCall("t1", callId, Date.now())[0]!;
      return [{ topic: topicOf(event), partition, offset: 0, key: callId, value: encodeEvent(event), appendedAtMs: 0 }];
    };
    let isOurs = true;
    await subscriber!.assigned?.(
      [1],
      () => isOurs,
      () => 0,
    );
    await subscriber!.assigned?.(
      [2],
      () => true,
      () => 0,
    );
    await subscriber!.handle(record(1, "before"));
    const waiting = Promise.allSettled([subscriber!.handle(record(1, "doubted")), subscriber!.handle(record(2, "ours"))]);
    isOurs = false;
    expect((await waiting).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    await subscriber!.revoked?.([2], "lost");
    await expect(subscriber!.handle(record(2, "gone"))).rejects.toMatchObject({ code: "partition_given_up" });
    expect(written).toEqual(["before", "ours"]);
    // Who settles and sweeps for all is told by the same word.
    let isFirstOurs = true;
    await subscriber!.assigned?.(
      [0],
      () => isFirstOurs,
      () => 0,
    );
    expect(told.map((word) => word?.())).toEqual([true]);
    isFirstOurs = false;
    expect(told.map((word) => word?.())).toEqual([false]);
    await subscriber!.revoked?.([0], "lost");
    expect(told.at(-1)).toBeUndefined();
    await ingest.stop(1000);
  });

  it("keeps every acknowledged batch when the process is killed while it writes", async () => {
    const url = `chdb:${join(directory, "killed")}`;
    let acknowledged = 0;
    for (let round = 0; round < 2; round++) {
      const child: ChildProcess = spawn(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "testing", "endless-writer.ts"), url, String(round)],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const ended = new Promise((resolve) => child.once("exit", resolve));
      let inThisRound = 0;
      for await (const line of createInterface({ input: child.stdout! })) {
        expect(line).toMatch(/^\d+$/);
        acknowledged += Number(line);
        if (++inThisRound === 4) child.kill("SIGKILL");
      }
      await ended;
    }
    const store = createClickHouseCallStore({ url, log: silentLog, metrics: createMetrics(), clock: systemClock, settings });
    await store.start();
    const { data, total } = await store.listCalls(tenant, all, "UTC");
    expect(total).toBeGreaterThanOrEqual(acknowledged);
    expect(new Set(data.map(({ id }) => id)).size).toBe(data.length);
    const oldest = await store.listCalls(tenant, callQuery.parse({ perPage: 20, order: "asc" }), "UTC");
    for (const { id } of oldest.data) expect(await store.transcript(tenant, id)).toHaveLength(2);
    await store.stop(5000);
  });
});
