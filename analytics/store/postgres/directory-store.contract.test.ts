import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { ClientBase } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asOwner, directoryStoreContract, keepsTenantsApart } from "./contract.ts";
import { createDirectoryStore, PostgresDirectoryStore } from "./directory-store.ts";

const settings = { poolSize: 4, queryTimeoutMs: 10_000, migrationTimeoutMs: 30_000 };

function open(dataDir: string, url = "embedded:"): PostgresDirectoryStore {
  return createDirectoryStore({ url, dataDir, log: silentLog, clock: systemClock, settings, timezone: "Europe/Berlin" });
}

/** The same server, reached as an outside one: a database of its own, and an owner that is no superuser. */
async function outsideUrl(server: PostgresDirectoryStore): Promise<string> {
  await asOwner(server.owner!, async (owner) => {
    await owner.query("create role outside login createrole password 'outside'");
    await owner.query("grant earshot_app, earshot_lookup to outside with admin option");
    await owner.query("create database outside owner outside");
  });
  return `postgres://outside:outside@127.0.0.1:${server.owner!.port}/outside`;
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

directoryStoreContract("embedded:", true, () => ({ store: embedded, owner: embedded.owner! }));
directoryStoreContract("postgres:// of one role, which owns the tables", false, () => ({ store: outside, owner: outside.owner! }));

test("the suite fails a store that leaves row-level security out", async () => {
  class Careless extends PostgresDirectoryStore {
    override async withTenant<T>(_tenant: TenantId, work: (db: ClientBase) => Promise<T>): Promise<T> {
      return asOwner({ ...embedded.owner, database: "outside" }, work);
    }
  }
  const url = `postgres://outside:outside@127.0.0.1:${embedded.owner!.port}/outside`;
  const careless = new Careless({ url, dataDir, log: silentLog, clock: systemClock, settings });
  await careless.start();
  try {
    await expect(keepsTenantsApart(careless)).rejects.toThrow(/tenants: expected Set/);
  } finally {
    await careless.stop(1000);
  }
});

/** Gone, or dead and not yet collected by its new parent, which is another program's affair. */
async function hasEnded(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  return /^\d+ \(.*\) Z/s.test(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""));
}

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
    if (!Number.isNaN(orphan)) expect(await hasEnded(orphan)).toBe(true);
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
