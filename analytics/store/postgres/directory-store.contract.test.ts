import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { hashPassword, verifyPassword } from "@earshot/platform/secrets/password.ts";
import { hashToken } from "@earshot/platform/secrets/token.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import pg, { type ClientBase } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDirectoryStore, PostgresDirectoryStore } from "./directory-store.ts";

const settings = { poolSize: 4, queryTimeoutMs: 10_000 };
const tenantTables = ["tenants", "users", "sessions", "api_keys", "trunks", "extensions", "phrase_rules", "audit"];

function open(dataDir: string, url = "embedded:"): PostgresDirectoryStore {
  return createDirectoryStore({ url, dataDir, log: silentLog, clock: systemClock, settings, timezone: "Europe/Berlin" });
}

/** The check that a store without row-level security must not pass. */
async function keepsTenantsApart(store: PostgresDirectoryStore, first: TenantId, second: TenantId): Promise<void> {
  await store.saveExtension(first, { id: "e1", number: "100", agentName: "Ada", agentId: "", team: "" });
  await store.saveExtension(second, { id: "e1", number: "100", agentName: "Bob", agentId: "", team: "" });
  await store.audit(first, { actor: "a", action: "x", subject: "s", details: {} });
  await store.createSession(first, (await store.userByEmail("admin@localhost"))!.id, randomUUID(), new Date(Date.now() + 60_000));
  for (const table of tenantTables) {
    const { rows } = await store.withTenant(second, (db) => db.query(`select * from earshot.${table}`));
    const column = table === "tenants" ? "id" : "tenant_id";
    expect(
      rows.every((row) => row[column] === second),
      table,
    ).toBe(true);
  }
  const changed = await store.withTenant(second, (db) => db.query("update earshot.extensions set agent_name = 'taken'"));
  expect(changed.rowCount).toBe(1);
  expect((await store.extensions(first))[0]?.agentName).toBe("Ada");
  expect((await store.withTenant(second, (db) => db.query("delete from earshot.sessions"))).rowCount).toBe(0);
}

/** The same server, reached as an outside one: a database of its own, and an owner that is no superuser. */
async function outsideUrl(server: PostgresDirectoryStore): Promise<string> {
  const owner = new pg.Client(server.owner);
  await owner.connect();
  await owner.query("create role outside login createrole password 'outside'");
  await owner.query("grant earshot_app, earshot_lookup to outside with admin option");
  await owner.query("create database outside owner outside");
  await owner.end();
  return `postgres://outside:outside@127.0.0.1:${server.owner.port}/outside`;
}

let dataDir: string;
let embedded: PostgresDirectoryStore;
let outside: PostgresDirectoryStore;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "earshot-directory-"));
  embedded = open(dataDir);
  await embedded.start();
  outside = open(dataDir, await outsideUrl(embedded));
  await outside.start();
});

afterAll(async () => {
  await outside?.stop(5000);
  await embedded?.stop(5000);
  await rm(dataDir, { recursive: true, force: true });
});

describe.each([
  ["embedded:", () => embedded],
  ["postgres://", () => outside],
])("directory store on %s", (_url, storeOf) => {
  let store: PostgresDirectoryStore;
  let first: TenantId;
  let second: TenantId;

  beforeAll(async () => {
    store = storeOf();
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
    expect(trunks[0]).toMatchObject({ sourceNetworks: ["127.0.0.0/8", "::1/128"], acceptWithoutMetadata: true, labelOrder: "agent-first" });
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
    const owner = new pg.Client(store.owner);
    await owner.connect();
    const { rows } = await owner.query(
      `select relname, relrowsecurity and relforcerowsecurity as forced from pg_class
       where relnamespace = 'earshot'::regnamespace and relkind = 'r' and relname <> 'migrations' order by relname`,
    );
    await owner.end();
    expect(rows).toEqual([...tenantTables].sort().map((relname) => ({ relname, forced: true })));
  });

  test("a forgotten WHERE shows and changes only the tenant's own rows", () => keepsTenantsApart(store, first, second));

  test("without a tenant there is nothing, and a row cannot be written for another", async () => {
    for (const table of tenantTables) expect((await store.pool.query(`select * from earshot.${table}`)).rows, table).toEqual([]);
    await expect(
      store.withTenant(second, (db) =>
        db.query("insert into earshot.extensions (tenant_id, id, number, agent_name) values ($1, 'x', '1', 'x')", [first]),
      ),
    ).rejects.toThrow(/row-level security/);
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
      "set role postgres",
      // The embedded server's application logs in as its own role; elsewhere it is the owner's login that has taken the role on.
      ...(store === embedded ? ["set role earshot_lookup"] : []),
      "delete from earshot.audit",
      "update earshot.audit set actor = 'x'",
      "select * from pg_authid",
    ];
    for (const sql of attempts)
      await expect(
        store.withTenant(second, (db) => db.query(sql)),
        sql,
      ).rejects.toThrow();
  });

  test("a role that was left on a connection does not outlive its transaction", async () => {
    if (store === outside) for (let i = 0; i < 4; i++) await store.pool.query("set role earshot_lookup");
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
    expect((await store.apiKeys(second))[0]?.lastUsedAt).toBeInstanceOf(Date);
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
    for (let i = 0; i < 3; i++) await store.audit(second, { actor: "a", action: `act-${i}`, subject: "s", details: { i } });
    const page = await store.auditLog(second, 1, 2);
    expect(page.total).toBe(3);
    expect(page.data.map((entry) => entry.action)).toEqual(["act-2", "act-1"]);
  });
});

