/** One process: the roles it runs on one foundation, in what order they start and stop, and what the process says of itself. */
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { type PartHealth, readinessOf } from "@earshot/platform/operations/health.ts";
import { createOperationsServer } from "@earshot/platform/operations/operations-server.ts";
import { createPresence } from "@earshot/platform/operations/presence.ts";
import type { Gateway } from "@earshot/sip-gateway/gateway.ts";
import { createDemoCalls, type DemoCalls } from "./demo-pbx/demo-calls.ts";
import { type AnalyticsRole, buildAnalyticsRole, type WholeProcess } from "./roles/analytics.ts";
import { buildFoundation, type Settings } from "./roles/foundation.ts";
import { buildPipelineRole, type PipelineRole, type Speech } from "./roles/media-pipeline.ts";
import type { Role, RoleName } from "./roles/role.ts";
import { buildGatewayRole, type GatewayRole } from "./roles/sip-gateway.ts";

export type EarshotOptions = {
  readonly settings: Settings;
  readonly log: Log;
  readonly version: string;
  readonly uiDirectory: string | undefined;
  /** One role alone; absent: all in this process. */
  readonly role?: RoleName;
  /** Takes the place of the engine that the settings choose; for benches and tests. */
  readonly speech?: Speech;
};

export type Earshot = {
  /** In start order; stop in reverse. */
  readonly components: readonly Component[];
  readonly adapters: Readonly<Record<string, string>>;
  /** Which speech engine, and why; undefined where this process recognises nothing. */
  readonly speech: Speech["status"] | undefined;
  addresses(): Readonly<Record<string, string>>;
  /** Of the first administrator, on the very first start of the API only. */
  oneTimePassword(): string | undefined;
};

/**
 * Builds every part; nothing runs until the components are started.
 * @throws EarshotError where the settings ask for what this machine cannot do (a speech engine, say)
 */
export async function createEarshot({ settings, log, version, uiDirectory, role, ...options }: EarshotOptions): Promise<Earshot> {
  const runs = (name: RoleName): boolean => role === undefined || role === name;
  const usesObjects = role !== "sip-gateway";
  const foundation = buildFoundation({ settings, log, version, spools: role === "sip-gateway", usesObjects });
  const roles: Role[] = [];
  const health = (): PartHealth[] => [foundation, ...roles].flatMap((each) => each.health());
  const adapters: Record<string, string> = { ...foundation.adapters };
  const addresses = (): Record<string, string> => Object.assign({}, ...roles.map((each) => each.addresses()));

  const gateway: GatewayRole | undefined = runs("sip-gateway") ? buildGatewayRole(foundation) : undefined;
  const pipeline: PipelineRole | undefined = runs("media-pipeline") ? await buildPipelineRole(foundation, options.speech) : undefined;
  const demo = gateway === undefined ? undefined : demoPbx(settings, gateway.gateway);
  const parts = (["ingest", "api"] as const).filter((part) => runs(`analytics-${part}`));
  const whole: WholeProcess = {
    // Analytics adds its own database.
    readiness: () => readinessOf([foundation, gateway, pipeline].flatMap((each) => each?.health() ?? [])),
    speech: () => pipeline?.speech ?? elsewhere,
    adapters: () => adapters,
    addresses,
    demoCalls: demo,
    uiDirectory,
  };
  const analytics: AnalyticsRole | undefined = parts.length === 0 ? undefined : buildAnalyticsRole(foundation, parts, whole);

  // What shows calls is there before what makes them words, and that before the door for new ones.
  for (const built of [analytics, pipeline, gateway]) {
    if (built === undefined) continue;
    roles.push(built);
    Object.assign(adapters, built.adapters);
  }
  const presence = createPresence({
    service: role ?? "earshot",
    version,
    beatMs: settings.platform.serviceBeatMs,
    eventLog: foundation.eventLog,
    clock: foundation.clock,
    health,
  });
  const components: Component[] = [...foundation.components, presence, ...roles.flatMap((each) => each.components)];
  if (demo !== undefined) components.push({ name: "demo-pbx", start: async () => {}, stop: () => demo.stop() });
  const built = { adapters, speech: pipeline?.speech, oneTimePassword: () => analytics?.analytics.oneTimePassword };
  if (role === undefined) return { ...built, components, addresses };
  const operations = createOperationsServer({ settings: settings.operations, metrics: foundation.metrics, log, role, version, health });
  return {
    ...built,
    // First to start and last to stop: a probe hears of a start that hangs and of a drain that goes on.
    components: [operations, ...components],
    addresses: () => ({ ...addresses(), operations: `http://${settings.operations.operationsHost}:${operations.address?.port}` }),
  };
}

const elsewhere = { engine: "unknown", usable: true, reason: "the media pipelines run in other processes", remedy: "" };

/** The button's calls go to this process's own SIP port, over UDP like any other recording client's. */
function demoPbx(settings: Settings, gateway: Gateway): DemoCalls | undefined {
  if (settings.process.demoCalls === 0) return undefined;
  const host = settings.gateway.host === "0.0.0.0" ? "127.0.0.1" : settings.gateway.host;
  const port = (): number => gateway.addresses().find(({ transport }) => transport === "udp")?.port ?? settings.gateway.port;
  return createDemoCalls({ recorder: () => ({ address: host, port: port() }), maxCalls: settings.process.demoCalls });
}
