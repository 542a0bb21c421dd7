import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "./free-ports.ts";
import { type PostgresServer, startPostgres } from "./postgres-server.ts";

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
