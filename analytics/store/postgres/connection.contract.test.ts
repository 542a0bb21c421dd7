/** How a start goes on a PostgreSQL server: with one role and with two, several processes at once, and everything that is refused. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { createLog, type Log, silentLog } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asOwner } from "./contract.ts";
import { createDirectoryStore, type PostgresDirectoryStore } from "./directory-store.ts";
import { checkServer, checkUrls } from "./sign-in.ts";

const settings = { poolSize: 3, queryTimeoutMs: 10_000, migrationTimeoutMs: 10_000 };
/** Every role's; it may stand in no message and no log line. */
const password = "s3cret%40word";

let dataDir: string;
let server: PostgresDirectoryStore;
const superuser = (...statements: string[]) =>
  asOwner(server.owner!, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
const inDatabase = (database: string, ...statements: string[]) =>
  asOwner({ ...server.owner!, database }, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
const urlOf = (role: string, database: string, more = "") =>
  `postgres://${role}:${password}@127.0.0.1:${server.owner!.port}/${database}${more}`;
const open = (url: string, ownerUrl = "", log: Log = silentLog) =>
  createDirectoryStore({ url, ownerUrl, dataDir, log, clock: systemClock, settings });

/** A server on which nobody has used Earshot: the embedded one, without what it makes at its own start. */
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "earshot-sign-in-"));
  server = createDirectoryStore({ url: "embedded:", dataDir, log: silentLog, clock: systemClock, settings });
  await server.start();
  await superuser(
    "drop schema earshot cascade",
    "drop owned by earshot_app, earshot_lookup",
    "drop role earshot_app, earshot_lookup",
    ...["one login createrole", "two_owner login", "two login", "strong login bypassrls", "admin login superuser", "friend login"].map(
      (role) => `create role ${role} password 's3cret@word'`,
    ),
    "create database one owner one",
    "create database two owner two_owner",
    "create database empty",
  );
});

afterAll(async () => {
  await server?.stop(5000);
  await rm(dataDir, { recursive: true, force: true });
});

/** Starts, and must not. Whatever is said holds no password. */
async function refusal(url: string, ownerUrl = ""): Promise<EarshotError> {
  const lines: string[] = [];
  const log = createLog({ level: "debug", destination: { write: (line) => lines.push(line) } });
  let store: PostgresDirectoryStore | undefined;
  try {
    store = open(url, ownerUrl, log);
    await store.start();
  } catch (error) {
    log.error({ err: error }, "as a start that failed is logged");
    expect(error).toBeInstanceOf(EarshotError);
    for (const said of [inspect(error, { depth: 9, showHidden: true }), ...lines]) expect(said).not.toMatch(/s3cret|wrong-one/);
    expect((error as EarshotError).remedy).not.toBe("");
    return error as EarshotError;
  }
  await store.stop(1000);
  throw new Error("It started.");
}

test("databases of one server that are prepared at the same moment for the first time do not get in each other's way", async () => {
  const databases = ["fleet_1", "fleet_2", "fleet_3"];
  await superuser("create role fleet login createrole password 's3cret@word'", "create role crew login password 's3cret@word'");
  for (let round = 0; round < 3; round++) {
    for (const database of databases) await superuser(`create database ${database} owner fleet`);
    const stores = databases.flatMap((database) => [1, 2].map(() => open(urlOf("crew", database), urlOf("fleet", database))));
    const started = await Promise.allSettled(stores.map((store) => store.start()));
    await Promise.all(stores.map((store) => store.stop(1000)));
    expect(started.filter(({ status }) => status === "rejected")).toEqual([]);
    for (const database of databases) await superuser(`drop database ${database} with (force)`);
    await superuser("drop role earshot_app, earshot_lookup");
  }
  await superuser("drop role fleet, crew");
});

test("with one URL its role makes what is needed; of several connections that start at once for the first time, one does", async () => {
  const lines: string[] = [];
  const log = createLog({ level: "warn", destination: { write: (line) => lines.push(line) } });
  const stores = Array.from({ length: 4 }, () => open(urlOf("one", "one"), "", log));
  await Promise.all(stores.map((store) => store.start()));
  const made = await Promise.all(stores.map((store) => store.bootstrap({ adminPassword: undefined, adminApiKey: "key" })));
  expect(made.filter(({ oneTimePassword }) => oneTimePassword !== undefined)).toHaveLength(1);
  expect(await stores[0]!.tenants()).toHaveLength(1);
  expect((await stores[0]!.pool.query("select current_user::text as role, session_user::text as login")).rows).toEqual([
    { role: "earshot_app", login: "one" },
  ]);
  await Promise.all(stores.map((store) => store.stop(1000)));
  expect(lines.join()).toContain("signs in as the owner of its tables");
});

