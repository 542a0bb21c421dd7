/** The API as it runs, on a real PostgreSQL, a real event log and a folder; only the column store is in memory. Two tenants. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { createFileObjectStore } from "@earshot/platform/object-store/file.ts";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { hashPassword } from "@earshot/platform/secrets/password.ts";
import { hashToken } from "@earshot/platform/secrets/token.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import type { Role } from "@earshot/proto/api/administration.ts";
import { decodeEvent, type Event, type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { Listening } from "../../live/listening.ts";
import { LiveCalls } from "../../live/live-calls.ts";
import { LiveCursors } from "../../live/live-cursor.ts";
import { LiveHub } from "../../live/live-hub.ts";
import { createDirectoryStore, type PostgresDirectoryStore } from "../../store/postgres/directory-store.ts";
import type { ApiContext, ApiSettings } from "../context.ts";
import { DeadLetters } from "../dead-letters.ts";
import { HttpServer } from "../http-server.ts";
import { Refusals } from "../refusals.ts";
import { Services } from "../services.ts";
import { apiSettings } from "../settings.ts";
import { TenantSettingsPublisher } from "../tenant-settings.ts";
import { MemoryCallStore } from "./memory-call-store.ts";

export const password = "a long enough password";

export type TestApi = {
  url: string;
  port: number;
  /** API key of each tenant's administrator. */
  keys: { first: string; second: string };
  tenants: { first: TenantId; second: TenantId };
  calls: MemoryCallStore;
  directory: PostgresDirectoryStore;
  eventLog: EventLog;
  objects: ObjectStore;
  liveCalls: LiveCalls;
  liveHub: LiveHub;
  listening: Listening;
  tenantSettings: TenantSettingsPublisher;
  logLines: string[];
  oneTimePassword: string;
  /** With the first tenant's key unless another is given; `key: null` sends none. */
  request(
    path: string,
    init?: RequestInit & { key?: string | null; json?: unknown; cookie?: string; origin?: string | null },
  ): Promise<Response>;
  login(email: string, pass?: string): Promise<{ status: number; cookie: string; body: unknown }>;
  addUser(tenant: TenantId, email: string, role: Role): Promise<void>;
  publish(topic: string, event: EventInit & { tenantId: string; callId: string }): Promise<void>;
  /** Everything on a topic. */
  events(topic: string): Promise<Event[]>;
  stop(): Promise<void>;
};

