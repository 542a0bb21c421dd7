/** API keys, the tenant itself, the audit log, refused recording clients, status, alerts, demo calls. */

import { generateToken, hashToken } from "@earshot/platform/secrets/token.ts";
import {
  apiKey,
  apiKeyCreated,
  apiKeyInput,
  auditEntry,
  demoCallInput,
  refusal,
  service,
  systemStatus,
} from "@earshot/proto/api/administration.ts";
import { alert, list } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { z } from "zod";
import { ownsInstallation, who } from "../access-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { listQuery, pageOf } from "../list-query.ts";
import { idParameter } from "./setting-lists.ts";

const mostApiKeys = 200;

const timezone = z.string().max(64).refine(isTimezone, "is not an IANA timezone such as Europe/Berlin");
const tenantView = z.object({
  id: z.string(),
  name: z.string(),
  timezone: z.string(),
  language: z.string(),
  vocabulary: z.array(z.string()),
  retentionDays: z.number().describe("days a call is kept from its start; 0 = for ever"),
});
const tenantChange = z
  .object({
    name: z.string().min(1).max(100),
    timezone,
    language: z
      .string()
      .regex(/^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$/, "is not a BCP 47 tag such as en-GB")
      .max(35),
    vocabulary: z.array(z.string().min(1).max(100)).max(1000),
    retentionDays: z.number().int().min(0).max(3650),
  })
  .partial();

