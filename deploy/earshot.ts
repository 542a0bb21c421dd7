/** The whole product in one process: which part stands on which, and in what order they start and stop. */
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { type Analytics, createAnalytics } from "@earshot/analytics/analytics.ts";
import { createPipeline } from "@earshot/media-pipeline/pipeline.ts";
import { chooseRecogniser } from "@earshot/media-pipeline/recogniser/choose.ts";
import { installPocketsphinx } from "@earshot/media-pipeline/recogniser/pocketsphinx/install.ts";
import type { Recogniser, SpeechStatus } from "@earshot/media-pipeline/recogniser/port.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { createFileObjectStore } from "@earshot/platform/object-store/file.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { createGateway, type Gateway } from "@earshot/sip-gateway/gateway.ts";
import { createMediaPlane } from "@earshot/sip-gateway/media/media-plane.ts";
import { createDemoCalls, type DemoCalls } from "./demo-pbx/demo-calls.ts";
import type { allSettings } from "./settings.ts";

export type Settings = { readonly [K in keyof typeof allSettings]: SettingsOf<(typeof allSettings)[K]> };

export type EarshotOptions = {
  readonly settings: Settings;
  readonly log: Log;
  readonly version: string;
  readonly uiDirectory: string | undefined;
  /** Takes the place of the engine that the settings choose; for benches. */
  readonly speech?: { recogniser: Recogniser; status: SpeechStatus };
};

export type Earshot = {
  /** In start order; stop in reverse. */
  readonly components: readonly Component[];
  readonly analytics: Analytics;
  readonly gateway: Gateway;
  readonly speech: SpeechStatus;
  readonly adapters: Readonly<Record<string, string>>;
  addresses(): Readonly<Record<string, string>>;
};

/**
 * Builds every part; nothing runs until the components are started.
 * @throws EarshotError where the settings ask for what this machine cannot do (a speech engine, say)
 */
export async function createEarshot({ settings, log, version, uiDirectory, ...options }: EarshotOptions): Promise<Earshot> {
  const clock = systemClock;
  const metrics = createMetrics({ defaults: true });
  const dataDir = resolve(settings.platform.dataDir);
  const under = (url: string, name: string): string => {
    const given = url.slice(url.indexOf(":") + 1);
    return given === "" ? join(dataDir, name) : resolve(given);
  };
  const startedAt = new Date(clock.now()).toISOString();

  const eventLog = createEmbeddedEventLog({
    directory: under(settings.platform.eventLog, "event-log"),
    clock,
    log,
    metrics,
    settings: settings.platform,
  });
  const objectStore = createFileObjectStore({
    directory: under(settings.platform.objectStore, "objects"),
    clock,
    log,
    settings: settings.platform,
  });
  const speech = options.speech ?? (await chooseSpeech(settings, log, metrics, dataDir));

  const ports = settings.gateway.rtpPorts;
  const mediaPlane = createMediaPlane({ ports, settings: settings.media, log, metrics, clock, eventLog });
  const gateway = createGateway({ settings: settings.gateway, log, metrics, clock, eventLog, mediaPlane });
  const pipeline = createPipeline({
    settings: settings.pipeline.spoolDir === "" ? { ...settings.pipeline, spoolDir: join(dataDir, "spool") } : settings.pipeline,
    log,
    metrics,
    clock,
    eventLog,
    objectStore,
    recogniser: speech.recogniser,
    sharedLog: !settings.platform.eventLog.startsWith("embedded:"),
  });

  const adapters = {
    "event log": settings.platform.eventLog,
    "object store": settings.platform.objectStore,
    "column store": withoutPassword(settings.store.columnStore),
    "relational store": withoutPassword(settings.store.relationalStore),
    "SIP signalling": settings.gateway.signalling,
  };
  const addresses = (): Record<string, string> => ({
    web: `http://${settings.api.httpHost === "0.0.0.0" || settings.api.httpHost === "::" ? "localhost" : reachable(settings.api.httpHost)}:${analytics.address?.port ?? settings.api.httpPort}`,
    ...Object.fromEntries(gateway.addresses().map(({ transport, address, port }) => [`sip/${transport}`, `${reachable(address)}:${port}`])),
    rtp: `${reachable(settings.media.host)}:${ports.from}-${ports.to}`,
  });

  const demo = demoPbx(settings, gateway);
  const components: Component[] = [
    eventLog,
    { name: "topics", start: () => eventLog.declare(allTopics), stop: async () => {} },
    objectStore,
  ];
  const analytics = createAnalytics({
    settings,
    log,
    metrics,
    clock,
    eventLog,
    objectStore,
    dataDir,
    speech: () => speech.status,
    demoCalls: demo,
    uiDirectory,
    readiness: () => ({ ready: gateway.ready, reasons: gateway.ready ? [] : ["the SIP gateway does not serve yet"] }),
    statusFacts: () => ({ version, startedAt, adapters, addresses: addresses() }),
  });
  const drainMs = settings.process.drainSeconds * 1000;
  // What the calls leave behind still has to be transcribed and stored, in time of its own.
  const drainingGateway: Component = {
    name: gateway.name,
    start: () => gateway.start(),
    stop: (deadlineMs) => gateway.stop(Math.min(drainMs, deadlineMs)),
  };
  components.push(speech.recogniser, analytics, pipeline, mediaPlane, drainingGateway);
  if (demo !== undefined) components.push({ name: "demo-pbx", start: async () => {}, stop: () => demo.stop() });
  return { components, analytics, gateway, speech: speech.status, adapters, addresses };
}

async function chooseSpeech(settings: Settings, log: Log, metrics: ReturnType<typeof createMetrics>, dataDir: string) {
  await installPocketsphinx({ settings: settings.recogniser, log });
  return chooseRecogniser({ settings: settings.recogniser, log, metrics, clock: systemClock, dataDir });
}

/** The button's calls go to this process's own SIP port, over UDP like any other recording client's. */
function demoPbx(settings: Settings, gateway: Gateway): DemoCalls | undefined {
  if (settings.process.demoCalls === 0) return undefined;
  const host = settings.gateway.host === "0.0.0.0" ? "127.0.0.1" : settings.gateway.host;
  const port = (): number => gateway.addresses().find(({ transport }) => transport === "udp")?.port ?? settings.gateway.port;
  return createDemoCalls({ recorder: () => ({ address: host, port: port() }), maxCalls: settings.process.demoCalls });
}

/** What a PBX is told: where every address is bound, the first that other machines can reach. */
function reachable(host: string): string {
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal);
  const address = host === "0.0.0.0" || host === "::" ? (outside?.address ?? "127.0.0.1") : host;
  return address.includes(":") ? `[${address}]` : address;
}

/** A store's URL as it may be printed. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//***@");
}
