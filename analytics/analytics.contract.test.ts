import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { createFileObjectStore } from "@earshot/platform/object-store/file.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import type { CallSummary, Segment } from "@earshot/proto/api/calls.ts";
import { decodeEvent, type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import { allTopics, topics } from "@earshot/proto/topics.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAnalytics } from "./analytics.ts";
import { grpcSettings } from "./api/grpc/settings.ts";
import { apiSettings } from "./api/settings.ts";
import { callEnded, callStarted, words } from "./api/testing/example-events.ts";
import { eventually } from "./api/testing/test-api.ts";
import { insightsSettings } from "./insights/settings.ts";
import { postgresSettings } from "./store/postgres/settings.ts";
import { storeSettings } from "./store/settings.ts";

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "earshot-analytics-"));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

async function start() {
  const { values } = readSettings(
    {
      platform: platformSettings,
      api: apiSettings,
      store: storeSettings,
      postgres: postgresSettings,
      insights: insightsSettings,
      grpc: grpcSettings,
    },
    { EARSHOT_HTTP_PORT: "0", EARSHOT_HTTP_HOST: "127.0.0.1", EARSHOT_ADMIN_API_KEY: "key" },
  );
  const common = { clock: systemClock, log: silentLog, metrics: createMetrics() };
  const eventLog = createEmbeddedEventLog({ ...common, directory: join(dataDir, "event-log"), settings: values.platform });
  const objectStore = createFileObjectStore({ ...common, directory: join(dataDir, "objects"), settings: values.platform });
  const analytics = createAnalytics({
    ...common,
    settings: values,
    eventLog,
    objectStore,
    dataDir,
    speech: () => ({ engine: "none", usable: false, reason: "", remedy: "" }),
    demoCalls: undefined,
    uiDirectory: undefined,
    readiness: () => ({ ready: true, reasons: [] }),
    statusFacts: () => ({ version: "test", startedAt: new Date(0).toISOString(), adapters: {}, addresses: {} }),
  });
  await eventLog.start();
  await eventLog.declare(allTopics);
  await objectStore.start();
  await analytics.start();
  return {
    analytics,
    publish: (topic: string, event: EventInit & { callId: string }) => eventLog.publish(topic, event.callId, encodeEvent(event)),
    async get<T>(path: string): Promise<T> {
      const answer = await fetch(`http://127.0.0.1:${analytics.address?.port}/api/v1${path}`, { headers: { authorization: "Bearer key" } });
      return (await answer.json()) as T;
    },
    async settingsTold() {
      const [bounds] = await eventLog.bounds(topics.settings.name);
      return (await eventLog.read(topics.settings.name, 0, bounds!.first, 100)).map((record) => decodeEvent(record.value));
    },
    async stop() {
      await analytics.stop(10_000);
      await objectStore.stop(1000);
      await eventLog.stop(5000);
    },
  };
}

type List<T> = { data: T[]; total: number };

test("a call goes from the log into the stores and out of the API, live and ended, and is there after a restart; a database that dies comes back", async () => {
  const first = await start();
  expect(first.analytics.oneTimePassword).toMatch(/^\S{12,}$/);
  const tenant = (await first.analytics.directory.tenants())[0]!.id;
  // The gateway admits nobody before it has heard this.
  expect((await first.settingsTold()).map(({ payload }) => payload)).toMatchObject([
    { case: "tenantSettings", value: { tenantName: "Default", trunks: [{ sourceNetworks: ["127.0.0.0/8", "::1/128"] }] } },
  ]);
  try {
    await first.publish(topics.calls.name, callStarted(tenant, "call-1"));
    await first.publish(topics.transcripts.name, words(tenant, "call-1", "I want to cancel my contract", { final: true }));
    const live = await eventually(
      () => first.get<List<CallSummary>>("/calls?live=true"),
      ({ total }) => total === 1,
      15_000,
    );
    expect(live.data[0]).toMatchObject({ id: "call-1", agent: "Ada", caller: "Grace", endedAt: null });
    await first.publish(topics.calls.name, callEnded(tenant, "call-1"));
    await eventually(
      () => first.get<CallSummary>("/calls/call-1"),
      ({ termination }) => termination === "bye",
      15_000,
    );
  } finally {
    await first.stop();
  }

  const second = await start();
  try {
    expect(second.analytics.oneTimePassword).toBeUndefined();
    expect(second.analytics.liveCalls.count()).toBe(0);
    const found = await eventually(
      () => second.get<List<CallSummary>>('/calls?q="cancel my contract"'),
      ({ total }) => total === 1,
      15_000,
    );
    expect(found.data[0]).toMatchObject({ id: "call-1", termination: "bye" });
    const transcript = await second.get<List<Segment>>("/calls/call-1/transcript");
    const ready = async () => (await fetch(`http://127.0.0.1:${second.analytics.address?.port}/readyz`)).status;
    expect(await ready()).toBe(200);
    const pid = Number.parseInt(await readFile(join(dataDir, "postgres", "cluster", "postmaster.pid"), "utf8"), 10);
    process.kill(pid, "SIGKILL");
    await eventually(ready, (status) => status === 503, 15_000);
    await eventually(ready, (status) => status === 200, 15_000);
    expect(transcript.data).toMatchObject([{ speaker: "caller", startMs: 1000, endMs: 1500, text: "I want to cancel my contract" }]);
  } finally {
    await second.stop();
  }
});
