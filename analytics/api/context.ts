/** What the API stands on, handed to every group of routes. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import type { SystemStatus } from "@earshot/proto/api/administration.ts";
import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Identity } from "../access/identity.ts";
import type { LiveCalls } from "../live/live-calls.ts";
import type { LiveHub } from "../live/live-hub.ts";
import type { CallStore, DirectoryStore } from "../store/port.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Refusals } from "./refusals.ts";
import type { Services } from "./services.ts";
import type { apiSettings } from "./settings.ts";
import type { TenantSettingsPublisher } from "./tenant-settings.ts";

export type ApiSettings = SettingsOf<typeof apiSettings>;

/** Places a demo call; injected, because the demo PBX belongs to another room. */
export type DemoCalls = {
  scenarios(): { id: string; title: string; seconds: number }[];
  place(input: {
    scenario?: string;
    impairment?: { lossPercent?: number; jitterMs?: number; reorderPercent?: number; swapChannels?: boolean; oneWay?: boolean };
  }): Promise<{ scenario: string }>;
};

export type Readiness = { ready: boolean; reasons: readonly string[] };
export type StatusFacts = Pick<SystemStatus, "version" | "startedAt" | "adapters" | "addresses">;

export type ApiContext = {
  readonly settings: ApiSettings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly eventLog: EventLog;
  readonly objectStore: ObjectStore;
  readonly directory: DirectoryStore;
  readonly calls: CallStore;
  readonly liveCalls: LiveCalls;
  readonly liveHub: LiveHub;
  readonly refusals: Refusals;
  readonly deadLetters: DeadLetters;
  readonly services: Services;
  readonly tenantSettings: TenantSettingsPublisher;
  readonly speech: () => SystemStatus["speech"];
  /** undefined: this installation places no demo calls. */
  readonly demoCalls: DemoCalls | undefined;
  readonly uiDirectory: string | undefined;
  readonly readiness: () => Readiness;
  readonly statusFacts: () => StatusFacts;
};

export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; set on every route that is not open to all. */
    identity: Identity | null;
  }
  interface FastifyContextConfig {
    /** `anyone` needs no login; `admin` may not be a supervisor; default: anyone who is logged in. */
    access?: "anyone" | "member" | "admin";
    /** May be used before a one-time password has been replaced. */
    withOneTimePassword?: boolean;
  }
}