describe("with two roles", () => {
  const application = () => urlOf("two", "two");
  const owner = () => urlOf("two_owner", "two");

  test("the application's alone cannot prepare the database, nor can an owner that may not hand out the roles", async () => {
    const alone = await refusal(application());
    expect([alone.code, alone.remedy]).toEqual(["database_not_migrated", expect.stringContaining("EARSHOT_RELATIONAL_STORE_OWNER")]);
    const weak = await refusal(application(), owner());
    expect([weak.code, weak.message]).toEqual(["database_owner_too_weak", expect.stringContaining('"two_owner"')]);
    expect(weak.remedy).toContain("postgresql.md");
  });

  test("several processes that start at once for the first time: one prepares the database, all of them serve", async () => {
    await superuser("grant earshot_app, earshot_lookup to two_owner with admin option");
    const script = `
      const { createDirectoryStore } = await import(${JSON.stringify(new URL("./directory-store.ts", import.meta.url).href)});
      const { silentLog } = await import("@earshot/platform/log/log.ts");
      const { systemClock } = await import("@earshot/platform/clock/clock.ts");
      const store = createDirectoryStore({ url: process.argv[1], ownerUrl: process.argv[2], dataDir: "", log: silentLog, clock: systemClock,
        settings: ${JSON.stringify(settings)} });
      process.stdin.once("data", async () => {
        await store.start();
        const { oneTimePassword } = await store.bootstrap({ adminPassword: undefined, adminApiKey: undefined });
        console.log(JSON.stringify({ first: oneTimePassword !== undefined, tenants: (await store.tenants()).length }));
        await store.stop(1000);
        process.exit(0);
      });
      console.log("ready");`;
    const starts = Array.from({ length: 3 }, () => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script, application(), owner()], { cwd: import.meta.dirname });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
      const ready = new Promise<void>((done) => child.stdout.once("data", () => done()));
      const ended = new Promise<string>((done) => child.once("close", () => done(output)));
      return { child, ready, ended };
    });
    await Promise.all(starts.map(({ ready }) => ready));
    for (const { child } of starts) child.stdin.write("go\n");
    const outputs = await Promise.all(starts.map(({ ended }) => ended));
    const told = outputs.map((output) => output.trim().split("\n").at(-1));
    expect(told.sort()).toEqual(['{"first":false,"tenants":1}', '{"first":false,"tenants":1}', '{"first":true,"tenants":1}']);
  });

  test("once that is done the application's role is enough, and owns nothing", async () => {
    const store = open(application());
    await store.start();
    expect(await store.tenants()).toHaveLength(1);
    expect(store.owner).toBeUndefined();
    await store.stop(1000);
  });

  test("a process that hangs while it migrates is waited for, and then named", async () => {
    await asOwner({ ...server.owner!, database: "two" }, async (other) => {
      await other.query("select pg_advisory_lock(4158201307)");
      const store = createDirectoryStore({
        url: application(),
        ownerUrl: owner(),
        dataDir,
        log: silentLog,
        clock: systemClock,
        settings: { ...settings, migrationTimeoutMs: 300 },
      });
      await expect(store.start()).rejects.toMatchObject({ category: "timeout", code: "migration_slow" });
    });
  });
});

