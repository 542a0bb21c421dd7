/** What a fresh installation has: one tenant, its administrator, a trunk for this machine, and a few rules worth having. */
import { randomUUID } from "node:crypto";
import { hashPassword } from "@earshot/platform/secrets/password.ts";
import { generatePassword, hashToken } from "@earshot/platform/secrets/token.ts";
import type { PhraseRule, Trunk } from "@earshot/proto/api/administration.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import type { Pool } from "pg";
import type { NewUser } from "../port.ts";
import { type StoredTenant, toTenant } from "./rows.ts";
import { holdingLock, lookUp, withTenant } from "./tenant-scope.ts";

const environmentKeyId = "environment";
/** Any constant: held by the process that looks whether this is the first start, so that of two only one finds that it is. */
const firstStartLock = 4_158_201_309;

const loopbackTrunk: Omit<Trunk, "id"> = {
  name: "This machine",
  enabled: true,
  sourceNetworks: ["127.0.0.0/8", "::1/128"],
  tlsPeers: [],
  requestUsers: [],
  requestHosts: [],
  lenientSiprec: false,
  acceptWithoutMetadata: true,
  maxCalls: 0,
  labelOrder: "agent-first",
  requireSrtp: false,
  queue: "",
};

const defaultRules: Omit<PhraseRule, "id">[] = [
  {
    name: "Cancellation",
    enabled: true,
    kind: "said",
    phrases: ["cancel my", "cancel the", "want to cancel", "close my account", "end my contract"],
    speaker: "caller",
    withinSeconds: 30,
    severity: "warning",
  },
  {
    name: "Asks for a supervisor",
    enabled: true,
    kind: "said",
    phrases: ["supervisor", "your manager", "a manager", "someone in charge"],
    speaker: "caller",
    withinSeconds: 30,
    severity: "warning",
  },
  {
    name: "Legal action",
    enabled: true,
    kind: "said",
    phrases: ["my lawyer", "a lawyer", "legal action", "take you to court", "ombudsman"],
    speaker: "caller",
    withinSeconds: 30,
    severity: "critical",
  },
  {
    name: "Recording not disclosed",
    enabled: true,
    kind: "not_said",
    phrases: ["this call is recorded", "this call may be recorded", "call is being recorded", "calls are recorded", "recorded line"],
    speaker: "agent",
    withinSeconds: 30,
    severity: "info",
  },
];

/** Writes a tenant and its administrator; the caller has hashed the password. */
export async function insertTenant(pool: Pool, input: { name: string; timezone: string; admin: NewUser }): Promise<StoredTenant> {
  const id = tenantId(randomUUID());
  return withTenant(pool, id, async (db) => {
    const { rows } = await db.query<StoredTenant>("insert into earshot.tenants (id, name, timezone) values ($1, $2, $3) returning *", [
      id,
      input.name,
      input.timezone,
    ]);
    const { email, name, role, passwordHash, mustChangePassword } = input.admin;
    await db.query(
      "insert into earshot.users (tenant_id, id, email, name, role, password_hash, must_change_password) values ($1, $2, $3, $4, $5, $6, $7)",
      [id, randomUUID(), email, name, role, passwordHash, mustChangePassword],
    );
    for (const { name, ...body } of defaultRules)
      await db.query("insert into earshot.phrase_rules (tenant_id, id, name, body) values ($1, $2, $3, $4)", [
        id,
        randomUUID(),
        name,
        JSON.stringify(body),
      ]);
    return rows[0]!;
  });
}

/**
 * First start only, except for the API key of the environment, which is kept in step at every start (changed or withdrawn). Processes
 * that start at once come one after the other.
 * @returns the administrator's one-time password where no password was given
 */
export async function bootstrapDirectory(pool: Pool, options: FirstStart): Promise<{ oneTimePassword: string | undefined }> {
  return holdingLock(pool, firstStartLock, async () => {
    let oneTimePassword: string | undefined;
    let [first] = await lookUp<StoredTenant>(pool, "all_tenants()", []);
    if (first === undefined) {
      const password = options.adminPassword || generatePassword();
      if (!options.adminPassword) oneTimePassword = password;
      first = await insertFirstTenant(pool, options, password);
    }
    await keepEnvironmentKey(pool, toTenant(first).id, options.adminApiKey);
    return { oneTimePassword };
  });
}

type FirstStart = { adminPassword: string | undefined; adminApiKey: string | undefined; timezone: string };

async function insertFirstTenant(pool: Pool, { adminPassword, timezone }: FirstStart, password: string): Promise<StoredTenant> {
  const first = await insertTenant(pool, {
    name: "Default",
    timezone,
    admin: {
      email: "admin@localhost",
      name: "Administrator",
      role: "super_admin",
      passwordHash: await hashPassword(password),
      mustChangePassword: !adminPassword,
    },
  });
  const tenant = toTenant(first).id;
  const { name, ...body } = loopbackTrunk;
  await withTenant(pool, tenant, (db) =>
    db.query("insert into earshot.trunks (tenant_id, id, name, body) values ($1, $2, $3, $4)", [
      tenant,
      randomUUID(),
      name,
      JSON.stringify(body),
    ]),
  );
  return first;
}

async function keepEnvironmentKey(pool: Pool, tenant: TenantId, key: string | undefined): Promise<void> {
  await withTenant(pool, tenant, async (db) => {
    await db.query("delete from earshot.api_keys where from_environment and key_hash is distinct from $1", [key ? hashToken(key) : null]);
    if (key)
      await db.query(
        `insert into earshot.api_keys (tenant_id, id, name, prefix, key_hash, from_environment)
         values ($1, $2, 'EARSHOT_ADMIN_API_KEY', $3, $4, true) on conflict do nothing`,
        [tenant, environmentKeyId, key.slice(0, 4), hashToken(key)],
      );
  });
}
