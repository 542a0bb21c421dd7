/** Meaning and memory: what fills the stores and what shows them. Both in one process share its stores; each alone has its own connections. */
import { type Analytics, type AnalyticsPart, createAnalytics } from "@earshot/analytics/analytics.ts";
import type { PartHealth, Readiness } from "@earshot/platform/operations/health.ts";
import type { SystemStatus } from "@earshot/proto/api/administration.ts";
import type { DemoCalls } from "../demo-pbx/demo-calls.ts";
import { type Foundation, withoutPassword } from "./foundation.ts";
import type { Role } from "./role.ts";
import { reachable } from "./sip-gateway.ts";

/** What the API tells of the whole process that it is part of. */
export type WholeProcess = {
  readonly readiness: () => Readiness;
  readonly speech: () => SystemStatus["speech"];
  readonly adapters: () => Readonly<Record<string, string>>;
  readonly addresses: () => Readonly<Record<string, string>>;
  readonly demoCalls: DemoCalls | undefined;
  readonly uiDirectory: string | undefined;
};

export type AnalyticsRole = Role & { readonly analytics: Analytics };

export function buildAnalyticsRole(foundation: Foundation, parts: readonly AnalyticsPart[], whole: WholeProcess): AnalyticsRole {
  const { settings, log, metrics, clock, eventLog, objectStore, dataDir, version } = foundation;
  const startedAt = new Date(clock.now()).toISOString();
  const analytics = createAnalytics({
    parts,
    settings,
    log,
    metrics,
    clock,
    eventLog,
    objectStore,
    dataDir,
    speech: whole.speech,
    demoCalls: whole.demoCalls,
    uiDirectory: whole.uiDirectory,
    readiness: whole.readiness,
    statusFacts: () => ({ version, startedAt, adapters: whole.adapters(), addresses: whole.addresses() }),
  });
  const { httpHost, httpPort } = settings.api;
  const host = httpHost === "0.0.0.0" || httpHost === "::" ? "localhost" : reachable(httpHost);
  return {
    name: parts.includes("api") ? "analytics-api" : "analytics-ingest",
    analytics,
    components: [analytics],
    // Calls go on without either: they are in the event log. Without PostgreSQL nobody can log in; without the column store live calls are shown.
    health: (): PartHealth[] => [
      analytics.databaseFault === undefined
        ? { part: "PostgreSQL", state: "up", detail: "" }
        : { part: "PostgreSQL", state: parts.includes("api") ? "down" : "degraded", detail: analytics.databaseFault },
      analytics.columnStoreFault === undefined
        ? { part: "column store", state: "up", detail: analytics.columnStoreLimitation ?? "" }
        : { part: "column store", state: "degraded", detail: analytics.columnStoreFault },
    ],
    adapters: {
      "column store": withoutPassword(settings.store.columnStore),
      "relational store": withoutPassword(settings.store.relationalStore),
    },
    addresses: (): Record<string, string> =>
      parts.includes("api")
        ? {
            web: `http://${host}:${analytics.address?.port ?? httpPort}`,
            ...(settings.grpc.port === 0
              ? {}
              : { "call control": `${settings.grpc.certFile === "" ? "grpc" : "grpcs"}://${host}:${settings.grpc.port}` }),
          }
        : {},
  };
}