describe("a role that row-level security does not bind is refused", () => {
  const made = () =>
    asOwner(
      { ...server.owner!, database: "empty" },
      async (client) => (await client.query("select to_regnamespace('earshot') as made")).rows,
    );

  test.each([
    ["a superuser", "admin", /superuser/],
    ["one with BYPASSRLS", "strong", /bypasses row-level security/],
  ])("%s, before anything is made", async (_name, role, why) => {
    const error = await refusal(urlOf(role, "empty"));
    expect([error.category, error.code]).toEqual(["forbidden", "database_role_too_strong"]);
    expect(error.message).toMatch(why);
    expect(error.remedy).toMatch(/CREATE ROLE .* EARSHOT_RELATIONAL_STORE_OWNER/);
    expect(await made()).toEqual([{ made: null }]);
  });

  test.each([
    ["a member of a superuser", "grant admin to friend", "revoke admin from friend", "database_role_too_strong"],
    ["a member of one with BYPASSRLS", "grant strong to friend", "revoke strong from friend", "database_role_too_strong"],
    [
      "one that finds people of every tenant",
      "grant earshot_app, earshot_lookup to friend",
      "revoke earshot_app, earshot_lookup from friend",
      "database_role_too_strong",
    ],
    ["no member of earshot_app", "select 1", "select 1", "database_role_not_member"],
  ])("%s", async (_name, before, after, code) => {
    await superuser(before);
    expect((await refusal(urlOf("friend", "two"))).code).toBe(code);
    await superuser(after);
  });

  test("a member of the owner, where the owner has a URL of its own", async () => {
    await superuser("grant two_owner to friend");
    const error = await refusal(urlOf("friend", "two"), urlOf("two_owner", "two"));
    expect([error.code, error.message]).toEqual(["database_role_too_strong", expect.stringContaining("owns its tables")]);
    await superuser("revoke two_owner from friend");
  });

  test("an owner whose tables do not force row-level security, and anybody on tables without it", async () => {
    await inDatabase("one", "alter table earshot.users no force row level security");
    const unforced = await refusal(urlOf("one", "one"));
    expect([unforced.code, unforced.message]).toEqual(["database_tables_open", expect.stringContaining("earshot.users")]);
    await inDatabase("one", "alter table earshot.users force row level security");
    // Who does not own it is bound whether it is forced or not.
    await inDatabase("two", "alter table earshot.users no force row level security");
    const bound = open(urlOf("two", "two"));
    await bound.start();
    await bound.stop(1000);
    await inDatabase("two", "alter table earshot.trunks disable row level security");
    expect(await refusal(urlOf("two", "two"))).toMatchObject({ code: "database_tables_open", details: { tables: ["earshot.trunks"] } });
    await inDatabase("two", "alter table earshot.trunks enable row level security", "alter table earshot.users force row level security");
  });
});

describe("a sign-in that fails says which setting to change", () => {
  test.each([
    [
      "a wrong password",
      () => urlOf("two", "two").replace(password, "wrong-one"),
      undefined,
      "database_password_wrong",
      "EARSHOT_RELATIONAL_STORE",
    ],
    [
      "the owner's wrong password",
      () => urlOf("two", "two"),
      () => urlOf("two_owner", "two").replace(password, "wrong-one"),
      "database_password_wrong",
      "EARSHOT_RELATIONAL_STORE_OWNER",
    ],
    ["an unknown role", () => urlOf("nobody", "two"), undefined, "database_password_wrong", "EARSHOT_RELATIONAL_STORE"],
    ["an unknown database", () => urlOf("two", "none"), undefined, "database_missing", "EARSHOT_RELATIONAL_STORE"],
    [
      "no TLS where it is asked for",
      () => urlOf("two", "two", "?sslmode=verify-full"),
      undefined,
      "database_tls_refused",
      "EARSHOT_RELATIONAL_STORE",
    ],
    ["nobody there", () => `postgres://two:${password}@127.0.0.1:1/two`, undefined, "database_unreachable", "EARSHOT_RELATIONAL_STORE"],
  ])("%s", async (_name, url, ownerUrl, code, env) => {
    const error = await refusal(url(), ownerUrl?.() ?? "");
    expect([error.code, error.remedy]).toEqual([code, expect.stringMatching(new RegExp(`${env}\\b`))]);
  });

  test("a role without a connection to spare", async () => {
    await superuser("alter role two connection limit 0");
    expect((await refusal(urlOf("two", "two"))).code).toBe("database_full");
    await superuser("alter role two connection limit -1");
  });

  test("a server that is too old", () => {
    expect(() => checkServer(140_019, "EARSHOT_RELATIONAL_STORE")).toThrow(/version 14; 15 is the oldest/);
    checkServer(150_000, "EARSHOT_RELATIONAL_STORE");
  });
});

test.each([
  ["the embedded server has no owner's URL", "embedded:", "postgres://o:s3cret@h/d", /EARSHOT_RELATIONAL_STORE_OWNER is set/],
  ["two databases", "postgres://a:s3cret@h/d", "postgres://o:s3cret@h/e", /"d".*"e"/],
  ["one role twice", "postgres://a:s3cret@h/d", "postgres://a:s3cret@h/d", /the same role, "a"/],
  ["a URL that cannot be read", "postgres://a:s3cret/x@h:port/d", "", /EARSHOT_RELATIONAL_STORE is no URL/],
  ["a certificate that is not there", "postgres://a:s3cret@h/d?sslrootcert=/none.pem", "", /EARSHOT_RELATIONAL_STORE .*\/none\.pem/],
])("known without connecting: %s", (_name, url, ownerUrl, message) => {
  let thrown: unknown;
  try {
    checkUrls(url, ownerUrl);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ category: "invalid_request", code: "database_url_invalid", message: expect.stringMatching(message) });
  expect(inspect(thrown, { depth: 9 })).not.toContain("s3cret");
});
