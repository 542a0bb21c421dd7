/** The relational store on Debian's PostgreSQL server, with the roles of compose.yaml, over TLS, and while the server fails. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod, chown, copyFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asOwner, directoryStoreContract } from "@earshot/analytics/store/postgres/contract.ts";
import { createDirectoryStore, type PostgresDirectoryStore } from "@earshot/analytics/store/postgres/directory-store.ts";
import { postgresUser } from "@earshot/analytics/store/postgres/run-as.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { type Certificates, makeCertificates } from "@earshot/platform/testing/certificates.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "./free-ports.ts";
import { debianPostgres, type PostgresServer, startPostgres } from "./postgres-server.ts";

const bin = debianPostgres();
const missing = bin === undefined ? "Debian's PostgreSQL is not installed (apt-get install postgresql)" : "";
test.runIf(process.env.REQUIRE_SERVERS === "1")("Debian's PostgreSQL is installed", () => {
  expect(missing).toBe("");
});

const settings = { poolSize: 3, queryTimeoutMs: 5000, migrationTimeoutMs: 10_000 };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(missing !== "")(`the relational store on a real server ${missing}`, () => {
  let directory: string;
  let port: number;
  let server: PostgresServer;
  let certificates: Certificates;
  let store: PostgresDirectoryStore;
  const superuser = () => ({ connectionString: server.url });
  const urlOf = (role: string, more = "") => `postgres://${role}:${role}-word@localhost:${port}/earshot${more}`;
  const open = (url: string, ownerUrl = "", changed: Partial<typeof settings> = {}) =>
    createDirectoryStore({
      url,
      ownerUrl,
      dataDir: directory,
      log: silentLog,
      clock: systemClock,
      settings: { ...settings, ...changed },
      timezone: "Europe/Berlin",
    });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "earshot-postgres-store-"));
    await chmod(directory, 0o755);
    certificates = makeCertificates("earshot")!;
    const user = await postgresUser();
    const files = {
      ssl_cert_file: join(directory, "server.pem"),
      ssl_key_file: join(directory, "server.key"),
      hba_file: join(directory, "hba"),
    };
    await copyFile(certificates.certFile, files.ssl_cert_file);
    await copyFile(certificates.keyFile, files.ssl_key_file);
    await writeFile(
      files.hba_file,
      "host all postgres,earshot,earshot_owner 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
    );
    await chmod(files.ssl_key_file, 0o600);
    if (user !== undefined) for (const file of Object.values(files)) await chown(file, user.uid, user.gid);
    port = (await freePorts(1))[0]!;
    server = await startPostgres(directory, port, "superuser-word", { ssl: "on", ...files });
    // What compose.yaml runs when its volume is new.
    execFileSync(join(import.meta.dirname, "../docker/create-roles.sh"), {
      env: {
        PATH: `${bin}:${process.env.PATH}`,
        PGHOST: "127.0.0.1",
        PGPORT: String(port),
        PGPASSWORD: "superuser-word",
        POSTGRES_USER: "postgres",
        EARSHOT_OWNER_PASSWORD: "earshot_owner-word",
        EARSHOT_PASSWORD: "earshot-word",
      },
    });
    store = open(urlOf("earshot"), urlOf("earshot_owner"));
    await store.start();
  });
  afterAll(async () => {
    await store?.stop(1000);
    await server?.process.kill();
    certificates?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  directoryStoreContract("Debian's PostgreSQL, with two roles", true, () => ({ store, owner: store.owner! }));

  test("over TLS, and what is refused there names the setting", async () => {
    const tls = open(urlOf("earshot", `?sslmode=verify-full&sslrootcert=${certificates.caFile}`));
    await tls.start();
    const encrypted = "select count(*)::int as count from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'earshot' and ssl";
    expect((await asOwner(superuser(), (client) => client.query(encrypted))).rows).toEqual([{ count: 1 }]);
    await tls.stop(1000);
    await expect(open(urlOf("earshot", "?sslmode=verify-full")).start()).rejects.toMatchObject({
      code: "database_tls_refused",
      remedy: expect.stringContaining("sslrootcert=FILE in EARSHOT_RELATIONAL_STORE"),
    });
    await asOwner(superuser(), (client) => client.query("create role tls_only login password 'tls_only-word'"));
    await expect(open(urlOf("tls_only")).start()).rejects.toMatchObject({
      code: "database_sign_in_refused",
      remedy: expect.stringContaining("hostssl"),
    });
  });

  describe("while it fails", () => {
    let tenant: TenantId;
    let hasty: PostgresDirectoryStore;
    const unavailable = { category: "unavailable", code: "database_unavailable" };
    const select = (sql: string) => hasty.withTenant(tenant, (db) => db.query(sql));
    const tookMs = async (work: Promise<unknown>): Promise<number> => {
      const since = performance.now();
      await work;
      return performance.now() - since;
    };
    beforeAll(async () => {
      [tenant] = (await store.tenants()).map(({ id }) => id) as [TenantId];
      hasty = open(urlOf("earshot"), "", { poolSize: 2, queryTimeoutMs: 500 });
      await hasty.start();
    });
    afterAll(() => hasty?.stop(1000));

    test("a query that is too slow is cancelled on the server, and the connection goes on", async () => {
      const took = await tookMs(
        expect(select("select pg_sleep(20)")).rejects.toMatchObject({ category: "timeout", code: "database_slow" }),
      );
      expect(took).toBeLessThan(5000);
      const running = "select query from pg_stat_activity where usename = 'earshot' and state = 'active'";
      const { rows } = await asOwner(superuser(), (client) => client.query(running));
      expect(rows).toEqual([]);
      expect((await select("select 1 as one")).rows).toEqual([{ one: 1 }]);
    });

    test("a pool that is all in use makes the next one wait, and then says so", async () => {
      const busy = [1, 2].map(() =>
        hasty.withTenant(tenant, async (db) => {
          for (let i = 0; i < 4; i++) await db.query("select pg_sleep(0.3)");
        }),
      );
      await pause(50);
      await expect(hasty.tenants()).rejects.toMatchObject(unavailable);
      await Promise.all(busy);
      expect(await hasty.tenants()).toHaveLength(2);
    });

    test("a connection that hangs is given up; the others and a new one serve", async () => {
      let pid = 0;
      const hanging = hasty.withTenant(tenant, async (db) => {
        pid = (await db.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]!.pid;
        process.kill(pid, "SIGSTOP");
        return db.query("select 1");
      });
      try {
        expect(await tookMs(expect(hanging).rejects.toMatchObject(unavailable))).toBeLessThan(5000);
        for (let i = 0; i < 4; i++) expect(await hasty.tenants()).toHaveLength(2);
      } finally {
        process.kill(pid, "SIGCONT");
      }
    });

    test("a transaction whose process stands still lets go of what it has locked", async () => {
      const still = hasty.withTenant(tenant, async (db) => {
        await db.query("select from earshot.tenants where id = $1 for update", [tenant]);
        await pause(1500);
        return db.query("select 1");
      });
      await pause(100);
      const failed = expect(still).rejects.toMatchObject(unavailable);
      expect((await store.updateTenant(tenant, { name: "Default" })).name).toBe("Default");
      await failed;
    });

    test("a server that is killed is missed at once, and used again as soon as it is back", async () => {
      await Promise.all([hasty.tenants(), hasty.tenants()]);
      await server.process.kill();
      expect(await tookMs(expect(hasty.tenants()).rejects.toMatchObject(unavailable))).toBeLessThan(5000);
      await expect(select("select 1")).rejects.toMatchObject(unavailable);
      await expect(open(urlOf("earshot")).start()).rejects.toMatchObject({ code: "database_unreachable" });
      await server.process.start();
      expect(await hasty.tenants()).toHaveLength(2);
      expect((await select("select 1 as one")).rows).toEqual([{ one: 1 }]);
    });
  });
});
