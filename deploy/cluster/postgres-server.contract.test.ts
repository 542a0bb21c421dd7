import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDirectoryStore } from "@earshot/analytics/store/postgres/directory-store.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "./free-ports.ts";
import { applicationUrl, type PostgresServer, startPostgres } from "./postgres-server.ts";

let directory: string;
let port: number;
let server: PostgresServer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "earshot-postgres-"));
  await chmod(directory, 0o755);
  port = (await freePorts(1))[0]!;
  server = await startPostgres(directory, port, "secret");
});
afterAll(async () => {
  await server?.process.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** Resolves once it takes connections there, rejects where it does not. */
async function reach(): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
}

test("its application's role is made once, and is not the one that migrates", async () => {
  const url = await applicationUrl(server);
  expect(await applicationUrl(server)).toBe(url);
  const store = createDirectoryStore({
    url,
    ownerUrl: server.url,
    dataDir: directory,
    log: silentLog,
    clock: systemClock,
    settings: { poolSize: 2, queryTimeoutMs: 5000, migrationTimeoutMs: 10_000 },
  });
  await store.start();
  expect(await store.tenants()).toEqual([]);
  await store.stop(1000);
});

test("it is killed, is away, and comes back on the same port and data", async () => {
  await reach();
  const { pid } = server.process;
  await server.process.kill();
  expect(server.process.pid).toBeUndefined();
  await expect(reach()).rejects.toThrow("ECONNREFUSED");
  await server.process.start();
  await reach();
  expect(server.process.pid).not.toBe(pid);
  expect(await server.process.stop("SIGINT")).toBe(0);
});
