/** Processes that tell of themselves over a real event log. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import type { PartHealth } from "@earshot/platform/operations/health.ts";
import { createPresence } from "@earshot/platform/operations/presence.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { allTopics, topics } from "@earshot/proto/topics.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Services } from "./services.ts";
import { eventually } from "./testing/test-api.ts";

const beatMs = 200;
let folder: string;
let eventLog: EventLog;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "earshot-services-"));
  const common = { clock: systemClock, log: silentLog, metrics: createMetrics(), settings: defaultPlatformSettings() };
  eventLog = createEmbeddedEventLog({ ...common, directory: folder });
  await eventLog.start();
  await eventLog.declare(allTopics);
});
afterAll(async () => {
  await eventLog.stop(1000);
  await rm(folder, { recursive: true, force: true });
});

const presence = (service: string, instance: string, health: () => readonly PartHealth[], everyMs = beatMs) =>
  createPresence({ service, instance, version: "1.2.3", beatMs: everyMs, eventLog, clock: systemClock, health });

test("each process is listed with how it is; one that falls silent is gone, one that stops in good order is not there any more", async () => {
  let isWell = true;
  const worker = presence("media-pipeline", "host/2", () => [
    { part: "event log", state: "up", detail: "" },
    isWell ? { part: "speech engine", state: "up", detail: "" } : { part: "speech engine", state: "degraded", detail: "words come late" },
  ]);
  // As one that is killed: it says that it is there, and nothing after that.
  const killed = presence("sip-gateway", "host/1", () => [{ part: "SIP", state: "down", detail: "it starts" }], 3_600_000);
  const services = new Services({ eventLog, clock: systemClock, beatMs });
  await services.start();
  await worker.start();
  await killed.start();
  const states = () => services.list().map(({ instance, state }) => `${instance} ${state}`);
  await eventually(states, (all) => all.join() === "host/2 up,host/1 down");
  expect(services.list()[1]).toMatchObject({
    service: "sip-gateway",
    version: "1.2.3",
    reasons: [{ part: "SIP", state: "down", detail: "it starts" }],
  });

  isWell = false;
  await eventually(states, (all) => all.join() === "host/2 degraded,host/1 gone");
  const { startedAt, heardAt } = services.list()[1]!;
  expect(Date.parse(heardAt) - Date.parse(startedAt)).toBeLessThan(beatMs);

  // Another API that starts now has not waited for it.
  const late = new Services({ eventLog, clock: systemClock, beatMs });
  await late.start();
  await eventually(
    () => late.list().map(({ instance, state }) => `${instance} ${state}`),
    (all) => all.join() === "host/2 degraded,host/1 gone",
  );
  await worker.stop(0);
  await eventually(states, (all) => all.join() === "host/1 gone");
  await services.stop(0);
  await late.stop(0);
});

test("what is no beat of a process changes nothing", async () => {
  const services = new Services({ eventLog, clock: systemClock, beatMs });
  await services.start();
  await eventLog.publish(topics.services.name, "host/9", new Uint8Array(0));
  await presence("analytics-api", "host/3", () => []).start();
  await eventually(
    () => services.list().map(({ instance }) => instance),
    (all) => all.includes("host/3") && !all.includes("host/9"),
  );
  await services.stop(0);
});
