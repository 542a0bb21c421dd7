/** Two ingests, each with a memory of its own, on one event log and one column store: calls move between them in the middle. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { callQuery } from "@earshot/proto/api/calls.ts";
import { type Event, encodeEvent } from "@earshot/proto/event.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { expect, test, vi } from "vitest";
import { createClickHouseCallStore } from "../store/clickhouse/call-store.ts";
import { exampleCall } from "../store/clickhouse/contract.ts";
import { startClickHouseFront } from "../store/clickhouse/testing/clickhouse-front.ts";
import { storeSettings } from "../store/settings.ts";
import { createIngest } from "./ingest.ts";
import { topicOf } from "./testing/topic-of.ts";

test("calls that move from one ingest to another in the middle are stored whole and once; one of the two settles", async () => {
  const directory = mkdtempSync(join(tmpdir(), "earshot-ingest-hand-over-"));
  const metrics = createMetrics();
  const front = await startClickHouseFront({ directory: join(directory, "store") });
  const eventLog = createEmbeddedEventLog({
    directory: join(directory, "log"),
    clock: systemClock,
    log: silentLog,
    metrics,
    settings: defaultPlatformSettings(),
  });
  await eventLog.start();
  await eventLog.declare(allTopics);
  const settings = { ...readSettings({ store: storeSettings }, {}).values.store, ingestBatchMs: 20 };
  const instance = async () => {
    const store = createClickHouseCallStore({ url: front.url, log: silentLog, metrics: createMetrics(), clock: systemClock, settings });
    await store.start();
    const ingest = createIngest({ eventLog, store, log: silentLog, metrics: createMetrics(), clock: systemClock, settings });
    await ingest.start();
    return { store, ingest };
  };
  const publish = (events: readonly Event[]) =>
    Promise.all(events.map((event) => eventLog.publish(topicOf(event), event.callId, encodeEvent(event))));
  try {
    const calls = Array.from({ length: 24 }, (_, index) => exampleCall("t1", `c${index}`, Date.now() - 60_000 + index));
    const third = (part: number) => calls.flatMap((call) => call.filter((_, i) => Math.floor((i * 3) / call.length) === part));

    const one = await instance();
    await publish(third(0));
    await one.ingest.drained();
    // Half of the partitions move to a second one, then all of them: each time the newcomer reads what the other has stored.
    const two = await instance();
    await publish(third(1));
    await Promise.all([one.ingest.drained(), two.ingest.drained()]);
    await one.ingest.stop(5000);
    await publish(third(2));
    await two.ingest.drained();

    const { data, total } = await two.store.listCalls(tenantId("t1"), callQuery.parse({ perPage: 200 }), "UTC");
    expect([total, new Set(data.map(({ id }) => id)).size]).toEqual([24, 24]);
    for (const call of data) {
      expect(call).toMatchObject({ termination: "bye", durationMs: 20_000, alertCount: 1, mos: 3.5, talkRatio: 0.6 });
      expect(call.stages).toEqual(["done", "done", "done", "done", "done"]);
      expect(await two.store.transcript(tenantId("t1"), call.id)).toHaveLength(2);
    }
    await two.ingest.stop(5000);
    await Promise.all([one.store.stop(5000), two.store.stop(5000)]);
  } finally {
    await eventLog.stop(5000);
    await front.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);

test("a process that stood still while it settled stops there: a call that another one settles meanwhile stands once", async () => {
  const directory = mkdtempSync(join(tmpdir(), "earshot-settle-hand-over-"));
  const front = await startClickHouseFront({ directory });
  const clock = new ManualClock();
  const { store: settings } = readSettings({ store: storeSettings }, {}).values;
  const instance = async () => {
    const store = createClickHouseCallStore({ url: front.url, log: silentLog, metrics: createMetrics(), clock, settings, settles: false });
    await store.start();
    return store;
  };
  const [stale, next] = [await instance(), await instance()];
  try {
    await stale.write(exampleCall("t1", "once", clock.now() - 30_000));
    clock.advance(600_000);
    let isOurs = true;
    await stale.settles(() => isOurs);
    await next.settles(() => true);
    const connection = { stale: stale.connection(), next: next.connection() };
    const execute = { stale: connection.stale.execute, next: connection.next.execute };
    const resumed = Promise.withResolvers<void>();
    const settled = Promise.withResolvers<void>();
    // The one stands still after its first statement; the other, which has the partition now, is halfway when it goes on.
    vi.spyOn(connection.stale, "execute").mockImplementationOnce(async (...statement) => {
      await execute.stale(...statement);
      isOurs = false;
      void next.settle().then(settled.resolve, settled.reject);
      await resumed.promise;
    });
    const staleEnded = Promise.withResolvers<void>();
    vi.spyOn(connection.next, "execute").mockImplementation(async (...statement) => {
      if (statement[0].startsWith("DELETE FROM calls_open")) {
        resumed.resolve();
        await staleEnded.promise;
      }
      await execute.next(...statement);
    });
    await expect(stale.settle().finally(staleEnded.resolve)).rejects.toMatchObject({ code: "settling_given_up" });
    await settled.promise;
    expect((await next.listCalls(tenantId("t1"), callQuery.parse({}), "UTC")).data.map(({ id }) => id)).toEqual(["once"]);
    expect(await next.connection().query("SELECT toUInt32(count()) AS rows FROM calls", {})).toEqual([{ rows: 1 }]);
  } finally {
    await Promise.all([stale.stop(5000), next.stop(5000)]);
    await front.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
