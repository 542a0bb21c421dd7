/** What the REST API says about tenants' settings and access. */
import { z } from "zod";

/** IPv4 or IPv6 block; a bare address means that host. */
export const cidr = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], {
  error: "This is no IP address, nor a block of them such as 10.20.0.0/24.",
});

export const trunk = z.object({
  id: z.string(),
  name: z.string().min(1).max(100),
  enabled: z.boolean(),
  sourceNetworks: z.array(cidr).max(100),
  tlsPeers: z.array(z.string().min(1).max(253)).max(100),
  requestUsers: z.array(z.string().min(1).max(100)).max(100),
  requestHosts: z.array(z.string().min(1).max(253)).max(100),
  lenientSiprec: z.boolean(),
  acceptWithoutMetadata: z.boolean(),
  maxCalls: z.number().int().min(0).max(100_000).describe("0 = no limit of its own"),
  labelOrder: z.enum(["agent-first", "caller-first"]),
  requireSrtp: z.boolean(),
  queue: z.string().max(100),
});
export const trunkInput = trunk.omit({ id: true }).partial().required({ name: true });
export type Trunk = z.infer<typeof trunk>;

export const extension = z.object({
  id: z.string(),
  number: z.string().min(1).max(64),
  agentName: z.string().min(1).max(100),
  agentId: z.string().max(100),
  team: z.string().max(100),
});
export const extensionInput = extension.omit({ id: true }).partial().required({ number: true, agentName: true });
export type Extension = z.infer<typeof extension>;

/** `said`: the alert is raised when it is said; `not_said`: when it has not been said `withinSeconds` after the call's start. */
export const phraseRule = z.object({
  id: z.string(),
  name: z.string().min(1).max(100),
  enabled: z.boolean(),
  kind: z.enum(["said", "not_said"]),
  phrases: z.array(z.string().min(2).max(200)).min(1).max(50),
  speaker: z.enum(["agent", "caller", "any"]),
  withinSeconds: z.number().int().min(1).max(3600),
  severity: z.enum(["info", "warning", "critical"]),
});
export const phraseRuleInput = phraseRule.omit({ id: true }).partial().required({ name: true, kind: true, phrases: true });
export type PhraseRule = z.infer<typeof phraseRule>;

export const role = z.enum(["supervisor", "tenant_admin", "super_admin"]);
export type Role = z.infer<typeof role>;

export const loginRequest = z.object({ email: z.email().or(z.literal("admin@localhost")), password: z.string().min(1).max(200) });
export const session = z.object({
  user: z.object({ id: z.string(), email: z.string(), name: z.string(), role }),
  tenant: z.object({ id: z.string(), name: z.string(), timezone: z.string() }),
  mustChangePassword: z.boolean(),
});
export type Session = z.infer<typeof session>;
export const changePassword = z.object({ current: z.string().max(200), next: z.string().min(12).max(200) });

export const apiKey = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  createdAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().nullable(),
});
export const apiKeyInput = z.object({ name: z.string().min(1).max(100) });
/** Only the answer to the creation carries the key itself. */
export const apiKeyCreated = apiKey.extend({ key: z.string() });

export const auditEntry = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  details: z.record(z.string(), z.unknown()),
});

/** A recording client that was turned away, for the "allow it" button. */
export const refusal = z.object({
  sourceAddress: z.string(),
  transport: z.string(),
  requestUri: z.string(),
  userAgent: z.string(),
  reason: z.string(),
  /** What an administrator can do about it. */
  remedy: z.string(),
  /** Name of the trunk it came through; empty where none admits it. */
  trunk: z.string(),
  status: z.number(),
  lastAt: z.iso.datetime(),
  count: z.number(),
});

/** GET /api/v1/status: what runs, on which adapters, with which speech engine; for the settings page and the banner. */
export const systemStatus = z.object({
  version: z.string(),
  startedAt: z.iso.datetime(),
  ready: z.boolean(),
  adapters: z.record(z.string(), z.string()),
  addresses: z.record(z.string(), z.string()),
  speech: z.object({ engine: z.string(), usable: z.boolean(), reason: z.string(), remedy: z.string() }),
  demo: z.object({ available: z.boolean(), scenarios: z.array(z.object({ id: z.string(), title: z.string(), seconds: z.number() })) }),
  liveCalls: z.number(),
});
export type SystemStatus = z.infer<typeof systemStatus>;

/** GET /api/v1/services */
export const service = z.object({
  service: z.string().describe("a role, or earshot for all of them in one process"),
  instance: z.string(),
  version: z.string(),
  startedAt: z.iso.datetime(),
  heardAt: z.iso.datetime(),
  state: z.enum(["up", "degraded", "down", "gone"]).describe("gone: not heard of for three beats, and it has not said that it stops"),
  reasons: z.array(z.object({ part: z.string(), state: z.enum(["degraded", "down"]), detail: z.string() })),
});
export type Service = z.infer<typeof service>;

/** POST /api/v1/demo-calls */
export const demoCallInput = z.object({
  scenario: z.string().max(50).optional(),
  impairment: z
    .object({
      lossPercent: z.number().min(0).max(50),
      jitterMs: z.number().min(0).max(200),
      reorderPercent: z.number().min(0).max(50),
      swapChannels: z.boolean(),
      oneWay: z.boolean(),
    })
    .partial()
    .optional(),
});