test("the suite fails a store that leaves row-level security out", async () => {
  class Careless extends PostgresDirectoryStore {
    override async withTenant<T>(_tenant: TenantId, work: (db: ClientBase) => Promise<T>): Promise<T> {
      const client = new pg.Client(this.owner);
      await client.connect();
      try {
        return await work(client);
      } finally {
        await client.end();
      }
    }
  }
  const url = `postgres://postgres:${embedded.owner.password}@127.0.0.1:${embedded.owner.port}/postgres`;
  const careless = new Careless({ url, dataDir, log: silentLog, clock: systemClock, settings });
  await careless.start();
  try {
    const [first, second] = await careless.tenants();
    await expect(keepsTenantsApart(careless, first!.id, second!.id)).rejects.toThrow("tenants: expected false to be true");
  } finally {
    await careless.stop(1000);
  }
});

describe("the embedded server", () => {
  test("a second Earshot on the directory is refused, without harm to the first", async () => {
    const script = `
      const { createDirectoryStore } = await import(${JSON.stringify(new URL("./directory-store.ts", import.meta.url).href)});
      const { silentLog } = await import("@earshot/platform/log/log.ts");
      const { systemClock } = await import("@earshot/platform/clock/clock.ts");
      await createDirectoryStore({ url: "embedded:", dataDir: ${JSON.stringify(dataDir)}, log: silentLog, clock: systemClock,
        settings: ${JSON.stringify(settings)} }).start();`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      cwd: import.meta.dirname,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    expect(await new Promise((resolve) => child.on("close", resolve))).not.toBe(0);
    expect(errors).toContain("data_directory_in_use");
    expect((await embedded.tenants()).length).toBe(2);
  });

  test("a restart, also after kill -9, keeps everything", async () => {
    await outside.stop(1000);
    const second = (await embedded.tenants())[1]!.id;
    await embedded.stop(5000);
    const script = `
      const { createDirectoryStore } = await import(${JSON.stringify(new URL("./directory-store.ts", import.meta.url).href)});
      const { silentLog } = await import("@earshot/platform/log/log.ts");
      const { systemClock } = await import("@earshot/platform/clock/clock.ts");
      const store = createDirectoryStore({ url: "embedded:", dataDir: ${JSON.stringify(dataDir)}, log: silentLog, clock: systemClock,
        settings: ${JSON.stringify(settings)} });
      await store.start();
      await store.audit(${JSON.stringify(second)}, { actor: "a", action: "before the crash", subject: "s", details: {} });
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: import.meta.dirname, stdio: "inherit" });
    const signal = await new Promise((resolve) => child.on("close", (_code, by) => resolve(by)));
    expect(signal).toBe("SIGKILL");
    // On Linux the server ends by itself when its parent is gone; elsewhere, or just after, the next start ends it.
    const orphan = Number.parseInt(await readFile(join(dataDir, "postgres", "cluster", "postmaster.pid"), "utf8").catch(() => ""), 10);
    embedded = open(dataDir);
    await embedded.start();
    expect((await embedded.auditLog(second, 1, 1)).data[0]?.action).toBe("before the crash");
    if (!Number.isNaN(orphan)) expect(() => process.kill(orphan, 0)).toThrow();
    expect((await stat(join(dataDir, "postgres", "superuser-password"))).mode & 0o777).toBe(0o600);
  });
});

test.skipIf(process.getuid?.() !== 0)("as root, below a directory that nobody else may pass", async () => {
  const closed = await mkdtemp(join(tmpdir(), "earshot-closed-"));
  await chmod(closed, 0o700);
  await mkdir(join(closed, "data"), { mode: 0o700 });
  const store = open(join(closed, "data"));
  try {
    await store.start();
    await store.bootstrap({ adminPassword: "given", adminApiKey: undefined });
    expect((await store.userByEmail("admin@localhost"))?.mustChangePassword).toBe(false);
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
  } finally {
    await store.stop(5000);
    await rm(closed, { recursive: true, force: true });
  }
});

test("a server that is not there is reported with its remedy", async () => {
  await expect(open(tmpdir(), "postgres://nobody:x@127.0.0.1:1/none").start()).rejects.toMatchObject({
    category: "unavailable",
    code: "database_unreachable",
  });
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
  let first: TenantId;
  let second: TenantId;
  beforeAll(async () => {
    [first, second] = (await embedded.tenants()).map(({ id }) => id) as [TenantId, TenantId];
  });

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
    await embedded.saveTrunk(first, trunk("theirs", theirs));
    try {
      await expect(embedded.saveTrunk(second, trunk("mine", mine))).rejects.toMatchObject(taken);
      expect(await embedded.trunks(second)).toEqual([]);
      await embedded.saveTrunk(first, trunk("theirs too", mine));
    } finally {
      for (const id of ["theirs", "theirs too"]) await embedded.deleteTrunk(first, id);
    }
    await embedded.saveTrunk(second, trunk("mine", mine));
    await embedded.deleteTrunk(second, "mine");
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
    await embedded.saveTrunk(first, trunk("theirs", theirs));
    await embedded.saveTrunk(second, trunk("mine", mine));
    expect((await embedded.trunks(second)).length).toBe(1);
    await embedded.deleteTrunk(first, "theirs");
    await embedded.deleteTrunk(second, "mine");
  });

  test("a trunk that is changed to claim more is judged and is as new as its newest claim; a rename is neither", async () => {
    const since = async () => (await embedded.settings(second))?.trunks.find(({ id }) => id === "mine")?.createdAtMs ?? 0;
    await embedded.saveTrunk(first, trunk("theirs", { sourceNetworks: ["10.1.0.0/16"] }));
    await embedded.saveTrunk(second, trunk("mine", { sourceNetworks: ["10.2.0.1"] }));
    const born = await since();
    expect(Math.abs(born - Date.now())).toBeLessThan(60_000);
    await embedded.saveTrunk(second, { ...trunk("mine", { sourceNetworks: ["10.2.0.1"] }), name: "renamed" });
    expect(await since()).toBe(born);
    await expect(embedded.saveTrunk(second, trunk("mine", { sourceNetworks: ["10.1.0.1"] }))).rejects.toMatchObject(taken);
    expect(await since()).toBe(born);
    await embedded.saveTrunk(second, trunk("mine", { sourceNetworks: ["10.2.0.1", "10.3.0.1"] }));
    expect(await since()).toBeGreaterThan(born);
    await embedded.deleteTrunk(first, "theirs");
    await embedded.deleteTrunk(second, "mine");
  });

  test("of two that claim the same at the same time one has it", async () => {
    const save = (tenant: TenantId, i: number) =>
      embedded.saveTrunk(tenant, trunk(`both-${i}`, { sourceNetworks: [`10.4.0.${i}`] })).then(
        () => true,
        () => false,
      );
    for (let i = 0; i < 5; i++) expect((await Promise.all([save(first, i), save(second, i)])).sort()).toEqual([false, true]);
    for (let i = 0; i < 5; i++) for (const tenant of [first, second]) await embedded.deleteTrunk(tenant, `both-${i}`);
  });

  test("what the check refuses is not saved", async () => {
    const refuse = () => {
      throw new Error("too large");
    };
    await expect(embedded.saveTrunk(second, trunk("no", { sourceNetworks: ["10.5.0.1"] }), refuse)).rejects.toThrow("too large");
    await expect(embedded.updateTenant(second, { name: "no" }, refuse)).rejects.toThrow("too large");
    const extension = { id: "no", number: "999", agentName: "no", agentId: "", team: "" };
    await expect(embedded.saveExtensions(second, [extension], refuse)).rejects.toThrow("too large");
    const settings = await embedded.settings(second);
    expect([settings?.tenant.name, settings?.trunks, settings?.extensions.filter(({ id }) => id === "no")]).toEqual(["Other", [], []]);
  });

  test("the other tenant's trunks themselves stay out of sight", async () => {
    await expect(embedded.withTenant(second, (db) => db.query("select earshot.claims_of('{}')"))).rejects.toThrow(/permission denied/);
    const { rows } = await embedded.withTenant(second, (db) => db.query("select * from earshot.trunks"));
    expect(rows).toEqual([]);
  });
});

test("a server that ends by itself is started again, and the store goes on", async () => {
  const states: string[] = [];
  const directory = await mkdtemp(join(tmpdir(), "earshot-lost-"));
  const store = createDirectoryStore({
    url: "embedded:",
    dataDir: directory,
    log: silentLog,
    clock: systemClock,
    settings,
    onState: (state) => states.push(state),
  });
  try {
    await store.start();
    await store.bootstrap({ adminPassword: "given", adminApiKey: undefined });
    const pid = Number.parseInt(await readFile(join(directory, "postgres", "cluster", "postmaster.pid"), "utf8"), 10);
    process.kill(pid, "SIGKILL");
    const end = Date.now() + 20_000;
    while (states.at(-1) !== "up" && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
    expect([states[0], states.at(-1)]).toEqual(["restarting", "up"]);
    // A connection that was idle is found broken once.
    await store.tenants().catch(() => {});
    expect(await store.tenants()).toHaveLength(1);
  } finally {
    await store.stop(5000);
    await rm(directory, { recursive: true, force: true });
  }
});
