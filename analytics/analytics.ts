/** Meaning and memory as one component: stores, ingest, insights, live view, API and live socket. */
import type { AddressInfo } from "node:net";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { serverTls } from "@earshot/platform/grpc/credentials.ts";
import { GrpcServer } from "@earshot/platform/grpc/server.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import { type Running, run } from "@earshot/platform/lifecycle/run.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { watchStore } from "@earshot/platform/operations/watch.ts";
import type { platformSettings } from "@earshot/platform/settings.ts";
import type { SystemStatus } from "@earshot/proto/api/administration.ts";
import { CallControl } from "@earshot/proto/gen/earshot/control/v1/call_control_pb.js";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { ApiContext, ApiSettings, DemoCalls, Readiness, StatusFacts } from "./api/context.ts";
import { DeadLetters } from "./api/dead-letters.ts";
import { callControlService } from "./api/grpc/call-control-service.ts";
import type { grpcSettings } from "./api/grpc/settings.ts";
import { HttpServer } from "./api/http-server.ts";
import { Refusals } from "./api/refusals.ts";
import { Services } from "./api/services.ts";
import { TenantSettingsPublisher } from "./api/tenant-settings.ts";
import { createIngest } from "./ingest/ingest.ts";
import { createInsights } from "./insights/insights.ts";
import type { InsightsSettings } from "./insights/settings.ts";
import { Listening } from "./live/listening.ts";
import { LiveCalls } from "./live/live-calls.ts";
import { LiveCursors } from "./live/live-cursor.ts";
import { LiveHub } from "./live/live-hub.ts";
import { createRetention } from "./retention/retention.ts";
import { openCallStore, openDirectoryStore } from "./store/open.ts";
import type { CallStore, DirectoryStore } from "./store/port.ts";
import type { ServerState } from "./store/postgres/server-keeper.ts";
import type { postgresSettings } from "./store/postgres/settings.ts";
import type { storeSettings } from "./store/settings.ts";

export type AnalyticsSettings = {
  readonly platform: Pick<SettingsOf<typeof platformSettings>, "eventLog" | "maxRecordBytes" | "serviceBeatMs">;
  readonly api: ApiSettings;
  readonly store: SettingsOf<typeof storeSettings>;
  readonly postgres: SettingsOf<typeof postgresSettings>;
  readonly insights: InsightsSettings;
  readonly grpc: SettingsOf<typeof grpcSettings>;
};

/** `ingest` fills the stores and finds the insights; `api` shows them. Any number of processes of each. */
export type AnalyticsPart = "ingest" | "api";

export type AnalyticsOptions = {
  /** What this process does of it; both where absent. */
  readonly parts?: readonly AnalyticsPart[];
  readonly settings: AnalyticsSettings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Started, with every topic declared. */
  readonly eventLog: EventLog;
  readonly objectStore: ObjectStore;
  readonly dataDir: string;
  readonly speech: () => SystemStatus["speech"];
  /** undefined: the button is not offered. */
  readonly demoCalls: DemoCalls | undefined;
  /** The built pages; undefined or empty: API only. */
  readonly uiDirectory: string | undefined;
  readonly readiness: () => Readiness;
  readonly statusFacts: () => StatusFacts;
};

export type Analytics = Component & {
  /** Records on the log that this process has still to store. */
  lag(): number;
  /** Why nobody can log in, where PostgreSQL is away. */
  readonly databaseFault: string | undefined;
  /** Why history and search wait, and rows too, where the column store is away. */
  readonly columnStoreFault: string | undefined;
  /** What the column store's age makes slower. */
  readonly columnStoreLimitation: string | undefined;
  /** The first administrator's one-time password, on the very first start only. */
  readonly oneTimePassword: string | undefined;
  /** Where the web server listens; undefined before `start`. */
  readonly address: AddressInfo | undefined;
  readonly directory: DirectoryStore;
  readonly calls: CallStore;
  readonly liveCalls: LiveCalls;
};

/**
 * Start order: stores, what fills them, what shows them, the door last. Stop is the reverse: the door first, then what gathers is
 * written, then the stores.
 */
