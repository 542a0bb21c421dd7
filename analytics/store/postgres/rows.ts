/** From PostgreSQL's column names to ours. */
import type { Extension, Role } from "@earshot/proto/api/administration.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import type { TenantRow, UserRow } from "../port.ts";

export type StoredTenant = {
  id: string;
  name: string;
  timezone: string;
  suspended: boolean;
  language: string;
  vocabulary: string[];
  retention_days: number;
};
export type StoredUser = {
  tenant_id: string;
  id: string;
  email: string;
  name: string;
  role: Role;
  password_hash: string;
  must_change_password: boolean;
};

export type StoredExtension = { id: string; number: string; agent_name: string; agent_id: string; team: string };

export const toTenant = (row: StoredTenant): TenantRow => ({
  id: tenantId(row.id),
  name: row.name,
  timezone: row.timezone,
  suspended: row.suspended,
  language: row.language,
  vocabulary: row.vocabulary,
  retentionDays: row.retention_days,
});

export const toUser = (row: StoredUser): UserRow => ({
  id: row.id,
  tenantId: tenantId(row.tenant_id),
  email: row.email,
  name: row.name,
  role: row.role,
  passwordHash: row.password_hash,
  mustChangePassword: row.must_change_password,
});

export const toExtension = (row: StoredExtension): Extension => ({
  id: row.id,
  number: row.number,
  agentName: row.agent_name,
  agentId: row.agent_id,
  team: row.team,
});
