import type { apiKey, apiKeyCreated, auditEntry, refusal } from "@earshot/proto/api/administration.ts";

export type Refusal = ReturnType<(typeof refusal)["parse"]>;
export type ApiKey = ReturnType<(typeof apiKey)["parse"]>;
export type ApiKeyCreated = ReturnType<(typeof apiKeyCreated)["parse"]>;
export type AuditEntry = ReturnType<(typeof auditEntry)["parse"]>;

/** GET and PATCH /api/v1/tenant */
export interface TenantSettings {
  id: string;
  name: string;
  timezone: string;
  /** BCP 47; empty = as the engine finds. */
  language?: string;
  vocabulary?: string[];
  /** Days; 0 = for ever. */
  retentionDays?: number;
}

/** POST /api/v1/extensions/import */
export interface ImportAnswer {
  created: number;
  updated: number;
  errors: { line: number; text: string; problem: string }[];
}
