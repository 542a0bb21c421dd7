/** Every service's settings table in one place, and what belongs to no single service. */

import { grpcSettings } from "@earshot/analytics/api/grpc/settings.ts";
import { apiSettings } from "@earshot/analytics/api/settings.ts";
import { insightsSettings } from "@earshot/analytics/insights/settings.ts";
import { postgresSettings } from "@earshot/analytics/store/postgres/settings.ts";
import { storeSettings } from "@earshot/analytics/store/settings.ts";
import { recogniserServerSettings } from "@earshot/media-pipeline/recogniser/grpc/server-settings.ts";
import { recogniserSettings } from "@earshot/media-pipeline/recogniser/settings.ts";
import { mediaPipelineSettings } from "@earshot/media-pipeline/settings.ts";
import { type SettingsTable, setting, z } from "@earshot/platform/config/settings.ts";
import { operationsSettings } from "@earshot/platform/operations/settings.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { mediaSettings } from "@earshot/sip-gateway/media/settings.ts";
import { gatewaySettings } from "@earshot/sip-gateway/settings.ts";
import { type RoleName, roleNames } from "./roles/role.ts";

const processSettings = {
  role: setting<RoleName | "all">({
    env: "EARSHOT_ROLE",
    schema: z.enum(["all", ...roleNames]),
    default: "all",
    describe: `what this process runs: all in one, or one role alone (${roleNames.join(", ")}); --role says the same`,
  }),
  drainSeconds: setting({
    env: "EARSHOT_DRAIN_SECONDS",
    schema: z.coerce.number().min(0).max(3600),
    default: 30,
    describe: "how long live calls may go on after Ctrl-C or SIGTERM",
    atLimit: "calls still up are ended with termination shutdown; what they said until then is kept",
  }),
  demoCalls: setting({
    env: "EARSHOT_DEMO_CALLS",
    schema: z.coerce.number().int().min(0).max(100),
    default: 10,
    describe: "demo calls at once from the page's button; 0 removes the button",
    atLimit: "the button answers that so many are up already",
  }),
} satisfies SettingsTable;

export const allSettings = {
  process: processSettings,
  platform: platformSettings,
  operations: operationsSettings,
  gateway: gatewaySettings,
  media: mediaSettings,
  pipeline: mediaPipelineSettings,
  recogniser: recogniserSettings,
  recogniserServer: recogniserServerSettings,
  store: storeSettings,
  postgres: postgresSettings,
  api: apiSettings,
  grpc: grpcSettings,
  insights: insightsSettings,
} as const;

/** deploy/docs/settings.md: every setting, its default and what happens at its limit. */
export function settingsDocument(): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const rows = Object.entries(allSettings).flatMap(([table, settings]) => [
    "",
    `## ${table}`,
    "",
    "| variable | default | what it is | at the limit |",
    "| --- | --- | --- | --- |",
    ...Object.values(settings as SettingsTable).map((spec) => {
      const value =
        spec.defaultText ??
        (spec.default === undefined || spec.default === ""
          ? ""
          : typeof spec.default === "object"
            ? JSON.stringify(spec.default)
            : String(spec.default));
      return `| \`${spec.env}\` | ${value === "" ? "" : `\`${cell(value)}\``} | ${cell(spec.describe)} | ${cell(spec.atLimit ?? "")} |`;
    }),
  ]);
  return [
    "# Settings",
    "",
    "Environment variables. Made by `npm start -- --settings`; a test holds it to the code. `npm start -- --check-config` reports every fault at once.",
    ...rows,
    "",
  ].join("\n");
}
