/** Trunks, extensions and phrase rules: five routes each, alike. Every change is audited and told to gateway and pipeline. */
import { randomUUID } from "node:crypto";
import {
  type Extension,
  extension,
  extensionInput,
  type PhraseRule,
  phraseRule,
  phraseRuleInput,
  type Trunk,
  trunk,
  trunkInput,
} from "@earshot/proto/api/administration.ts";
import { list } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { DirectoryStore, SettingsCheck } from "../../store/port.ts";
import { who } from "../access-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { type ListQuery, listQuery, pageOf } from "../list-query.ts";

export const idParameter = z.object({ id: z.string().min(1).max(100) });

type Resource<T extends { id: string }, I> = {
  path: string;
  /** In the audit log and in messages: "trunk". */
  noun: string;
  item: z.ZodType<T>;
  input: z.ZodType<I>;
  /** The whole item from what was sent. */
  complete(input: I, id: string): T;
  all(directory: DirectoryStore, tenant: TenantId): Promise<T[]>;
  save(directory: DirectoryStore, tenant: TenantId, item: T, check: SettingsCheck): Promise<T>;
  remove(directory: DirectoryStore, tenant: TenantId, id: string): Promise<boolean>;
  /** Items of one tenant, at most. */
  most: number;
};

export function settingListRoutes(api: Api, context: ApiContext): void {
  resource<Trunk, z.infer<typeof trunkInput>>(api, context, {
    path: "/trunks",
    noun: "trunk",
    item: trunk,
    input: trunkInput,
    complete: (input, id) => ({
      id,
      name: input.name,
      enabled: input.enabled ?? true,
      sourceNetworks: input.sourceNetworks ?? [],
      tlsPeers: input.tlsPeers ?? [],
      requestUsers: input.requestUsers ?? [],
      requestHosts: input.requestHosts ?? [],
      lenientSiprec: input.lenientSiprec ?? false,
      acceptWithoutMetadata: input.acceptWithoutMetadata ?? true,
      maxCalls: input.maxCalls ?? 0,
      labelOrder: input.labelOrder ?? "agent-first",
      requireSrtp: input.requireSrtp ?? false,
      queue: input.queue ?? "",
    }),
    all: (directory, tenant) => directory.trunks(tenant),
    save: (directory, tenant, item, check) => directory.saveTrunk(tenant, item, check),
    remove: (directory, tenant, id) => directory.deleteTrunk(tenant, id),
    most: 1000,
  });
  resource<Extension, z.infer<typeof extensionInput>>(api, context, {
    path: "/extensions",
    noun: "extension",
    item: extension,
    input: extensionInput,
    complete: completeExtension,
    all: (directory, tenant) => directory.extensions(tenant),
    save: (directory, tenant, item, check) => directory.saveExtension(tenant, item, check),
    remove: (directory, tenant, id) => directory.deleteExtension(tenant, id),
    most: context.settings.extensionsPerTenant,
  });
  resource<PhraseRule, z.infer<typeof phraseRuleInput>>(api, context, {
    path: "/phrase-rules",
    noun: "phrase_rule",
    item: phraseRule,
    input: phraseRuleInput,
    complete: (input, id) => ({
      id,
      name: input.name,
      kind: input.kind,
      phrases: input.phrases,
      enabled: input.enabled ?? true,
      speaker: input.speaker ?? "any",
      withinSeconds: input.withinSeconds ?? 30,
      severity: input.severity ?? "warning",
    }),
    all: (directory, tenant) => directory.phraseRules(tenant),
    save: (directory, tenant, item) => directory.savePhraseRule(tenant, item),
    remove: (directory, tenant, id) => directory.deletePhraseRule(tenant, id),
    most: 500,
  });
}

export function completeExtension(input: z.infer<typeof extensionInput>, id: string): Extension {
  return { id, number: input.number, agentName: input.agentName, agentId: input.agentId ?? "", team: input.team ?? "" };
}

function resource<T extends { id: string }, I>(api: Api, context: ApiContext, spec: Resource<T, I>): void {
  const { directory, tenantSettings } = context;
  const tags = [spec.path.slice(1)];
  const one = `${spec.path}/:id`;
  const unknown = () => new EarshotError("not_found", `${spec.noun}_unknown`, `There is no such ${spec.noun.replace("_", " ")}.`);
  const find = async (tenant: TenantId, id: string): Promise<T> => {
    const found = (await spec.all(directory, tenant)).find((item) => item.id === id);
    if (found === undefined) throw unknown();
    return found;
  };
  const changed = async (tenant: TenantId, actor: string, action: string, subject: string, details: Record<string, unknown>) => {
    await directory.audit(tenant, { actor, action: `${spec.noun}.${action}`, subject, details });
    await tenantSettings.publish(tenant);
  };

  // Types do not follow a generic schema into the request; the schemas check it all the same.
  const routes = api as unknown as FastifyInstance;
  type ById = { Params: z.infer<typeof idParameter> };

  routes.get<{ Querystring: ListQuery }>(
    spec.path,
    { schema: { tags, querystring: listQuery, response: { 200: list(spec.item) } } },
    async (request) => pageOf(await spec.all(directory, who(request).tenant.id), request.query),
  );
  routes.get<ById>(one, { schema: { tags, params: idParameter, response: { 200: spec.item } } }, async (request) =>
    find(who(request).tenant.id, request.params.id),
  );
  routes.post<{ Body: I }>(
    spec.path,
    { config: { access: "admin" }, schema: { tags, body: spec.input, response: { 201: spec.item } } },
    async (request, reply) => {
      const { tenant, actor } = who(request);
      if ((await spec.all(directory, tenant.id)).length >= spec.most)
        throw new EarshotError("quota", `${spec.noun}_limit`, `There are ${spec.most} already.`, { remedy: "Delete what is not used." });
      const item = await spec.save(directory, tenant.id, spec.complete(request.body as I, randomUUID()), tenantSettings.check);
      await changed(tenant.id, actor, "create", item.id, { ...item });
      return reply.status(201).send(item);
    },
  );
  routes.put<ById & { Body: I }>(
    one,
    { config: { access: "admin" }, schema: { tags, params: idParameter, body: spec.input, response: { 200: spec.item } } },
    async (request) => {
      const { tenant, actor } = who(request);
      const before = await find(tenant.id, request.params.id);
      // What is not sent stays as it is.
      const item = await spec.save(
        directory,
        tenant.id,
        spec.complete({ ...before, ...(request.body as I & object) }, before.id),
        tenantSettings.check,
      );
      await changed(tenant.id, actor, "change", item.id, { before, after: item });
      return item;
    },
  );
  routes.delete<ById>(
    one,
    { config: { access: "admin" }, schema: { tags, params: idParameter, response: { 204: z.null() } } },
    async (request, reply) => {
      const { tenant, actor } = who(request);
      if (!(await spec.remove(directory, tenant.id, request.params.id))) throw unknown();
      await changed(tenant.id, actor, "delete", request.params.id, {});
      return reply.status(204).send(null);
    },
  );
}