export function administrationRoutes(api: Api, context: ApiContext): void {
  const { directory, liveHub, liveCalls, refusals, tenantSettings, demoCalls } = context;
  const admin = { access: "admin" as const };
  api.get(
    "/api-keys",
    { config: admin, schema: { tags: ["api-keys"], querystring: listQuery, response: { 200: list(apiKey) } } },
    async (request) => {
      const keys = (await directory.apiKeys(who(request).tenant.id)).map((key) => ({
        ...key,
        createdAt: key.createdAt.toISOString(),
        lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
      }));
      return pageOf(keys, request.query);
    },
  );
  api.post(
    "/api-keys",
    {
      config: admin,
      schema: { tags: ["api-keys"], summary: "The key is shown this once", body: apiKeyInput, response: { 201: apiKeyCreated } },
    },
    async (request, reply) => {
      const { tenant, actor } = who(request);
      if ((await directory.apiKeys(tenant.id)).length >= mostApiKeys)
        throw new EarshotError("quota", "api_key_limit", `There are ${mostApiKeys} keys already.`, { remedy: "Delete what is not used." });
      const key = generateToken("ea");
      const prefix = key.slice(0, 9);
      const { id, createdAt } = await directory.createApiKey(tenant.id, request.body.name, prefix, hashToken(key));
      await directory.audit(tenant.id, { actor, action: "api_key.create", subject: id, details: { name: request.body.name, prefix } });
      return reply.status(201).send({ id, name: request.body.name, prefix, createdAt: createdAt.toISOString(), lastUsedAt: null, key });
    },
  );
  api.delete(
    "/api-keys/:id",
    { config: admin, schema: { tags: ["api-keys"], params: idParameter, response: { 204: z.null() } } },
    async (request, reply) => {
      const { tenant, actor } = who(request);
      const { id } = request.params;
      if (!(await directory.deleteApiKey(tenant.id, id))) throw new EarshotError("not_found", "api_key_unknown", "There is no such key.");
      liveHub.disconnect(({ tenant: its, credential }) => its.id === tenant.id && credential.kind === "key" && credential.keyId === id);
      await directory.audit(tenant.id, { actor, action: "api_key.delete", subject: id, details: {} });
      return reply.status(204).send(null);
    },
  );

  api.get("/tenant", { schema: { tags: ["tenant"], response: { 200: tenantView } } }, async (request) => who(request).tenant);
  api.patch(
    "/tenant",
    { config: admin, schema: { tags: ["tenant"], body: tenantChange, response: { 200: tenantView } } },
    async (request) => {
      const { tenant, actor } = who(request);
      const changed = await directory.updateTenant(tenant.id, request.body, tenantSettings.check);
      await directory.audit(tenant.id, { actor, action: "tenant.change", subject: tenant.id, details: { ...request.body } });
      await tenantSettings.publish(tenant.id);
      return changed;
    },
  );

  api.get(
    "/audit",
    {
      config: admin,
      schema: {
        tags: ["audit"],
        querystring: z.object({ page: z.coerce.number().int().min(1).max(1_000_000).default(1), perPage: listQuery.shape.perPage }),
        response: { 200: list(auditEntry) },
      },
    },
    async (request) => {
      const { data, total } = await directory.auditLog(who(request).tenant.id, request.query.page, request.query.perPage);
      return { data: data.map((entry) => ({ ...entry, at: entry.at.toISOString() })), total };
    },
  );

  api.get(
    "/refusals",
    {
      config: admin,
      schema: {
        tags: ["trunks"],
        summary: "Recording clients that were turned away, newest first",
        querystring: listQuery,
        response: { 200: list(refusal) },
      },
    },
    async (request) => {
      const { tenant } = who(request);
      return pageOf(refusals.list(tenant.id, await ownsInstallation(directory, tenant.id)), request.query);
    },
  );

  api.get("/status", { schema: { tags: ["status"], response: { 200: systemStatus } } }, async (request) => {
    const { tenant } = who(request);
    const demo = (await ownsInstallation(directory, tenant.id)) ? demoCalls : undefined;
    return {
      ...context.statusFacts(),
      ready: context.readiness().ready,
      speech: context.speech(),
      demo: { available: demo !== undefined, scenarios: demo?.scenarios() ?? [] },
      liveCalls: liveCalls.count(tenant.id),
    };
  });

  api.get(
    "/services",
    {
      config: admin,
      schema: {
        tags: ["status"],
        summary: "The installation's processes; none for other tenants' administrators",
        querystring: listQuery,
        response: { 200: list(service) },
      },
    },
    async (request) => {
      const isOwn = await ownsInstallation(directory, who(request).tenant.id);
      return pageOf(isOwn ? context.services.list() : [], request.query);
    },
  );

  api.get(
    "/alerts",
    {
      schema: {
        tags: ["calls"],
        summary: "Alerts of the recent past, newest first",
        querystring: listQuery.extend({ since: z.iso.datetime({ offset: true }).optional() }),
        response: { 200: list(alert) },
      },
    },
    async (request) => {
      const { since } = request.query;
      const all = liveCalls.recentAlerts(who(request).tenant.id);
      return pageOf(since === undefined ? all : all.filter((item) => Date.parse(item.raisedAt) >= Date.parse(since)), request.query);
    },
  );

  api.post(
    "/demo-calls",
    {
      schema: {
        tags: ["demo"],
        summary: "Places a call by the demo PBX",
        body: demoCallInput.nullish(),
        response: { 202: z.object({ scenario: z.string() }) },
      },
    },
    async (request, reply) => {
      const { tenant, actor } = who(request);
      if (demoCalls === undefined)
        throw new EarshotError("unavailable", "demo_not_available", "This installation places no demo calls.", {
          remedy: "Set EARSHOT_DEMO_CALLS to 1 or more and restart, or run npm run demo.",
        });
      if (!(await ownsInstallation(directory, tenant.id)))
        throw new EarshotError("forbidden", "demo_not_yours", "Demo calls belong to the installation's first tenant.", {
          remedy: "Sign in there; this tenant's calls come from its own trunks.",
        });
      const placed = await demoCalls.place(request.body ?? {});
      await directory.audit(tenant.id, { actor, action: "demo_call.place", subject: placed.scenario, details: {} });
      return reply.status(202).send(placed);
    },
  );
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
