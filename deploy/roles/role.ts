/** The parts of the product that run as processes of their own, or all in one. */
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { PartHealth } from "@earshot/platform/operations/health.ts";

export const roleNames = ["sip-gateway", "media-pipeline", "analytics-ingest", "analytics-api"] as const;
export type RoleName = (typeof roleNames)[number];

export type Role = {
  readonly name: RoleName;
  /** In start order, after the foundation's; stop in reverse. */
  readonly components: readonly Component[];
  /** What this role needs and does, as it is now. */
  health(): readonly PartHealth[];
  /** The adapter behind each port that is this role's alone. */
  readonly adapters: Readonly<Record<string, string>>;
  /** Once started. */
  addresses(): Readonly<Record<string, string>>;
};