export async function startTestApi(
  options: { settings?: Partial<ApiSettings>; demoCalls?: ApiContext["demoCalls"]; uiDirectory?: string } = {},
): Promise<TestApi> {
  const dataDir = await mkdtemp(join(tmpdir(), "earshot-api-"));
  const clock = systemClock;
  const metrics = createMetrics();
  const logLines: string[] = [];
  const log = createLog({ level: "debug", destination: { write: (line) => logLines.push(line) } });
  const { values } = readSettings({ platform: platformSettings, api: apiSettings }, {});
  const settings: ApiSettings = { ...values.api, httpHost: "127.0.0.1", httpPort: 0, ...options.settings };
  const eventLog = createEmbeddedEventLog({ directory: join(dataDir, "log"), clock, log, metrics, settings: values.platform });
  await eventLog.start();
  await eventLog.declare(allTopics);
  const objects = createFileObjectStore({
    directory: join(dataDir, "objects"),
    clock,
    log,
    metrics,
    settings: values.platform,
  } as Parameters<typeof createFileObjectStore>[0]);
  await objects.start();
  const directory = createDirectoryStore({
    url: "embedded:",
    dataDir,
    log,
    clock,
    settings: { poolSize: 5, queryTimeoutMs: 10_000, migrationTimeoutMs: 60_000 },
  });
  await directory.start();
  const { oneTimePassword = "" } = await directory.bootstrap({ adminPassword: undefined, adminApiKey: "first-key" });
  const first = (await directory.userByEmail("admin@localhost"))!.tenantId;
  const addUser = async (tenant: TenantId, email: string, role: Role) => {
    const passwordHash = await hashPassword(password);
    await directory.createUser(tenant, { email, name: email, role, passwordHash, mustChangePassword: false });
  };
  const { id: second } = await directory.createTenant({
    name: "Second",
    timezone: "UTC",
    admin: {
      email: "second@example.test",
      name: "Second",
      role: "tenant_admin",
      passwordHash: await hashPassword(password),
      mustChangePassword: false,
    },
  });
  await addUser(first, "first@example.test", "tenant_admin");
  await addUser(first, "supervisor@example.test", "supervisor");
  await directory.createApiKey(second, "test", "second", hashToken("second-key"));

  const calls = new MemoryCallStore();
  const liveCalls = new LiveCalls({ eventLog, clock, log, metrics, settings });
  const speech = () => ({ engine: "none", usable: false, reason: "test", remedy: "none" });
  const listening = new Listening({ calls: liveCalls, directory, eventLog, clock, log });
  const liveHub = new LiveHub({
    calls: liveCalls,
    cursors: async () => LiveCursors.withSecret("test"),
    directory,
    listening,
    clock,
    log,
    metrics,
    settings,
    publicOrigins: settings.publicOrigins,
    trustProxy: settings.trustProxy,
    speech,
  });
  const refusals = new Refusals(eventLog);
  const services = new Services({ eventLog, clock, beatMs: values.platform.serviceBeatMs });
  const deadLetters = new DeadLetters({ eventLog, clock, metrics, listed: settings.deadLettersListed });
  const { maxRecordBytes } = values.platform;
  const tenantSettings = new TenantSettingsPublisher({ directory, eventLog, clock, log, maxRecordBytes });
  const http = new HttpServer({
    settings,
    log,
    metrics,
    clock,
    eventLog,
    objectStore: objects,
    directory,
    calls,
    liveCalls,
    liveHub,
    refusals,
    deadLetters,
    services,
    tenantSettings,
    speech,
    demoCalls: options.demoCalls,
    uiDirectory: options.uiDirectory,
    readiness: () => ({ ready: true, reasons: [] }),
    statusFacts: () => ({ version: "test", startedAt: new Date(0).toISOString(), adapters: {}, addresses: {} }),
  });
  const components = [liveCalls, listening, liveHub, refusals, deadLetters, services, http];
  for (const component of components) await component.start();
  const port = http.address!.port;
  const url = `http://127.0.0.1:${port}`;

  const request: TestApi["request"] = (path, init = {}) => {
    const { key = "first-key", json, cookie, origin, headers, ...rest } = init;
    const sent = new Headers(headers);
    if (cookie !== undefined) {
      sent.set("cookie", cookie);
      if (origin !== null) sent.set("origin", origin ?? url);
    } else if (key !== null) sent.set("authorization", `Bearer ${key}`);
    if (json !== undefined) sent.set("content-type", "application/json");
    return fetch(`${url}${path}`, { ...rest, headers: sent, ...(json === undefined ? {} : { body: JSON.stringify(json) }) });
  };

  return {
    url,
    port,
    keys: { first: "first-key", second: "second-key" },
    tenants: { first, second },
    calls,
    directory,
    eventLog,
    objects,
    liveCalls,
    liveHub,
    listening,
    tenantSettings,
    logLines,
    oneTimePassword,
    request,
    addUser,
    async login(email, pass = password) {
      const answer = await request("/api/v1/session", { method: "POST", key: null, json: { email, password: pass } });
      const cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? "";
      return { status: answer.status, cookie, body: await answer.json() };
    },
    async publish(topic, event) {
      await eventLog.publish(topic, event.callId, encodeEvent(event));
    },
    async events(topic) {
      const found: Event[] = [];
      for (const { partition, first: from, next } of await eventLog.bounds(topic))
        for (const record of await eventLog.read(topic, partition, from, Math.max(1, next - from))) found.push(decodeEvent(record.value));
      return found;
    },
    async stop() {
      for (const component of components.toReversed()) await component.stop(2000);
      await directory.stop(5000);
      await objects.stop(1000);
      await eventLog.stop(2000);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Asks until it is so. */
export async function eventually<T>(ask: () => T | Promise<T>, isSo: (value: T) => boolean, timeoutMs = 20_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await ask();
    if (isSo(value)) return value;
    if (Date.now() > end) throw new Error(`Not so within ${timeoutMs} ms: ${JSON.stringify(value)?.slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