export function createAnalytics(options: AnalyticsOptions): Analytics {
  const { settings, log, metrics, clock, eventLog, dataDir } = options;
  let database: ServerState = "up";
  const directory = openDirectoryStore({
    settings: settings.store,
    postgres: settings.postgres,
    dataDir,
    log,
    clock,
    onState: (state) => {
      database = state;
    },
  });
  const calls = openCallStore({ settings: settings.store, dataDir, log, metrics, clock, settles: false });
  const retention = createRetention({
    directory,
    calls,
    objectStore: options.objectStore,
    eventLog,
    clock,
    log,
    metrics,
    sweepMinutes: settings.store.retentionSweepMinutes,
    unendedHours: settings.store.unendedCallHours,
  });
  const ownsFirstPartition = async (isOurs: (() => boolean) | undefined): Promise<void> => {
    await Promise.all([calls.settles(isOurs), retention.sweeps(isOurs)]);
  };
  const ingest = createIngest({ eventLog, store: calls, log, metrics, clock, settings: settings.store, ownsFirstPartition });
  const rulesOf = (tenant: TenantId) => directory.phraseRules(tenant);
  const insights = createInsights({ eventLog, log, metrics, clock, settings: settings.insights, rulesOf });
  const liveCalls = new LiveCalls({ eventLog, clock, log, metrics, settings: settings.api });
  const listening = new Listening({ calls: liveCalls, directory, eventLog, clock, log });
  const sharedLog = !settings.platform.eventLog.startsWith("embedded:");
  const liveHub = new LiveHub({
    calls: liveCalls,
    cursors: () => LiveCursors.open({ secret: settings.api.cursorSecret, dataDir, sharedLog, log }),
    directory,
    listening,
    clock,
    log,
    metrics,
    settings: settings.api,
    publicOrigins: settings.api.publicOrigins,
    trustProxy: settings.api.trustProxy,
    speech: options.speech,
  });
  const refusals = new Refusals(eventLog);
  const deadLetters = new DeadLetters({ eventLog, clock, metrics, listed: settings.api.deadLettersListed });
  const services = new Services({ eventLog, clock, beatMs: settings.platform.serviceBeatMs });
  const tenantSettings = new TenantSettingsPublisher({
    directory,
    eventLog,
    clock,
    log,
    maxRecordBytes: settings.platform.maxRecordBytes,
  });
  const { objectStore, speech, demoCalls, uiDirectory, statusFacts } = options;
  const directoryWatch = watchStore("relational store", clock, () => directory.tenants());
  const callsWatch = watchStore("column store", clock, () => calls.connection().query("SELECT 1", {}));
  const databaseFault = (): string | undefined => (database === "up" ? directoryWatch.fault : databaseReasons[database]);
  const columnStoreFault = (): string | undefined => {
    if (calls.fault !== undefined) return calls.fault;
    return callsWatch.fault === undefined ? undefined : `history and search wait: ${callsWatch.fault}`;
  };
  const readiness = (): Readiness => {
    const { ready, reasons } = options.readiness();
    const faults = [columnStoreFault(), databaseFault()].filter((fault) => fault !== undefined);
    // Calls go on without it: they are in the event log. Nobody can log in, though.
    return { ready: ready && databaseFault() === undefined, reasons: [...reasons, ...faults] };
  };
  const context: ApiContext = {
    settings: settings.api,
    log,
    metrics,
    clock,
    eventLog,
    objectStore,
    directory,
    calls,
    liveCalls,
    liveHub,
    refusals,
    deadLetters,
    services,
    tenantSettings,
    speech,
    demoCalls,
    uiDirectory,
    readiness,
    statusFacts,
  };
  const http = new HttpServer(context);
  const { port: grpcPort, certFile, keyFile, clientCaFile, messageBytes, calls: grpcCalls, ...streamLimits } = settings.grpc;
  const grpc = new GrpcServer({
    name: "call-control",
    host: settings.api.httpHost,
    port: grpcPort,
    portEnv: "EARSHOT_GRPC_PORT",
    tls: serverTls({ certFile, keyFile, clientCaFile }),
    limits: { messageBytes, calls: grpcCalls, callsEnv: "EARSHOT_GRPC_CALLS" },
    log,
    metrics,
    clock,
  });
  grpc.add(
    CallControl,
    callControlService({ ...context, listening, limits: { ...streamLimits, callsPerMinute: settings.api.requestsPerMinute } }),
  );
  let oneTimePassword: string | undefined;
  const bootstrap: Component = {
    name: "bootstrap",
    async start() {
      const { adminPassword, adminApiKey } = settings.api;
      ({ oneTimePassword } = await directory.bootstrap({ adminPassword, adminApiKey }));
      await tenantSettings.publishAll();
    },
    async stop() {},
  };
  const parts = options.parts ?? ["ingest", "api"];
  const components: readonly Component[] = [
    directory,
    directoryWatch,
    ...(parts.includes("api") ? [bootstrap] : []),
    calls,
    callsWatch,
    ...(parts.includes("ingest") ? [retention, ingest, insights] : []),
    ...(parts.includes("api")
      ? [liveCalls, listening, liveHub, refusals, deadLetters, services, http, ...(grpcPort === 0 ? [] : [grpc])]
      : []),
  ];
  let running: Running | undefined;

  return {
    name: "analytics",
    directory,
    calls,
    liveCalls,
    lag: () => ingest.lag(),
    get databaseFault() {
      return databaseFault();
    },
    get columnStoreFault() {
      return columnStoreFault();
    },
    get columnStoreLimitation() {
      return calls.limitation;
    },
    get oneTimePassword() {
      return oneTimePassword;
    },
    get address() {
      return http.address;
    },
    async start() {
      running = await run(components, { log, clock });
    },
    async stop(deadlineMs) {
      await running?.stop(deadlineMs);
    },
  };
}

const databaseReasons = {
  restarting: "the embedded PostgreSQL has ended and is being started again",
  ended: "the embedded PostgreSQL keeps ending; restart Earshot",
} as const;
