/** The two memories behind the API. The tenant is the first argument of everything: there is no way to ask without one. */
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Extension, PhraseRule, Role, Trunk } from "@earshot/proto/api/administration.ts";
import type { CallDetail, CallListItem, CallQuery, LedgerStage, Segment, Termination } from "@earshot/proto/api/calls.ts";
import type { Event } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";

export type CallStatistics = {
  calls: number;
  totalDurationMs: number;
  meanDurationMs: number | null;
  meanCallerSentiment: number | null;
  meanMos: number | null;
  withAlerts: number;
  perDay: { day: string; calls: number; meanCallerSentiment: number | null }[];
};

export type StoredRecording = { objectKey: string; bytes: number; durationMs: number; sampleRate: number; channels: number };

/** Column store (ClickHouse): calls, segments, line quality, insights, ledger. */
export interface CallStore extends Component {
  /** Idempotent: writing the same events again changes nothing. Resolves when they are stored. */
  write(events: readonly Event[]): Promise<void>;
  /** Forgets what is held in memory of calls that are up: from now on another process may write them. */
  release(): void;
  listCalls(tenant: TenantId, query: CallQuery, timezone: string): Promise<{ data: CallListItem[]; total: number }>;
  statistics(tenant: TenantId, query: CallQuery, timezone: string): Promise<CallStatistics>;
  getCall(tenant: TenantId, id: string): Promise<CallDetail | undefined>;
  transcript(tenant: TenantId, id: string): Promise<Segment[]>;
  ledger(tenant: TenantId, id: string): Promise<LedgerStage[]>;
  recording(tenant: TenantId, id: string): Promise<StoredRecording | undefined>;
  /** Distinct values for the filters of the list, most frequent first. */
  facets(tenant: TenantId): Promise<{ agents: string[]; queues: string[]; terminations: Termination[] }>;
}

/** What a store of calls does besides for those that are kept no longer. */
export interface CallRetention {
  /** Settled calls of a tenant that began before a time (Unix ms), the oldest first. */
  expiredCalls(tenant: TenantId, beforeMs: number, most: number): Promise<ExpiredCall[]>;
  /** Calls of a tenant that have no end, and of which nothing new is known since `silentSinceMs` (Unix ms); the oldest first. */
  unendedCalls(tenant: TenantId, silentSinceMs: number, most: number): Promise<UnendedCall[]>;
  /** Every row of these calls. Cut off in between, the calls are expired still. */
  deleteCalls(tenant: TenantId, ids: readonly string[]): Promise<void>;
  /** Takes off the disk what was deleted before. Dear: it rewrites every part that has such rows. */
  eraseDeleted(): Promise<void>;
}

/** `objectKeys`: of its recordings. */
export type ExpiredCall = { readonly callId: string; readonly objectKeys: readonly string[] };

/** `changedAtMs`: when the last that is known of it was stored. */
export type UnendedCall = { readonly callId: string; readonly changedAtMs: number };

export type TenantRow = {
  id: TenantId;
  name: string;
  timezone: string;
  suspended: boolean;
  language: string;
  vocabulary: string[];
  /** Days a call is kept from its start; 0 = for ever. */
  retentionDays: number;
};
export type UserRow = {
  id: string;
  tenantId: TenantId;
  email: string;
  name: string;
  role: Role;
  passwordHash: string;
  mustChangePassword: boolean;
};
export type NewUser = Pick<UserRow, "email" | "name" | "role" | "passwordHash" | "mustChangePassword">;
export type SessionRow = { user: UserRow; tenant: TenantRow; expiresAt: Date };

/** What gateway and pipeline are told of a tenant. `createdAtMs`: since when the trunk claims what it claims (Unix ms). */
export type StoredSettings = { tenant: TenantRow; trunks: (Trunk & { createdAtMs: number })[]; extensions: Extension[] };
/** Looks at a tenant's settings as a change leaves them; what it throws undoes the change. */
export type SettingsCheck = (settings: StoredSettings) => void;

