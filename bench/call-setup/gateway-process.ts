/** The gateway of the call set-up bench in a process of its own: real media plane, real event log, so that its CPU can be told from the sender's. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf, SettingsTable } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import { allTopics, topics } from "@earshot/proto/topics.ts";
import { createGateway } from "@earshot/sip-gateway/gateway.ts";
import { createMediaPlane } from "@earshot/sip-gateway/media/media-plane.ts";
import { mediaSettings } from "@earshot/sip-gateway/media/settings.ts";
import { gatewaySettings } from "@earshot/sip-gateway/settings.ts";

const defaults = <T extends SettingsTable>(table: T): SettingsOf<T> =>
  Object.fromEntries(Object.entries(table).map(([name, spec]) => [name, spec.default])) as SettingsOf<T>;

const directory = mkdtempSync(join(tmpdir(), "earshot-call-setup-"));
const metrics = createMetrics();
const shared = { log: silentLog, metrics, clock: systemClock };
const eventLog = createEmbeddedEventLog({ ...shared, directory, settings: defaultPlatformSettings() });
await eventLog.start();
await eventLog.declare(allTopics);
const tenantSettings = {
  tenantName: "Bench",
  version: 1,
  trunks: [{ id: "t", name: "t", enabled: true, sourceNetworks: ["127.0.0.0/8"] }],
};
const settingsEvent = encodeEvent({ id: "settings", tenantId: "t", payload: { case: "tenantSettings", value: tenantSettings } });
await eventLog.publish(topics.settings.name, "t", settingsEvent);
const settings = {
  ...defaults(gatewaySettings),
  host: "127.0.0.1",
  port: 0,
  maxCalls: 10_000,
  maxInvitesPerSecond: 10_000,
  maxMessagesPerSecond: 100_000,
};
const mediaPlane = createMediaPlane({
  ...shared,
  eventLog,
  ports: { from: 42_000, to: 59_999 },
  settings: { ...defaults(mediaSettings), host: "127.0.0.1", drainMs: 1000 },
});
await mediaPlane.start();
const gateway = createGateway({ gatewayId: "bench", ...shared, eventLog, mediaPlane, settings });
await gateway.start();

process.on("message", async (question: "cpu" | "stop") => {
  if (question === "cpu") {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMicros: user + system, liveCalls: gateway.liveCalls(), residentBytes: process.memoryUsage.rss() });
    return;
  }
  await gateway.stop(0);
  await mediaPlane.stop(0);
  await eventLog.stop(1000);
  rmSync(directory, { recursive: true, force: true });
  process.disconnect();
});
while (gateway.fault !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
process.send?.({ port: gateway.addresses().find((address) => address.transport === "udp")?.port });
