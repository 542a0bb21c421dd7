/** What the relational store must do on every server and under every sign-in, and the part of it that a store without row-level security fails. */
import { randomUUID } from "node:crypto";
import { hashPassword, verifyPassword } from "@earshot/platform/secrets/password.ts";
import { hashToken } from "@earshot/platform/secrets/token.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import pg, { type Client, type ClientConfig } from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import type { PostgresDirectoryStore } from "./directory-store.ts";

export type DirectoryStoreSubject = {
  /** Started, on a database that nobody has used. */
  readonly store: PostgresDirectoryStore;
  /** The tables' owner. */
  readonly owner: ClientConfig;
};

const tenantTables = ["tenants", "users", "sessions", "api_keys", "trunks", "extensions", "phrase_rules", "audit"] as const;
const tenantColumn = (table: string): string => (table === "tenants" ? "id" : "tenant_id");

/** Runs `work` signed in as the owner, beside the store. */
export async function asOwner<T>(owner: ClientConfig, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(owner);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A row of each table for both tenants: what there is to take. */
async function fill(store: PostgresDirectoryStore, tenant: TenantId, email: string): Promise<void> {
  const user = (await store.userByEmail(email))!;
  await store.saveExtension(tenant, { id: "e1", number: "100", agentName: email, agentId: "", team: "" });
  await store.audit(tenant, { actor: "a", action: "x", subject: "s", details: {} });
  await store.createSession(tenant, user.id, randomUUID(), new Date(Date.now() + 60_000));
  await store.createApiKey(tenant, "key", "ea_1", randomUUID());
  const [rule] = await store.phraseRules(tenant);
  await store.savePhraseRule(tenant, { ...rule!, id: "r1", name: email });
  await store.withTenant(tenant, (db) =>
    db.query("insert into earshot.trunks (tenant_id, id, name, body) values ($1, 't1', $2, '{}') on conflict do nothing", [tenant, email]),
  );
}

/** What a store must withstand in which SQL goes wrong, or is meant to: no row of another tenant is seen, changed or made. */
export async function keepsTenantsApart(store: PostgresDirectoryStore): Promise<void> {
  const first = (await store.userByEmail("admin@localhost"))!.tenantId;
  const second = (await store.userByEmail("other@example.test"))!.tenantId;
  await fill(store, first, "admin@localhost");
  await fill(store, second, "other@example.test");
  for (const table of tenantTables) {
    const column = tenantColumn(table);
    const run = (sql: string, values: unknown[] = []) => store.withTenant(second, (db) => db.query(sql, values));
    const seen = async (sql: string, values: unknown[] = []) => new Set((await run(sql, values)).rows.map((row) => row[column]));
    expect(await seen(`select * from earshot.${table}`), table).toEqual(new Set([second]));
    expect(await seen(`select * from earshot.${table} where true or ${column} = $1`, [first]), table).toEqual(new Set([second]));
    expect(await seen(`select * from earshot.${table} where ${column} = $1`, [first]), table).toEqual(new Set());
    // A function that the planner would like to run first sees no more than the policy lets through.
    const told = await store.withTenant(second, async (db) => {
      await db.query("create temp table told (line text) on commit drop");
      await db.query(`create function pg_temp.tell(line text) returns boolean language plpgsql cost 0.0000001
        as $$ begin insert into told values (line); return true; end $$`);
      await db.query(`select * from earshot.${table} t where pg_temp.tell(t::text)`);
      const { rows } = await db.query<{ line: string }>("select line from told");
      await db.query("drop function pg_temp.tell(text)");
      return rows.map(({ line }) => line);
    });
    expect(told.length, table).toBeGreaterThan(0);
    expect(told.join(), table).not.toContain(first);
    // The audit log takes no changes at all.
    const changes = [
      [`update earshot.${table} set ${column} = ${column} where ${column} = $1`, "audit"],
      [`delete from earshot.${table} where ${column} = $1`, "audit"],
    ] as const;
    for (const [sql, refusedOn] of changes)
      if (table === refusedOn) await expect(run(sql, [first]), sql).rejects.toThrow(/permission denied/);
      else expect((await run(sql, [first])).rowCount, sql).toBe(0);
    await expect(run(`update earshot.${table} set ${column} = $1`, [first]), table).rejects.toThrow(/row-level security|permission denied/);
    const columns = await ownColumns(store, second, table);
    const values = columns.map((name) => (name === column ? "$1" : name === "id" ? "'stolen'" : name));
    await expect(
      run(`insert into earshot.${table} (${columns}) select ${values} from earshot.${table} limit 1`, [first]),
      table,
    ).rejects.toThrow(/row-level security/);
  }
  const changed = await store.withTenant(second, (db) => db.query("update earshot.extensions set agent_name = 'taken'"));
  expect(changed.rowCount).toBe(1);
  expect((await store.extensions(first))[0]?.agentName).toBe("admin@localhost");
  expect((await store.withTenant(second, (db) => db.query("delete from earshot.sessions"))).rowCount).toBe(1);
  for (const tenant of [first, second]) await store.deleteTrunk(tenant, "t1");
}

/** Those whose values PostgreSQL does not make itself. */
async function ownColumns(store: PostgresDirectoryStore, tenant: TenantId, table: string): Promise<string[]> {
  const { rows } = await store.withTenant(tenant, (db) =>
    db.query<{ name: string }>(
      "select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped and attidentity = ''",
      [`earshot.${table}`],
    ),
  );
  return rows.map(({ name }) => name);
}

/** @param separate the application signs in as another role than the tables' owner */
export function directoryStoreContract(name: string, separate: boolean, subject: () => DirectoryStoreSubject): void {
  describe(`directory store on ${name}`, () => {
    let store: PostgresDirectoryStore;
    let first: TenantId;
    let second: TenantId;

    beforeAll(async () => {
      ({ store } = subject());
      const { oneTimePassword } = await store.bootstrap({ adminPassword: undefined, adminApiKey: "first-key" });
      const admin = await store.userByEmail("ADMIN@localhost");
      expect(admin?.mustChangePassword).toBe(true);
      expect(await verifyPassword(oneTimePassword ?? "", admin?.passwordHash ?? "")).toBe(true);
      first = admin!.tenantId;
      const other = await store.createTenant({
        name: "Other",
        timezone: "UTC",
        admin: { email: "other@example.test", name: "Other", role: "tenant_admin", passwordHash: "x", mustChangePassword: false },
      });
      second = other.id;
    });

    test("a fresh installation has one tenant, and a trunk that admits loopback", async () => {
      const trunks = await store.trunks(first);
      expect(trunks).toHaveLength(1);
      expect(trunks[0]).toMatchObject({
        sourceNetworks: ["127.0.0.0/8", "::1/128"],
        acceptWithoutMetadata: true,
        labelOrder: "agent-first",
      });
      expect((await store.phraseRules(first)).map((rule) => rule.kind)).toContain("not_said");
      expect(await store.tenant(first)).toMatchObject({ name: "Default", timezone: "Europe/Berlin" });
    });

    test("bootstrap again makes nothing twice, and keeps the environment's key in step", async () => {
      expect(await store.bootstrap({ adminPassword: "ignored now", adminApiKey: "second-key" })).toEqual({ oneTimePassword: undefined });
      expect((await store.tenants()).filter((tenant) => tenant.name === "Default")).toHaveLength(1);
      expect(await store.tenantByApiKeyHash(hashToken("first-key"))).toBeUndefined();
      expect((await store.tenantByApiKeyHash(hashToken("second-key")))?.tenant.id).toBe(first);
      await store.bootstrap({ adminPassword: undefined, adminApiKey: undefined });
      expect(await store.tenantByApiKeyHash(hashToken("second-key"))).toBeUndefined();
    });

    test("every tenant table forces row-level security", async () => {
      const { rows } = await asOwner(subject().owner, (owner) =>
        owner.query(
          `select relname, relrowsecurity and relforcerowsecurity as forced from pg_class
           where relnamespace = 'earshot'::regnamespace and relkind = 'r' and relname <> 'migrations' order by relname`,
        ),
      );
      expect(rows).toEqual([...tenantTables].sort().map((relname) => ({ relname, forced: true })));
    });

    test("hostile SQL shows, changes and makes only the tenant's own rows, in every table", () => keepsTenantsApart(store));

    test("what the planner knows of the tables is not told", async () => {
      await asOwner(subject().owner, (owner) => owner.query("analyze earshot.users, earshot.tenants"));
      expect((await store.withTenant(second, (db) => db.query("select * from pg_stats where schemaname = 'earshot'"))).rows).toEqual([]);
    });

    test("without a tenant there is nothing", async () => {
      for (const table of tenantTables) expect((await store.pool.query(`select * from earshot.${table}`)).rows, table).toEqual([]);
    });

    test("the tenant of one transaction does not stay on the connection", async () => {
      await store.withTenant(first, (db) => db.query("select 1"));
      for (let i = 0; i < 8; i++) expect((await store.pool.query("select earshot.current_tenant() as t")).rows).toEqual([{ t: null }]);
    });

    test("the application role cannot shed row-level security, nor rewrite the audit log", async () => {
      const attempts = [
        "set row_security = off; select * from earshot.users",
        "alter table earshot.users no force row level security",
        "alter table earshot.users disable row level security",
        "drop policy tenant on earshot.users",
        "create policy all_of_it on earshot.users using (true)",
        "truncate earshot.users cascade",
        "alter role earshot_app bypassrls",
        "set role postgres",
        "set session authorization postgres",
        // With one URL the sign-in is the owner's, which has taken the role on and may take on another.
        ...(separate ? ["set role earshot_lookup", "set role none; alter table earshot.users no force row level security"] : []),
        "delete from earshot.audit",
        "update earshot.audit set actor = 'x'",
        "insert into earshot.migrations (name, sha256) values ('x', 'x')",
        "select * from pg_authid",
      ];
      for (const sql of attempts)
        await expect(
          store.withTenant(second, (db) => db.query(sql)),
          sql,
        ).rejects.toThrow();
      if (!separate) return;
      const signedIn = await store.withTenant(second, async (db) => {
        await db.query("set local role none");
        return db.query("select distinct tenant_id from earshot.users");
      });
      expect(signedIn.rows).toEqual([{ tenant_id: second }]);
    });

    test("a role that was left on a connection does not outlive its transaction", async () => {
      if (!separate) for (let i = 0; i < 4; i++) await store.pool.query("set role earshot_lookup");
      const { rows } = await store.withTenant(second, (db) =>
        db.query("select current_user::text as role, count(*)::int as users from earshot.users group by 1"),
      );
      expect(rows).toEqual([{ role: "earshot_app", users: 1 }]);
    });

    test("look-ups before the tenant is known: e-mail, session, API key", async () => {
      const user = (await store.userByEmail("other@example.test"))!;
      await store.createSession(second, user.id, "token-hash", new Date(Date.now() + 60_000));
      expect(await store.sessionByTokenHash("token-hash")).toMatchObject({ user: { id: user.id }, tenant: { id: second } });
      await store.createSession(second, user.id, "expired", new Date(Date.now() - 1000));
      expect(await store.sessionByTokenHash("expired")).toBeUndefined();
      await store.deleteSession("token-hash");
      expect(await store.sessionByTokenHash("token-hash")).toBeUndefined();
      const key = await store.createApiKey(second, "ci", "ea_1", "key-hash");
      expect(await store.tenantByApiKeyHash("key-hash")).toMatchObject({ keyId: key.id, name: "ci", tenant: { id: second } });
      expect((await store.apiKeys(second)).find(({ id }) => id === key.id)?.lastUsedAt).toBeInstanceOf(Date);
      expect(await store.deleteApiKey(first, key.id)).toBe(false);
      expect(await store.deleteApiKey(second, key.id)).toBe(true);
    });

    test("a new password ends the person's sessions", async () => {
      const user = (await store.userByEmail("other@example.test"))!;
      await store.createSession(second, user.id, "before", new Date(Date.now() + 60_000));
      await store.setPassword(second, user.id, await hashPassword("correct horse battery"));
      expect(await store.sessionByTokenHash("before")).toBeUndefined();
      expect(await verifyPassword("correct horse battery", (await store.userByEmail("other@example.test"))!.passwordHash)).toBe(true);
      await expect(store.setPassword(first, user.id, "x")).rejects.toMatchObject({ category: "not_found" });
    });

    test("what is saved is read back, changed and deleted", async () => {
      const [trunk] = await store.trunks(first);
      await store.saveTrunk(first, { ...trunk!, id: "t2", name: "SBC", tlsPeers: ["sbc.example"] });
      await store.saveTrunk(first, { ...trunk!, id: "t2", name: "SBC 2" });
      expect((await store.trunks(first)).map((item) => item.name)).toEqual(["This machine", "SBC 2"]);
      expect(await store.deleteTrunk(first, "t2")).toBe(true);
      expect(await store.deleteTrunk(first, "t2")).toBe(false);
      await expect(store.saveExtension(first, { id: "e2", number: "100", agentName: "Eve", agentId: "", team: "" })).rejects.toMatchObject({
        category: "conflict",
      });
      await expect(
        store.saveExtension(first, { id: "e3", number: "1\u0000", agentName: "Eve", agentId: "", team: "" }),
      ).rejects.toMatchObject({
        category: "invalid_request",
      });
      expect(await store.updateTenant(first, { vocabulary: ["Earshot", "'; drop table earshot.users; --"] })).toMatchObject({
        name: "Default",
        vocabulary: ["Earshot", "'; drop table earshot.users; --"],
      });
      const { total } = await store.auditLog(second, 1, 1);
      expect(await store.updateTenant(first, { retentionDays: 90 })).toMatchObject({ name: "Default", retentionDays: 90 });
      expect((await store.tenants()).map(({ id, retentionDays }) => [id === first, retentionDays])).toEqual([
        [true, 90],
        [false, 0],
      ]);
      await expect(store.updateTenant(first, { retentionDays: 3651 })).rejects.toThrow();
      for (let i = 0; i < 3; i++) await store.audit(second, { actor: "a", action: `act-${i}`, subject: "s", details: { i } });
      const page = await store.auditLog(second, 1, 2);
      expect(page.total).toBe(total + 3);
      expect(page.data.map((entry) => entry.action)).toEqual(["act-2", "act-1"]);
    });

    test("what is audited once is written once within its time, also at once, and apart for each that differs", async () => {
      const entry = { actor: "a", action: "hear", subject: "once", details: { source: "192.0.2.1" } };
      const written = async () => (await store.auditLog(second, 1, 100)).data.filter(({ subject }) => subject === "once").length;
      await Promise.all(Array.from({ length: 5 }, () => store.auditOnce(second, entry, 60_000)));
      expect(await written()).toBe(1);
      const others = [{ actor: "b" }, { action: "fetch" }, { details: { source: "192.0.2.2" } }];
      for (const other of others) for (let i = 0; i < 2; i++) await store.auditOnce(second, { ...entry, ...other }, 60_000);
      expect(await written()).toBe(4);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await store.auditOnce(second, entry, 1);
      expect(await written()).toBe(5);
      await store.auditOnce(first, entry, 60_000);
      expect((await store.auditLog(first, 1, 1)).data[0]?.subject).toBe("once");
      expect(await written()).toBe(5);
    });

    describe("trunks of several tenants", () => {
      const claims = { sourceNetworks: [], tlsPeers: [], requestUsers: [], requestHosts: [] };
      const flags = { enabled: true, lenientSiprec: false, acceptWithoutMetadata: true, maxCalls: 0, requireSrtp: false, queue: "" };
      const trunk = (id: string, more: Partial<Record<keyof typeof claims, string[]>>) => ({
        id,
        name: id,
        labelOrder: "agent-first" as const,
        ...flags,
        ...claims,
        ...more,
      });
      const taken = { category: "conflict", code: "trunk_claim_taken" };

      test.each([
        ["the same network", { sourceNetworks: ["10.1.0.0/16"] }, { sourceNetworks: ["10.1.0.0/16"] }],
        ["a narrower network", { sourceNetworks: ["10.1.0.0/16"] }, { sourceNetworks: ["192.0.2.1", "10.1.2.3"] }],
        ["a wider network", { sourceNetworks: ["10.1.0.0/16"] }, { sourceNetworks: ["10.9.9.9/8"] }],
        ["an IPv6 network", { sourceNetworks: ["2001:db8::/32"] }, { sourceNetworks: ["2001:DB8:1::/48"] }],
        ["a network for one user of it", { sourceNetworks: ["10.1.0.0/16"] }, { sourceNetworks: ["10.1.0.0/16"], requestUsers: ["rec"] }],
        ["a TLS peer", { tlsPeers: ["sbc.example"] }, { tlsPeers: [" SBC.example"] }],
        ["a request user", { requestUsers: ["rec"] }, { requestUsers: ["REC"] }],
        ["a request host", { requestHosts: ["rec.example"] }, { requestHosts: ["Rec.Example"] }],
        ["a user of a network, from anywhere", { sourceNetworks: ["10.1.0.0/16"], requestUsers: ["rec"] }, { requestUsers: ["rec"] }],
        ["whoever asks for a user, where a network is the other's", { sourceNetworks: ["10.1.0.0/16"] }, { requestUsers: ["rec"] }],
        [
          "user and host on one network",
          { sourceNetworks: ["10.1.0.1"], requestUsers: ["a"] },
          { sourceNetworks: ["10.1.0.1"], requestHosts: ["h"] },
        ],
      ])("%s cannot be claimed twice", async (_name, theirs, mine) => {
        await store.saveTrunk(first, trunk("theirs", theirs));
        try {
          await expect(store.saveTrunk(second, trunk("mine", mine))).rejects.toMatchObject(taken);
          expect(await store.trunks(second)).toEqual([]);
          await store.saveTrunk(first, trunk("theirs too", mine));
        } finally {
          for (const id of ["theirs", "theirs too"]) await store.deleteTrunk(first, id);
        }
        await store.saveTrunk(second, trunk("mine", mine));
        await store.deleteTrunk(second, "mine");
      });

      test.each([
        ["another network", { sourceNetworks: ["10.1.0.0/16"] }, { sourceNetworks: ["10.2.0.0/16"] }],
        [
          "one SBC, told apart by user",
          { sourceNetworks: ["10.1.0.1"], requestUsers: ["a"] },
          { sourceNetworks: ["10.1.0.1"], requestUsers: ["b"] },
        ],
        [
          "one user name on two networks",
          { sourceNetworks: ["10.1.0.1"], requestUsers: ["a"] },
          { sourceNetworks: ["10.1.0.2"], requestUsers: ["a"] },
        ],
        ["a trunk that admits nobody", {}, { sourceNetworks: ["10.1.0.2"] }],
      ])("%s can be claimed beside it", async (_name, theirs, mine) => {
        await store.saveTrunk(first, trunk("theirs", theirs));
        await store.saveTrunk(second, trunk("mine", mine));
        expect((await store.trunks(second)).length).toBe(1);
        await store.deleteTrunk(first, "theirs");
        await store.deleteTrunk(second, "mine");
      });

      test("a trunk that is changed to claim more is judged and is as new as its newest claim; a rename is neither", async () => {
        const since = async () => (await store.settings(second))?.trunks.find(({ id }) => id === "mine")?.createdAtMs ?? 0;
        await store.saveTrunk(first, trunk("theirs", { sourceNetworks: ["10.1.0.0/16"] }));
        await store.saveTrunk(second, trunk("mine", { sourceNetworks: ["10.2.0.1"] }));
        const born = await since();
        expect(Math.abs(born - Date.now())).toBeLessThan(60_000);
        await store.saveTrunk(second, { ...trunk("mine", { sourceNetworks: ["10.2.0.1"] }), name: "renamed" });
        expect(await since()).toBe(born);
        await expect(store.saveTrunk(second, trunk("mine", { sourceNetworks: ["10.1.0.1"] }))).rejects.toMatchObject(taken);
        expect(await since()).toBe(born);
        await store.saveTrunk(second, trunk("mine", { sourceNetworks: ["10.2.0.1", "10.3.0.1"] }));
        expect(await since()).toBeGreaterThan(born);
        await store.deleteTrunk(first, "theirs");
        await store.deleteTrunk(second, "mine");
      });

      test("of two that claim the same at the same time one has it", async () => {
        const save = (tenant: TenantId, i: number) =>
          store.saveTrunk(tenant, trunk(`both-${i}`, { sourceNetworks: [`10.4.0.${i}`] })).then(
            () => true,
            () => false,
          );
        for (let i = 0; i < 5; i++) expect((await Promise.all([save(first, i), save(second, i)])).sort()).toEqual([false, true]);
        for (let i = 0; i < 5; i++) for (const tenant of [first, second]) await store.deleteTrunk(tenant, `both-${i}`);
      });

      test("what the check refuses is not saved", async () => {
        const refuse = () => {
          throw new Error("too large");
        };
        await expect(store.saveTrunk(second, trunk("no", { sourceNetworks: ["10.5.0.1"] }), refuse)).rejects.toThrow("too large");
        await expect(store.updateTenant(second, { name: "no" }, refuse)).rejects.toThrow("too large");
        const extension = { id: "no", number: "999", agentName: "no", agentId: "", team: "" };
        await expect(store.saveExtensions(second, [extension], refuse)).rejects.toThrow("too large");
        const settings = await store.settings(second);
        expect([settings?.tenant.name, settings?.trunks, settings?.extensions.filter(({ id }) => id === "no")]).toEqual(["Other", [], []]);
      });

      test("the other tenant's trunks themselves stay out of sight", async () => {
        await expect(store.withTenant(second, (db) => db.query("select earshot.claims_of('{}')"))).rejects.toThrow(/permission denied/);
        const { rows } = await store.withTenant(second, (db) => db.query("select * from earshot.trunks"));
        expect(rows).toEqual([]);
      });
    });
  });
}
