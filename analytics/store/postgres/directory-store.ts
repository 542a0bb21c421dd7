/** The relational store: PostgreSQL with row-level security, embedded or yours. */
import { randomUUID } from "node:crypto";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Extension, PhraseRule, Trunk } from "@earshot/proto/api/administration.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { ClientBase, ClientConfig, Pool, QueryResultRow } from "pg";
import type { AuditEntry, DirectoryStore, NewUser, SessionRow, SettingsCheck, StoredSettings, TenantRow, UserRow } from "../port.ts";
import { bootstrapDirectory, insertTenant } from "./bootstrap.ts";
import { type Connection, openConnection } from "./connection.ts";
import { type StoredExtension, type StoredTenant, type StoredUser, toExtension, toTenant, toUser } from "./rows.ts";
import type { ServerState } from "./server-keeper.ts";
import type { postgresSettings } from "./settings.ts";
import { checkUrls } from "./sign-in.ts";
import { lookUp, withTenant } from "./tenant-scope.ts";
import { lockSettings, readTenantSettings, storeTrunk } from "./tenant-settings.ts";

export type DirectoryStoreOptions = {
  /** `embedded:[DIR]`, or the application's `postgres://...` */
  url: string;
  /** The `postgres://...` of the tables' owner, for migrations; without it the application's role migrates, where it may. */
  ownerUrl?: string;
  dataDir: string;
  log: Log;
  clock: Clock;
  settings: SettingsOf<typeof postgresSettings>;
  /** Timezone of the first tenant; default: this machine's. */
  timezone?: string;
  /** Called when the embedded server ends by itself, is back, or is given up. */
  onState?: (state: ServerState) => void;
};

/**
 * The embedded server and the pool exist from `start` to `stop`.
 * @throws EarshotError invalid_request where the URLs cannot be right, as far as that is known without connecting
 */
export function createDirectoryStore(options: DirectoryStoreOptions): PostgresDirectoryStore {
  return new PostgresDirectoryStore(options);
}

type StoredKey = { id: string; name: string; prefix: string; created_at: Date; last_used_at: Date | null };
type StoredAudit = { id: string; at: Date } & AuditEntry;
type Named = { id: string; name: string };

export class PostgresDirectoryStore implements DirectoryStore {
  readonly name = "directory-store";
  readonly #options: DirectoryStoreOptions;
  #connection: Connection | undefined;

  constructor(options: DirectoryStoreOptions) {
    checkUrls(options.url, options.ownerUrl ?? "");
    this.#options = options;
  }

  async start(): Promise<void> {
    const { url, ownerUrl = "", dataDir, log, clock, settings, onState = () => {} } = this.#options;
    this.#connection = await openConnection({ url, ownerUrl, dataDir, log, clock, settings, onState });
  }