/** `actor` as in access/identity.ts. */
export type AuditEntry = { actor: string; action: string; subject: string; details: Record<string, unknown> };

/** Relational store (PostgreSQL, row-level security): tenants, people, access, settings, audit. */
export interface DirectoryStore extends Component {
  /** First start: one tenant, its administrator, one trunk that admits loopback. Returns the one-time password where it made one. */
  bootstrap(options: {
    adminPassword: string | undefined;
    adminApiKey: string | undefined;
  }): Promise<{ oneTimePassword: string | undefined }>;
  tenants(): Promise<TenantRow[]>;
  /** @throws EarshotError conflict where the administrator's e-mail is taken */
  createTenant(input: { name: string; timezone: string; admin: NewUser }): Promise<TenantRow>;
  tenant(tenant: TenantId): Promise<TenantRow | undefined>;
  updateTenant(
    tenant: TenantId,
    change: Partial<Pick<TenantRow, "name" | "timezone" | "language" | "vocabulary" | "retentionDays">>,
    check?: SettingsCheck,
  ): Promise<TenantRow>;
  /** All of them as of one moment; undefined where there is no such tenant. */
  settings(tenant: TenantId): Promise<StoredSettings | undefined>;

  userByEmail(email: string): Promise<UserRow | undefined>;
  /** @throws EarshotError conflict where the e-mail is taken, in whichever tenant */
  createUser(tenant: TenantId, user: NewUser): Promise<UserRow>;
  setPassword(tenant: TenantId, userId: string, passwordHash: string): Promise<void>;
  /** Only hashes of tokens and keys are stored. */
  createSession(tenant: TenantId, userId: string, tokenHash: string, expiresAt: Date): Promise<void>;
  sessionByTokenHash(tokenHash: string): Promise<SessionRow | undefined>;
  deleteSession(tokenHash: string): Promise<void>;
  tenantByApiKeyHash(keyHash: string): Promise<{ tenant: TenantRow; keyId: string; name: string } | undefined>;
  apiKeys(tenant: TenantId): Promise<{ id: string; name: string; prefix: string; createdAt: Date; lastUsedAt: Date | null }[]>;
  createApiKey(tenant: TenantId, name: string, prefix: string, keyHash: string): Promise<{ id: string; createdAt: Date }>;
  deleteApiKey(tenant: TenantId, id: string): Promise<boolean>;

  trunks(tenant: TenantId): Promise<Trunk[]>;
  /** @throws EarshotError conflict where a trunk of another tenant admits the same */
  saveTrunk(tenant: TenantId, trunk: Trunk, check?: SettingsCheck): Promise<Trunk>;
  deleteTrunk(tenant: TenantId, id: string): Promise<boolean>;
  extensions(tenant: TenantId): Promise<Extension[]>;
  /** All of them or none; by id. */
  saveExtensions(tenant: TenantId, extensions: readonly Extension[], check?: SettingsCheck): Promise<void>;
  saveExtension(tenant: TenantId, extension: Extension, check?: SettingsCheck): Promise<Extension>;
  deleteExtension(tenant: TenantId, id: string): Promise<boolean>;
  phraseRules(tenant: TenantId): Promise<PhraseRule[]>;
  savePhraseRule(tenant: TenantId, rule: PhraseRule): Promise<PhraseRule>;
  deletePhraseRule(tenant: TenantId, id: string): Promise<boolean>;

  audit(tenant: TenantId, entry: AuditEntry): Promise<void>;
  /** Not written where an entry alike was less than `withinMs` ago, also when several processes ask at once. */
  auditOnce(tenant: TenantId, entry: AuditEntry, withinMs: number): Promise<void>;
  auditLog(
    tenant: TenantId,
    page: number,
    perPage: number,
  ): Promise<{
    data: ({ id: string; at: Date } & AuditEntry)[];
    total: number;
  }>;
}
