import { afterEach, expect, test } from "vitest";
import { silentLog } from "../log/log.ts";
import { createMetrics } from "../metrics/metrics.ts";
import type { PartHealth } from "./health.ts";
import { createOperationsServer, type OperationsServer } from "./operations-server.ts";

let server: OperationsServer | undefined;
afterEach(() => server?.stop(100));

async function serve(health: () => readonly PartHealth[], operationsPort = 0) {
  const metrics = createMetrics();
  metrics.counter("earshot_example_total", "An example.").inc(3);
  server = createOperationsServer({
    settings: { operationsPort, operationsHost: "127.0.0.1" },
    metrics,
    log: silentLog,
    role: "media-pipeline",
    version: "1.2.3",
    health,
  });
  await server.start();
  const port = server.address!.port;
  return { port, get: (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init) };
}

test("it is alive whatever its parts say, and ready only while none is down", async () => {
  let parts: PartHealth[] = [{ part: "event log", state: "up", detail: "" }];
  const { get } = await serve(() => parts);
  expect(await (await get("/healthz")).json()).toEqual({ status: "ok", role: "media-pipeline", version: "1.2.3" });
  expect(await (await get("/readyz")).json()).toMatchObject({ ready: true, reasons: [], role: "media-pipeline" });

  parts = [{ part: "event log", state: "degraded", detail: "the broker answers late" }];
  const degraded = await get("/readyz");
  expect(degraded.status).toBe(200);
  expect(await degraded.json()).toMatchObject({ ready: true, reasons: ["event log is degraded: the broker answers late"], parts });

  parts = [{ part: "event log", state: "down", detail: "no broker answers" }];
  const down = await get("/readyz");
  expect(down.status).toBe(503);
  expect(await down.json()).toMatchObject({ ready: false, reasons: ["event log is down: no broker answers"] });
  expect((await get("/healthz")).status).toBe(200);
});

test("metrics are Prometheus' text; anything else is refused", async () => {
  const { get } = await serve(() => []);
  const answer = await get("/metrics");
  expect(answer.headers.get("content-type")).toContain("text/plain");
  expect(await answer.text()).toContain("earshot_example_total 3");
  expect((await get("/")).status).toBe(404);
  expect((await get("/metrics", { method: "POST" })).status).toBe(405);
});

test("health that cannot be told is an error, not a yes", async () => {
  const { get } = await serve(() => {
    throw new Error("broken");
  });
  expect((await get("/readyz")).status).toBe(500);
});

test("a port in use is an error that says which setting to change", async () => {
  const { port } = await serve(() => []);
  const second = createOperationsServer({
    settings: { operationsPort: port, operationsHost: "127.0.0.1" },
    metrics: createMetrics(),
    log: silentLog,
    role: "x",
    version: "0",
    health: () => [],
  });
  await expect(second.start()).rejects.toMatchObject({ code: "operations_port_unavailable", category: "unavailable" });
});