  async stop(deadlineMs: number): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close(deadlineMs);
  }

  /** How to reach the database as its owner, where this process knows; for tests that look underneath. */
  get owner(): ClientConfig | undefined {
    return this.#open().owner;
  }

  get pool(): Pool {
    return this.#open().pool;
  }

  /** Runs SQL as the tenant: see tenant-scope.ts. */
  withTenant<T>(tenant: TenantId, work: (db: ClientBase) => Promise<T>): Promise<T> {
    return withTenant(this.pool, tenant, work);
  }

  bootstrap(options: {
    adminPassword: string | undefined;
    adminApiKey: string | undefined;
  }): Promise<{ oneTimePassword: string | undefined }> {
    const timezone = this.#options.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
    return bootstrapDirectory(this.pool, { ...options, timezone });
  }

  async createTenant(input: { name: string; timezone: string; admin: NewUser }): Promise<TenantRow> {
    return toTenant(await insertTenant(this.pool, input));
  }

  async tenants(): Promise<TenantRow[]> {
    return (await lookUp<StoredTenant>(this.pool, "all_tenants()", [])).map(toTenant);
  }

  async tenant(tenant: TenantId): Promise<TenantRow | undefined> {
    const [row] = await this.#rows<StoredTenant>(tenant, "select * from earshot.tenants where id = $1", [tenant]);
    return row && toTenant(row);
  }

  async updateTenant(
    tenant: TenantId,
    change: Partial<Pick<TenantRow, "name" | "timezone" | "language" | "vocabulary" | "retentionDays">>,
    check?: SettingsCheck,
  ): Promise<TenantRow> {
    return this.#changeSettings(tenant, check, async (db) => {
      const { rows } = await db.query<StoredTenant>(
        `update earshot.tenants set name = coalesce($2, name), timezone = coalesce($3, timezone), language = coalesce($4, language),
         vocabulary = coalesce($5, vocabulary), retention_days = coalesce($6, retention_days) where id = $1 returning *`,
        [
          tenant,
          change.name ?? null,
          change.timezone ?? null,
          change.language ?? null,
          change.vocabulary ?? null,
          change.retentionDays ?? null,
        ],
      );
      if (rows[0] === undefined) throw new EarshotError("not_found", "tenant_unknown", "There is no such tenant.");
      return toTenant(rows[0]);
    });
  }

  settings(tenant: TenantId): Promise<StoredSettings | undefined> {
    return this.withTenant(tenant, async (db) => {
      // No writer in between: what is told never was half of a change.
      await lockSettings(db, tenant);
      return readTenantSettings(db, tenant);
    });
  }

  async userByEmail(email: string): Promise<UserRow | undefined> {
    const [row] = await lookUp<StoredUser>(this.pool, "find_user($1)", [email]);
    return row && toUser(row);
  }

  async createUser(tenant: TenantId, user: NewUser): Promise<UserRow> {
    const [row] = await this.#rows<StoredUser>(
      tenant,
      `insert into earshot.users (tenant_id, id, email, name, role, password_hash, must_change_password)
       values ($1, $2, $3, $4, $5, $6, $7) returning *`,
      [tenant, randomUUID(), user.email, user.name, user.role, user.passwordHash, user.mustChangePassword],
    );
    return toUser(row!);
  }

  /** Also ends every session of the person: whoever knew the old password is out. */
  async setPassword(tenant: TenantId, userId: string, passwordHash: string): Promise<void> {
    await this.withTenant(tenant, async (db) => {
      const { rowCount } = await db.query(
        "update earshot.users set password_hash = $3, must_change_password = false where tenant_id = $1 and id = $2",
        [tenant, userId, passwordHash],
      );
      if (rowCount === 0) throw new EarshotError("not_found", "user_unknown", "There is no such person.");
      await db.query("delete from earshot.sessions where tenant_id = $1 and user_id = $2", [tenant, userId]);
    });
  }

  async createSession(tenant: TenantId, userId: string, tokenHash: string, expiresAt: Date): Promise<void> {
    await this.withTenant(tenant, async (db) => {
      await db.query("delete from earshot.sessions where tenant_id = $1 and expires_at < $2", [
        tenant,
        new Date(this.#options.clock.now()),
      ]);
      await db.query("insert into earshot.sessions (tenant_id, token_hash, user_id, expires_at) values ($1, $2, $3, $4)", [
        tenant,
        tokenHash,
        userId,
        expiresAt,
      ]);
    });
  }

  async sessionByTokenHash(tokenHash: string): Promise<SessionRow | undefined> {
    const [row] = await lookUp<{ person: StoredUser; tenant: StoredTenant; expires_at: Date }>(this.pool, "find_session($1, $2)", [
      tokenHash,
      new Date(this.#options.clock.now()),
    ]);
    return row && { user: toUser(row.person), tenant: toTenant(row.tenant), expiresAt: row.expires_at };
  }

  async deleteSession(tokenHash: string): Promise<void> {
    await lookUp(this.pool, "end_session($1)", [tokenHash]);
  }

  async tenantByApiKeyHash(keyHash: string): Promise<{ tenant: TenantRow; keyId: string; name: string } | undefined> {
    const [row] = await lookUp<{ tenant: StoredTenant; key_id: string; key_name: string }>(this.pool, "find_api_key($1)", [keyHash]);
    return row && { tenant: toTenant(row.tenant), keyId: row.key_id, name: row.key_name };
  }

  async apiKeys(tenant: TenantId) {
    const rows = await this.#rows<StoredKey>(tenant, "select * from earshot.api_keys where tenant_id = $1 order by created_at, id", [
      tenant,
    ]);
    return rows.map((row) => ({ id: row.id, name: row.name, prefix: row.prefix, createdAt: row.created_at, lastUsedAt: row.last_used_at }));
  }

  async createApiKey(tenant: TenantId, name: string, prefix: string, keyHash: string): Promise<{ id: string; createdAt: Date }> {
    const [row] = await this.#rows<StoredKey>(
      tenant,
      "insert into earshot.api_keys (tenant_id, id, name, prefix, key_hash) values ($1, $2, $3, $4, $5) returning *",
      [tenant, randomUUID(), name, prefix, keyHash],
    );
    return { id: row!.id, createdAt: row!.created_at };
  }

  deleteApiKey(tenant: TenantId, id: string): Promise<boolean> {
    return this.#delete(tenant, "api_keys", id);
  }

  trunks(tenant: TenantId): Promise<Trunk[]> {
    return this.#documents<Trunk>(tenant, "trunks");
  }

  async saveTrunk(tenant: TenantId, trunk: Trunk, check?: SettingsCheck): Promise<Trunk> {
    await this.#changeSettings(tenant, check, (db) => storeTrunk(db, tenant, trunk));
    return trunk;
  }

  deleteTrunk(tenant: TenantId, id: string): Promise<boolean> {
    return this.#delete(tenant, "trunks", id);
  }

  async extensions(tenant: TenantId): Promise<Extension[]> {
    const rows = await this.#rows<StoredExtension>(tenant, "select * from earshot.extensions where tenant_id = $1 order by number", [
      tenant,
    ]);
    return rows.map(toExtension);
  }

  async saveExtension(tenant: TenantId, extension: Extension, check?: SettingsCheck): Promise<Extension> {
    await this.saveExtensions(tenant, [extension], check);
    return extension;
  }

  async saveExtensions(tenant: TenantId, extensions: readonly Extension[], check?: SettingsCheck): Promise<void> {
    await this.#changeSettings(tenant, check, (db) =>
      db.query(
        `insert into earshot.extensions (tenant_id, id, number, agent_name, agent_id, team)
       select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
       on conflict (tenant_id, id) do update set number = excluded.number, agent_name = excluded.agent_name,
       agent_id = excluded.agent_id, team = excluded.team`,
        [
          tenant,
          extensions.map(({ id }) => id),
          extensions.map(({ number }) => number),
          extensions.map(({ agentName }) => agentName),
          extensions.map(({ agentId }) => agentId),
          extensions.map(({ team }) => team),
        ],
      ),
    );
  }

  deleteExtension(tenant: TenantId, id: string): Promise<boolean> {
    return this.#delete(tenant, "extensions", id);
  }

  phraseRules(tenant: TenantId): Promise<PhraseRule[]> {
    return this.#documents<PhraseRule>(tenant, "phrase_rules");
  }

  savePhraseRule(tenant: TenantId, rule: PhraseRule): Promise<PhraseRule> {
    return this.#saveRule(tenant, rule);
  }

  deletePhraseRule(tenant: TenantId, id: string): Promise<boolean> {
    return this.#delete(tenant, "phrase_rules", id);
  }

  audit(tenant: TenantId, entry: AuditEntry): Promise<void> {
    return this.withTenant(tenant, (db) => this.#writeEntry(db, tenant, entry));
  }

  auditOnce(tenant: TenantId, entry: AuditEntry, withinMs: number): Promise<void> {
    const { actor, action, subject, details } = entry;
    return this.withTenant(tenant, async (db) => {
      // Of two requests at once the second sees the first's entry.
      await db.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [JSON.stringify([tenant, actor, action, subject])]);
      const { rowCount } = await db.query(
        `select from earshot.audit
         where tenant_id = $1 and subject = $2 and at > $3 and actor = $4 and action = $5 and details = $6 limit 1`,
        [tenant, subject, new Date(this.#options.clock.now() - withinMs), actor, action, JSON.stringify(details)],
      );
      if (rowCount === 0) await this.#writeEntry(db, tenant, entry);
    });
  }

  auditLog(tenant: TenantId, page: number, perPage: number) {
    return this.withTenant(tenant, async (db) => {
      const { rows } = await db.query<StoredAudit>(
        "select id::text, at, actor, action, subject, details from earshot.audit where tenant_id = $1 order by audit.id desc limit $2 offset $3",
        [tenant, perPage, (page - 1) * perPage],
      );
      const counted = await db.query<{ total: number }>("select count(*)::int as total from earshot.audit where tenant_id = $1", [tenant]);
      return { data: rows, total: counted.rows[0]?.total ?? 0 };
    });
  }

  async #writeEntry(db: ClientBase, tenant: TenantId, { actor, action, subject, details }: AuditEntry): Promise<void> {
    await db.query("insert into earshot.audit (tenant_id, at, actor, action, subject, details) values ($1, $2, $3, $4, $5, $6)", [
      tenant,
      new Date(this.#options.clock.now()),
      actor,
      action,
      subject,
      JSON.stringify(details),
    ]);
  }

  #open(): Connection {
    if (this.#connection === undefined)
      throw new EarshotError("unavailable", "database_not_started", "The relational store is not running.", { retryAfterMs: 1000 });
    return this.#connection;
  }

  #rows<R extends QueryResultRow>(tenant: TenantId, sql: string, values: readonly unknown[]): Promise<R[]> {
    return this.withTenant(tenant, async (db) => (await db.query<R>(sql, values as unknown[])).rows);
  }

  async #documents<T extends Named>(tenant: TenantId, table: "trunks" | "phrase_rules"): Promise<T[]> {
    const rows = await this.#rows<Named & { body: Omit<T, "id" | "name"> }>(
      tenant,
      `select id, name, body from earshot.${table} where tenant_id = $1 order by created_at, id`,
      [tenant],
    );
    return rows.map((row) => ({ ...row.body, id: row.id, name: row.name }) as unknown as T);
  }

  async #saveRule(tenant: TenantId, rule: PhraseRule): Promise<PhraseRule> {
    const { id, name, ...body } = rule;
    await this.#rows(
      tenant,
      `insert into earshot.phrase_rules (tenant_id, id, name, body) values ($1, $2, $3, $4)
       on conflict (tenant_id, id) do update set name = excluded.name, body = excluded.body`,
      [tenant, id, name, JSON.stringify(body)],
    );
    return rule;
  }

  /** One change at a time and tenant; `check` sees what the change has made of the settings before it counts. */
  #changeSettings<T>(tenant: TenantId, check: SettingsCheck | undefined, work: (db: ClientBase) => Promise<T>): Promise<T> {
    return this.withTenant(tenant, async (db) => {
      await lockSettings(db, tenant);
      const result = await work(db);
      const settings = check && (await readTenantSettings(db, tenant));
      if (settings !== undefined) check?.(settings);
      return result;
    });
  }

  async #delete(tenant: TenantId, table: "api_keys" | "trunks" | "extensions" | "phrase_rules", id: string): Promise<boolean> {
    return this.withTenant(tenant, async (db) => {
      const { rowCount } = await db.query(`delete from earshot.${table} where tenant_id = $1 and id = $2`, [tenant, id]);
      return (rowCount ?? 0) > 0;
    });
  }
}
