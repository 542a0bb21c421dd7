import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createPresence } from "@earshot/platform/operations/presence.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { apiSettings } from "./settings.ts";
import { TenantSettingsPublisher } from "./tenant-settings.ts";
import { exampleCall } from "./testing/example-call.ts";
import { callStarted } from "./testing/example-events.ts";
import { eventually, password, startTestApi, type TestApi } from "./testing/test-api.ts";

let api: TestApi;
let pages: string;

beforeAll(async () => {
  pages = await mkdtemp(join(tmpdir(), "earshot-pages-"));
  await mkdir(join(pages, "assets"));
  await writeFile(join(pages, "index.html"), "<!doctype html><title>Earshot</title>");
  await writeFile(join(pages, "assets", "app-1a2b3c.js"), "export {};");
  await writeFile(join(pages, "assets", "app-1a2b3c.js.map"), "{}");
  const demoCalls = { scenarios: () => [{ id: "sale", title: "A sale", seconds: 40 }], place: async () => ({ scenario: "sale" }) };
  api = await startTestApi({ uiDirectory: pages, demoCalls });
  api.calls.keep(api.tenants.first, { detail: exampleCall("call-1") });
});

afterAll(async () => {
  await api?.stop();
  await rm(pages, { recursive: true, force: true });
});

const errorOf = async (answer: Response) => ((await answer.json()) as { error: { code: string; category: string; remedy: string } }).error;

describe("who may ask", () => {
  test("nobody without a login, in the one shape of errors", async () => {
    for (const path of ["/calls", "/trunks", "/session", "/status", "/audit", "/calls/call-1/recording"]) {
      const answer = await api.request(`/api/v1${path}`, { key: null });
      expect(answer.status, path).toBe(401);
      expect(await errorOf(answer)).toMatchObject({ code: "login_required", category: "unauthenticated", requestId: expect.any(String) });
    }
    for (const key of ["wrong", "x".repeat(5000), "first-key2"]) expect((await api.request("/api/v1/calls", { key })).status).toBe(401);
    expect((await api.request("/api/v1/calls", { cookie: "earshot_session=made-up" })).status).toBe(401);
  });

  test("a login sets an httpOnly, SameSite=Strict cookie, and works until it is ended", async () => {
    const answer = await api.request("/api/v1/session", { method: "POST", key: null, json: { email: "first@example.test", password } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("set-cookie")).toMatch(/HttpOnly; SameSite=Strict/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const cookie = answer.headers.get("set-cookie")!.split(";")[0]!;
    expect(await (await api.request("/api/v1/session", { cookie })).json()).toMatchObject({
      user: { email: "first@example.test", role: "tenant_admin" },
      tenant: { id: api.tenants.first },
      mustChangePassword: false,
    });
    expect((await api.request("/api/v1/session", { method: "DELETE", cookie })).status).toBe(204);
    expect((await api.request("/api/v1/session", { cookie })).status).toBe(401);
  });

  test("a one-time password opens nothing but its own replacement", async () => {
    const { cookie, body } = await api.login("admin@localhost", api.oneTimePassword);
    expect(body).toMatchObject({ mustChangePassword: true });
    expect(await errorOf(await api.request("/api/v1/calls", { cookie }))).toMatchObject({ code: "password_change_required" });
    const change = (json: unknown) => api.request("/api/v1/session/password", { method: "POST", cookie, json });
    expect((await change({ current: "wrong", next: "another long password" })).status).toBe(400);
    expect((await change({ current: api.oneTimePassword, next: "short" })).status).toBe(400);
    const changed = await change({ current: api.oneTimePassword, next: "another long password" });
    expect(changed.status).toBe(200);
    expect((await api.request("/api/v1/session", { cookie })).status).toBe(401);
    const fresh = changed.headers.get("set-cookie")!.split(";")[0]!;
    expect((await api.request("/api/v1/calls", { cookie: fresh })).status).toBe(200);
  });

  test("a write with a cookie from another site is refused; an API key needs no origin", async () => {
    const { cookie } = await api.login("first@example.test");
    const place = (origin: string | null) => api.request("/api/v1/demo-calls", { method: "POST", cookie, origin, json: {} });
    for (const origin of ["https://evil.example", "null", null, `${api.url}.evil.example`])
      expect(await errorOf(await place(origin)), String(origin)).toMatchObject({ code: "origin_not_allowed" });
    expect((await place(api.url)).status).toBe(202);
    expect((await api.request("/api/v1/demo-calls", { method: "POST", json: {} })).status).toBe(202);
    const login = await api.request("/api/v1/session", {
      method: "POST",
      key: null,
      headers: { origin: "https://evil.example" },
      json: { email: "first@example.test", password },
    });
    expect(login.status).toBe(403);
  });

  test("a supervisor reads settings and changes none", async () => {
    const { cookie } = await api.login("supervisor@example.test");
    expect((await api.request("/api/v1/trunks", { cookie })).status).toBe(200);
    expect((await api.request("/api/v1/calls", { cookie })).status).toBe(200);
    const trunk = ((await (await api.request("/api/v1/trunks", { cookie })).json()) as { data: { id: string; name: string }[] }).data[0]!;
    const writes: [string, string, unknown][] = [
      ["POST", "/trunks", { name: "x" }],
      ["PUT", `/trunks/${trunk.id}`, { name: "x" }],
      ["DELETE", `/trunks/${trunk.id}`, undefined],
      ["POST", "/extensions", { number: "1", agentName: "x" }],
      ["POST", "/phrase-rules", { name: "x", kind: "said", phrases: ["abc"] }],
      ["POST", "/api-keys", { name: "x" }],
      ["PATCH", "/tenant", { name: "x" }],
      ["GET", "/api-keys", undefined],
      ["GET", "/audit", undefined],
    ];
    for (const [method, path, json] of writes) {
      const answer = await api.request(`/api/v1${path}`, { method, cookie, ...(json === undefined ? {} : { json }) });
      expect(await errorOf(answer), `${method} ${path}`).toMatchObject({ code: "role_not_sufficient" });
    }
  });

  test("guessing is slowed, per source and account, and stays so for the right password", async () => {
    await api.addUser(api.tenants.second, "guessed@example.test", "supervisor");
    for (let i = 0; i < 5; i++) expect((await api.login("guessed@example.test", `wrong ${i}`)).status).toBe(401);
    const answer = await api.request("/api/v1/session", { method: "POST", key: null, json: { email: "GUESSED@example.test", password } });
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await api.login("first@example.test")).status).toBe(200);
  });

  test("an account that exists and one that does not are refused alike", async () => {
    const unknown = await api.login("nobody@example.test", "wrong");
    const known = await api.login("first@example.test", "wrong");
    const plain = ({ status, body }: typeof known) => ({ status, error: { ...(body as { error: object }).error, requestId: "" } });
    expect(plain(unknown)).toEqual(plain(known));
  });

  test("a refused login is written to the audit log, after its answer", async () => {
    await api.addUser(api.tenants.second, "refused@example.test", "supervisor");
    expect((await api.login("refused@example.test", "wrong")).status).toBe(401);
    const { data } = await eventually(
      () => api.directory.auditLog(api.tenants.second, 1, 1),
      (page) => page.data[0]?.actor === "refused@example.test",
    );
    expect(data[0]).toMatchObject({ action: "session.refused", details: { source: "127.0.0.1" } });
  });

  test("the answer to a wrong password waits for nothing that only an account that exists costs", async () => {
    const tenant = vi.spyOn(api.directory, "tenant");
    const audit = vi.spyOn(api.directory, "audit").mockImplementationOnce(() => new Promise(() => {}));
    try {
      expect((await api.login("refused@example.test", "wrong")).status).toBe(401);
      await eventually(
        () => audit.mock.calls.length,
        (count) => count === 1,
      );
      expect(tenant).not.toHaveBeenCalled();
    } finally {
      vi.restoreAllMocks();
    }
  });

  test("nothing secret reaches the log", () => {
    const log = api.logLines.join("\n");
    expect(log).toContain("Somebody logged in");
    for (const secret of ["first-key", "second-key", password, api.oneTimePassword, "earshot_session="]) expect(log).not.toContain(secret);
  });
});

describe("two tenants", () => {
  test("neither sees anything of the other", async () => {
    const { first, second } = api.tenants;
    await api.publish(topics.calls.name, callStarted(first, "live-first"));
    await eventually(
      () => api.liveCalls.count(first),
      (count) => count === 1,
    );
    await api.objects.put(first, "recordings/call-1.wav", Buffer.from("RIFF"));
    api.calls.keep(second, {
      detail: exampleCall("borrowed"),
      recording: { objectKey: `tenants/${first}/recordings/call-1.wav`, bytes: 4, durationMs: 1, sampleRate: 8000, channels: 2 },
    });
    const key = api.keys.second;
    expect(await (await api.request("/api/v1/calls", { key })).json()).toMatchObject({ total: 1, data: [{ id: "borrowed" }] });
    for (const id of ["call-1", "live-first"])
      for (const path of ["", "/transcript", "/ledger", "/recording"])
        expect((await api.request(`/api/v1/calls/${id}${path}`, { key })).status, `${id}${path}`).toBe(404);
    for (const path of ["/pause", "/resume"])
      expect((await api.request(`/api/v1/calls/live-first${path}`, { key, method: "POST" })).status).toBe(404);
    const speakers = { legs: [{ index: 0, speaker: "caller" }] };
    expect((await api.request("/api/v1/calls/live-first/speakers", { key, method: "POST", json: speakers })).status).toBe(404);
    // A key in the record that names another tenant's folder does not lead there.
    expect((await api.request("/api/v1/calls/borrowed/recording", { key })).status).toBeGreaterThanOrEqual(400);
    const trunk = (await api.directory.trunks(first))[0]!;
    expect((await api.request(`/api/v1/trunks/${trunk.id}`, { key })).status).toBe(404);
    expect((await api.request(`/api/v1/trunks/${trunk.id}`, { key, method: "PUT", json: { name: "mine" } })).status).toBe(404);
    expect((await api.request(`/api/v1/trunks/${trunk.id}`, { key, method: "DELETE" })).status).toBe(404);
    expect(await (await api.request("/api/v1/status", { key })).json()).toMatchObject({ liveCalls: 0 });
    expect(await (await api.request("/api/v1/status")).json()).toMatchObject({ liveCalls: 1 });
  });
});

describe("settings", () => {
  test("a trunk is made, changed, listed and deleted; each time gateway and pipeline are told, and it is audited", async () => {
    const created = await api.request("/api/v1/trunks", { method: "POST", json: { name: "SBC", sourceNetworks: ["10.0.0.0/8", "::1"] } });
    expect(created.status).toBe(201);
    const trunk = (await created.json()) as { id: string; labelOrder: string };
    expect(trunk).toMatchObject({ name: "SBC", enabled: true, labelOrder: "agent-first" });
    const changed = await api.request(`/api/v1/trunks/${trunk.id}`, { method: "PUT", json: { name: "SBC 2", maxCalls: 5 } });
    expect(await changed.json()).toMatchObject({ id: trunk.id, name: "SBC 2", maxCalls: 5, sourceNetworks: ["10.0.0.0/8", "::1"] });
    const list = (await (await api.request("/api/v1/trunks?sort=name&order=desc&perPage=1")).json()) as { data: unknown[]; total: number };
    expect(list).toMatchObject({ total: 2, data: [{ name: "This machine" }] });
    const told = (await api.events(topics.settings.name)).filter((event) => event.tenantId === api.tenants.first).at(-1);
    expect(told?.payload).toMatchObject({
      case: "tenantSettings",
      value: { trunks: [{ name: "This machine" }, { name: "SBC 2", maxCalls: 5 }] },
    });
    expect((await api.request(`/api/v1/trunks/${trunk.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await api.request(`/api/v1/trunks/${trunk.id}`)).status).toBe(404);
    const audit = (await (await api.request("/api/v1/audit?perPage=3")).json()) as { data: { action: string; actor: string }[] };
    expect(audit.data.map(({ action }) => action)).toEqual(["trunk.delete", "trunk.change", "trunk.create"]);
    expect(audit.data[0]?.actor).toBe("key:EARSHOT_ADMIN_API_KEY");
    const versions = (await api.events(topics.settings.name)).map((event) => (event.payload.value as { version: number }).version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });

  test("what would not fit into one record of the event log is refused and not saved; the other tenants are told all the same", async () => {
    const { second } = api.tenants;
    const key = api.keys.second;
    const long = (n: number, fill: string) => Array.from({ length: 100 }, (_, i) => `${n}-${i}-`.padEnd(253, fill));
    let refused: Response | undefined;
    let made = 0;
    while (refused === undefined && made < 40) {
      const json = { name: `t${made}`, requestHosts: long(made, "h"), tlsPeers: long(made, "p") };
      const answer = await api.request("/api/v1/trunks", { method: "POST", key, json });
      if (answer.status === 201) made += 1;
      else refused = answer;
    }
    expect(refused?.status).toBe(402);
    expect(await errorOf(refused!)).toMatchObject({ code: "settings_too_large", category: "quota" });
    const trunks = await api.directory.trunks(second);
    expect(trunks).toHaveLength(made);
    for (const retentionDays of [-1, 1.5, 3651, "30"])
      expect((await api.request("/api/v1/tenant", { method: "PATCH", key, json: { retentionDays } })).status).toBe(400);
    const kept = await api.request("/api/v1/tenant", { method: "PATCH", key, json: { retentionDays: 30 } });
    expect([kept.status, await kept.json()]).toMatchObject([200, { retentionDays: 30 }]);
    expect((await api.directory.tenants()).map((tenant) => [tenant.id === second, tenant.retentionDays])).toContainEqual([false, 0]);
    const vocabulary = Array.from({ length: 1000 }, (_, i) => `${i}`.padEnd(100, "v"));
    expect((await api.request("/api/v1/tenant", { method: "PATCH", key, json: { vocabulary } })).status).toBe(402);
    expect((await api.directory.tenant(second))?.vocabulary).toEqual([]);
    const csv = Array.from({ length: 1000 }, (_, i) => `${i},${"a".repeat(100)},${"b".repeat(100)},${"c".repeat(100)}`).join("\n");
    const imported = await api.request("/api/v1/extensions/import", {
      method: "POST",
      key,
      headers: { "content-type": "text/csv" },
      body: csv,
    });
    expect(imported.status).toBe(402);
    expect(await api.directory.extensions(second)).toEqual([]);

    // Settings that were saved before the limit was lowered.
    const strict = new TenantSettingsPublisher({
      directory: api.directory,
      eventLog: api.eventLog,
      clock: systemClock,
      log: silentLog,
      maxRecordBytes: 100_000,
    });
    const toldOf = async (tenant: string) => (await api.events(topics.settings.name)).filter((event) => event.tenantId === tenant).length;
    const [firstBefore, secondBefore] = [await toldOf(api.tenants.first), await toldOf(second)];
    await strict.publishAll();
    expect([await toldOf(api.tenants.first), await toldOf(second)]).toEqual([firstBefore + 1, secondBefore]);
    for (const { id } of trunks) expect((await api.request(`/api/v1/trunks/${id}`, { method: "DELETE", key })).status).toBe(204);
  });

  test("a trunk that claims what another tenant's trunk admits is refused, and says by which field; told with its age", async () => {
    const key = api.keys.second;
    const answer = await api.request("/api/v1/trunks", { method: "POST", key, json: { name: "mine", sourceNetworks: ["127.0.0.1/32"] } });
    expect(answer.status).toBe(409);
    const error = (await errorOf(answer)) as { code: string; details?: unknown };
    expect(error).toMatchObject({ code: "trunk_claim_taken", details: { fields: [{ field: "sourceNetworks", problem: "is taken" }] } });
    expect(JSON.stringify(error)).not.toContain(api.tenants.first);
    const created = await api.request("/api/v1/trunks", { method: "POST", key, json: { name: "mine", sourceNetworks: ["192.0.2.0/24"] } });
    const { id } = (await created.json()) as { id: string };
    const told = (await api.events(topics.settings.name)).filter((event) => event.tenantId === api.tenants.second).at(-1);
    const [trunk] = told?.payload.case === "tenantSettings" ? told.payload.value.trunks : [];
    expect(Math.abs((trunk?.createdAtMs ?? 0) - Date.now())).toBeLessThan(60_000);
    await api.request(`/api/v1/trunks/${id}`, { method: "DELETE", key });
  });

  test("what is wrong is refused field by field", async () => {
    const answer = await api.request("/api/v1/trunks", { method: "POST", json: { name: "", sourceNetworks: ["10.0.0.0/99"] } });
    expect(answer.status).toBe(400);
    const error = (await errorOf(answer)) as { details?: { fields: { field: string }[] } };
    expect(error.details?.fields.map(({ field }) => field)).toEqual(["name", "sourceNetworks/0"]);
    expect((await api.request("/api/v1/tenant", { method: "PATCH", json: { timezone: "Mars/Olympus" } })).status).toBe(400);
    expect((await api.request("/api/v1/calls?perPage=9999")).status).toBe(400);
    expect((await api.request("/api/v1/calls?from=yesterday")).status).toBe(400);
  });

  test("a CSV of extensions is taken line by line, and what is wrong comes back", async () => {
    const csv = 'Extension;Agent;Team\r\n201;"Lovelace; Ada";Sales\r\n;Nobody;\r\n202;Grace;\r\n201;Twice;\r\n203;"open;\r\n';
    const send = (body: string) =>
      api.request("/api/v1/extensions/import", { method: "POST", headers: { "content-type": "text/csv" }, body });
    const answer = await send(csv);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      created: 2,
      updated: 0,
      errors: [
        { line: 3, text: ";Nobody;" },
        { line: 5, text: "201;Twice;", problem: "The number stands on line 2 already." },
        { line: 6, text: '203;"open;' },
      ],
    });
    expect(await (await send("201,Ada King,a1,Support")).json()).toEqual({ created: 0, updated: 1, errors: [] });
    expect(await (await api.request("/api/v1/extensions?sort=number")).json()).toMatchObject({
      total: 2,
      data: [
        { number: "201", agentName: "Ada King", agentId: "a1", team: "Support" },
        { number: "202", agentName: "Grace" },
      ],
    });
    expect((await send("x".repeat(1_100_000))).status).toBe(413);
  });

  test("an API key is shown once, works, and stops working when deleted", async () => {
    const created = await api.request("/api/v1/api-keys", { method: "POST", json: { name: "ci" } });
    const { key, id } = (await created.json()) as { key: string; id: string };
    expect((await api.request("/api/v1/calls", { key })).status).toBe(200);
    const list = await (await api.request("/api/v1/api-keys")).text();
    expect(list).toContain('"name":"ci"');
    expect(list).not.toContain(key);
    expect((await api.request(`/api/v1/api-keys/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await api.request("/api/v1/calls", { key })).status).toBe(401);
  });

  test("a refused recording client is shown to the administrator, counted", async () => {
    const refused: EventInit = {
      id: "r",
      tenantId: "",
      occurredAtMs: Date.now(),
      payload: {
        case: "inviteRefused",
        value: {
          sourceAddress: "192.0.2.7:5060",
          transport: "udp",
          requestUri: "sip:x",
          userAgent: "SBC",
          reason: "no trunk",
          status: 403,
        },
      },
    };
    for (let i = 0; i < 2; i++) await api.eventLog.publish(topics.admissions.name, "", encodeEvent(refused));
    const seen = await eventually(
      async () => (await (await api.request("/api/v1/refusals")).json()) as { data: { count: number }[] },
      ({ data }) => data[0]?.count === 2,
    );
    expect(seen).toMatchObject({ total: 1, data: [{ sourceAddress: "192.0.2.7:5060", status: 403 }] });
    expect(await (await api.request("/api/v1/refusals", { key: api.keys.second })).json()).toEqual({ data: [], total: 0 });
    // What a trunk's source is refused is its tenant's alone, each reason by itself.
    for (const reason of ["the gateway is full", "its body cannot be read"]) {
      const value = { sourceAddress: "192.0.2.8", reason, remedy: "Add a gateway.", trunkName: "SBC", status: 503, times: 20 };
      const event: EventInit = { ...refused, tenantId: api.tenants.second, payload: { case: "inviteRefused", value } };
      await api.eventLog.publish(topics.admissions.name, "", encodeEvent(event));
    }
    const theirs = await eventually(
      async () => (await (await api.request("/api/v1/refusals", { key: api.keys.second })).json()) as { data: object[]; total: number },
      ({ total }) => total === 2,
    );
    expect(theirs.data).toContainEqual(
      expect.objectContaining({ reason: "the gateway is full", remedy: "Add a gateway.", trunk: "SBC", count: 20 }),
    );
    expect(await (await api.request("/api/v1/refusals")).json()).toMatchObject({ total: 1 });
    const { eventLog } = api;
    const health = () => [{ part: "event log", state: "up" as const, detail: "" }];
    await createPresence({
      service: "earshot",
      instance: "here/1",
      version: "1",
      beatMs: 1000,
      eventLog,
      clock: systemClock,
      health,
    }).start();
    await eventually(
      async () => (await (await api.request("/api/v1/services")).json()) as { data: { instance: string; state: string }[] },
      ({ data }) => data.length === 1 && data[0]?.instance === "here/1" && data[0].state === "up",
    );
    expect(await (await api.request("/api/v1/services", { key: api.keys.second })).json()).toEqual({ data: [], total: 0 });
  });

  test("strangers cannot fill the list: one source is one line whatever it calls itself, and takes no tenant's place", async () => {
    const refused = (tenantId: string, sourceAddress: string, userAgent: string) =>
      api.eventLog.publish(
        topics.admissions.name,
        "",
        encodeEvent({
          id: "r",
          tenantId,
          occurredAtMs: Date.now(),
          payload: {
            case: "inviteRefused",
            value: { sourceAddress, transport: "udp", requestUri: "sip:x", userAgent, reason: "x", status: 403 },
          },
        }),
      );
    await refused(api.tenants.second, "198.51.100.1:5060", "SBC");
    for (let i = 0; i < 20; i++) await refused("", "198.51.100.2:5060", `agent ${i}`);
    await Promise.all(Array.from({ length: 600 }, (_, i) => refused("", `10.0.${i >> 8}.${i & 255}`, "x")));
    const list = async (key: string) =>
      (await (await api.request("/api/v1/refusals?perPage=1", { key })).json()) as { data: { count: number }[]; total: number };
    await eventually(
      () => list(api.keys.first),
      ({ total }) => total === 500,
    );
    // With the two of the test above.
    expect(await list(api.keys.second)).toMatchObject({ total: 3, data: [{ sourceAddress: "198.51.100.1:5060" }] });
    await refused("", "198.51.100.2:5060", "one more");
    await refused("", "198.51.100.2:5060", "and another");
    await eventually(
      () => list(api.keys.first),
      ({ data }) => data[0]?.count === 2,
    );
  });
});

describe("a call", () => {
  test("that is up is answered from the live view, and takes commands", async () => {
    const { first } = api.tenants;
    await api.publish(topics.calls.name, callStarted(first, "up"));
    await eventually(
      () => api.liveCalls.get(first, "up"),
      (call) => call !== undefined,
    );
    expect(await (await api.request("/api/v1/calls/up")).json()).toMatchObject({ id: "up", agent: "Ada", caller: "Grace", endedAt: null });
    expect(await (await api.request("/api/v1/calls/up/transcript")).json()).toEqual({ data: [], total: 0 });
    const ledger = (await (await api.request("/api/v1/calls/up/ledger")).json()) as { data: { stage: string }[] };
    expect(ledger.data.map(({ stage }) => stage)).toEqual(["record", "media", "transcript", "insight", "score"]);
    expect((await api.request("/api/v1/calls/up/pause", { method: "POST", json: { reason: "card number" } })).status).toBe(202);
    expect((await api.request("/api/v1/calls/up/resume", { method: "POST" })).status).toBe(202);
    const speakers = { legs: [{ index: 1, speaker: "agent" }] };
    expect((await api.request("/api/v1/calls/up/speakers", { method: "POST", json: speakers })).status).toBe(202);
    const commands = (await api.events(topics.commands.name)).filter((event) => event.callId === "up");
    expect(commands.map((event) => event.payload.case === "callCommand" && event.payload.value.command.case)).toEqual([
      "pause",
      "resume",
      "setLegSpeakers",
    ]);
    const audit = (await (await api.request("/api/v1/audit?perPage=3")).json()) as { data: { action: string; subject: string }[] };
    expect(audit.data.map(({ action, subject }) => [action, subject])).toEqual([
      ["call.speakers", "up"],
      ["call.resume", "up"],
      ["call.pause", "up"],
    ]);
  });

  test("that has ended cannot be paused, but corrected", async () => {
    expect(await errorOf(await api.request("/api/v1/calls/call-1/pause", { method: "POST" }))).toMatchObject({ code: "call_not_live" });
    expect((await api.request("/api/v1/calls/none/pause", { method: "POST" })).status).toBe(404);
    const correct = (index: number) =>
      api.request("/api/v1/calls/call-1/speakers", { method: "POST", json: { legs: [{ index, speaker: "caller" }] } });
    expect(await (await correct(0)).json()).toMatchObject({ legs: [{ speaker: "caller", speakerReason: "corrected" }] });
    expect(await errorOf(await correct(9))).toMatchObject({ code: "leg_unknown" });
    const events = (await api.events(topics.calls.name)).filter((event) => event.callId === "call-1");
    expect(events.at(-1)?.payload).toMatchObject({ case: "callUpdated", value: { legs: [{ index: 0, speaker: 2, codec: 1 }] } });
  });

  test("demo calls are offered and placed", async () => {
    expect(await (await api.request("/api/v1/status")).json()).toMatchObject({ demo: { available: true, scenarios: [{ id: "sale" }] } });
    expect((await api.request("/api/v1/demo-calls", { method: "POST", json: { impairment: { lossPercent: 90 } } })).status).toBe(400);
    expect(await (await api.request("/api/v1/demo-calls", { method: "POST" })).json()).toEqual({ scenario: "sale" });
    const key = api.keys.second;
    expect(await (await api.request("/api/v1/status", { key })).json()).toMatchObject({ demo: { available: false, scenarios: [] } });
    const refused = await api.request("/api/v1/demo-calls", { method: "POST", key });
    expect(refused.status).toBe(403);
    expect(await errorOf(refused)).toMatchObject({ code: "demo_not_yours" });
  });
});

describe("a recording", () => {
  const content = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
  const get = (range?: string, more: RequestInit & { key?: string } = {}) =>
    api.request("/api/v1/calls/with-audio/recording", { ...more, headers: { ...(range === undefined ? {} : { range }), ...more.headers } });

  beforeAll(async () => {
    const { first } = api.tenants;
    const { key } = await api.objects.put(first, "recordings/with-audio.wav", content);
    api.calls.keep(first, {
      detail: exampleCall("with-audio"),
      recording: { objectKey: key, bytes: content.length, durationMs: 100, sampleRate: 8000, channels: 2 },
    });
  });

  test("is served whole", async () => {
    const answer = await get();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("accept-ranges")).toBe("bytes");
    expect(answer.headers.get("content-type")).toBe("audio/wav");
    expect(answer.headers.get("content-disposition")).toBe('inline; filename="with-audio.wav"');
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(content);
    const download = await api.request("/api/v1/calls/with-audio/recording?download=1");
    expect(download.headers.get("content-disposition")).toBe('attachment; filename="with-audio.wav"');
    await download.arrayBuffer();
  });

  test.each([
    ["bytes=0-0", 0, 0],
    ["bytes=10-19", 10, 19],
    ["bytes=990-", 990, 999],
    ["bytes=990-5000", 990, 999],
    ["bytes=-10", 990, 999],
    ["bytes=-5000", 0, 999],
  ])("in part: %s", async (range, from, to) => {
    const answer = await get(range);
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe(`bytes ${from}-${to}/1000`);
    expect(answer.headers.get("content-length")).toBe(String(to - from + 1));
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(content.subarray(from, to + 1));
  });

  test.each(["bytes=1000-", "bytes=2000-3000", "bytes=-0"])("not beyond its end: %s", async (range) => {
    const answer = await get(range);
    expect(answer.status).toBe(416);
    expect(answer.headers.get("content-range")).toBe("bytes */1000");
    expect(await errorOf(answer)).toMatchObject({ code: "range_not_satisfiable" });
  });

  test.each(["bytes=5-1", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6", "bytes=", "bytes=99999999999999999999-"])(
    "whole for a range that does not count: %s",
    async (range) => {
      const answer = await get(range);
      expect(answer.status).toBe(200);
      expect((await answer.arrayBuffer()).byteLength).toBe(1000);
    },
  );

  test("HEAD, ETag and If-Range", async () => {
    const head = await get(undefined, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe("1000");
    const etag = head.headers.get("etag")!;
    expect((await get(undefined, { headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await get("bytes=0-1", { headers: { "if-range": etag } })).status).toBe(206);
    expect((await get("bytes=0-1", { headers: { "if-range": '"other"' } })).status).toBe(200);
  });

  describe("that is listened to", () => {
    const path = "/api/v1/calls/heard/recording";
    const heard = async (tenant = api.tenants.first) =>
      (await api.directory.auditLog(tenant, 1, 100)).data.filter(({ action }) => action.startsWith("call.recording.")).reverse();
    const of = (subject: string) => (entry: { subject: string }) => entry.subject === subject;
    const listen = async (more: Parameters<TestApi["request"]>[1] = {}, query = "") => {
      const answer = await api.request(`${path}${query}`, more);
      await answer.arrayBuffer();
      return answer;
    };

    beforeAll(async () => {
      const { first } = api.tenants;
      const { key } = await api.objects.put(first, "recordings/heard.wav", content);
      const recording = { objectKey: key, bytes: content.length, durationMs: 100, sampleRate: 8000, channels: 2 };
      api.calls.keep(first, { detail: exampleCall("heard"), recording });
    });

    test("is on the tenant's audit log, once for a person or key, whatever ranges a player asks for; looking at it is not listening", async () => {
      const { cookie } = await api.login("supervisor@example.test");
      await listen({ cookie, method: "HEAD" });
      await listen({ cookie, headers: { range: "bytes=1000-" } });
      await listen({ key: api.keys.second });
      expect((await heard()).filter(of("heard"))).toEqual([]);
      // As a player and its seeking ask, some of them at once.
      await Promise.all(["bytes=900-", "bytes=0-", "bytes=10-19"].map((range) => listen({ cookie, headers: { range } })));
      await listen({ cookie });
      const { headers } = await listen({ headers: { range: "bytes=500-" } });
      await listen({ cookie }, "?download=1");
      const source = "127.0.0.1";
      expect((await heard()).filter(of("heard"))).toMatchObject([
        { actor: "supervisor@example.test", action: "call.recording.listen", details: { source } },
        { actor: "key:EARSHOT_ADMIN_API_KEY", action: "call.recording.listen", details: { source } },
        { actor: "supervisor@example.test", action: "call.recording.download", details: { source } },
      ]);
      const { cookie: admin } = await api.login("first@example.test");
      expect((await listen({ cookie: admin, headers: { "if-none-match": headers.get("etag")! } })).status).toBe(304);
      const shown = (await (await api.request("/api/v1/audit?perPage=1")).json()) as { data: unknown[] };
      expect(shown.data).toMatchObject([{ actor: "first@example.test", action: "call.recording.listen", subject: "heard" }]);
      expect((await heard(api.tenants.second)).filter(of("heard"))).toEqual([]);
    });

    test("is not handed over where the entry cannot be written", async () => {
      const unavailable = new EarshotError("unavailable", "database_unavailable", "The relational database does not answer.");
      const once = vi.spyOn(api.directory, "auditOnce").mockRejectedValueOnce(unavailable);
      try {
        const answer = await api.request(path, { headers: { range: "bytes=0-9" } });
        expect(answer.status).toBe(503);
        expect(answer.headers.get("content-disposition")).toBeNull();
        expect(await errorOf(answer)).toMatchObject({ code: "database_unavailable" });
      } finally {
        once.mockRestore();
      }
    });
  });

  test("that is not there says why", async () => {
    expect(await errorOf(await api.request("/api/v1/calls/call-1/recording"))).toMatchObject({ code: "recording_not_there" });
    expect(await errorOf(await api.request("/api/v1/calls/none/recording"))).toMatchObject({ code: "call_unknown" });
  });
});

describe("the server", () => {
  test("describes itself", async () => {
    const description = (await (await api.request("/api/docs/json", { key: null })).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { responses?: object }>>;
    };
    expect(description.openapi).toMatch(/^3\.1/);
    for (const path of ["/api/v1/calls", "/api/v1/calls/{id}", "/api/v1/calls/{id}/recording", "/api/v1/session", "/api/v1/trunks/{id}"])
      expect(description.paths, path).toHaveProperty([path]);
    for (const [path, methods] of Object.entries(description.paths))
      for (const [method, operation] of Object.entries(methods)) expect(operation.responses, `${method} ${path}`).toBeDefined();
    const references = JSON.stringify(description).match(/"\$ref":"#\/[^"]+"/g) ?? [];
    for (const reference of references) {
      const steps = reference.slice(10, -1).split("/");
      let target: unknown = description;
      for (const step of steps) target = (target as Record<string, unknown>)?.[step];
      expect(target, reference).toBeDefined();
    }
    expect((await api.request("/api/docs", { key: null })).status).toBe(200);
  });

  test("serves the pages: hashed assets for ever, the page fresh, every path of the app", async () => {
    const page = await api.request("/", { key: null });
    expect(page.status).toBe(200);
    expect(page.headers.get("cache-control")).toBe("no-cache");
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await (await api.request("/live/some-call?t=3", { key: null })).text()).toContain("<title>Earshot</title>");
    const asset = await api.request("/assets/app-1a2b3c.js", { key: null });
    expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(asset.headers.get("content-type")).toContain("javascript");
    await writeFile(join(pages, "assets", "later-9f8e.js"), "export {};");
    expect((await api.request("/assets/later-9f8e.js", { key: null })).status).toBe(200);
    for (const path of ["/assets/gone-000.js", "/assets/app-1a2b3c.js.map", "/favicon.ico", "/api/v1/nothing", "/api/nothing"])
      expect((await api.request(path)).status, path).toBe(404);
    for (const path of ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fetc/passwd", "/..%5c..%5cetc/passwd"])
      expect(await (await api.request(path, { key: null })).text(), path).not.toContain("root:");
  });

  test("health, readiness, metrics", async () => {
    expect(await (await api.request("/healthz", { key: null })).json()).toEqual({ status: "ok" });
    expect((await api.request("/readyz", { key: null })).status).toBe(200);
    expect(await (await api.request("/metrics", { key: null })).text()).toContain("earshot_http_request_seconds_count");
  });

  test("a proxy's word counts only as far as it is trusted; metrics behind one need a key", async () => {
    const told = { "x-forwarded-for": "127.0.0.1, 203.0.113.9", forwarded: "for=127.0.0.1", "x-real-ip": "127.0.0.1" };
    for (const [name, value] of Object.entries(told))
      expect((await api.request("/metrics", { key: null, headers: { [name]: value } })).status, name).toBe(401);
    expect((await api.request("/metrics", { headers: { "x-forwarded-for": "203.0.113.9" } })).status).toBe(200);
    const behind = await startTestApi({ settings: { trustProxy: 1, loginsPerMinute: 1 } });
    try {
      const login = (forwarded: string, email = "first@example.test") =>
        behind.request("/api/v1/session", {
          method: "POST",
          key: null,
          headers: { "x-forwarded-for": forwarded },
          json: { email, password: "wrong" },
        });
      expect((await login("10.1.1.1, 203.0.113.9")).status).toBe(401);
      expect((await login("10.1.1.2, 203.0.113.9")).status).toBe(429);
      expect((await login("203.0.113.10")).status).toBe(401);
      const { cookie } = await behind.login("admin@localhost", behind.oneTimePassword);
      const metrics = await behind.request("/metrics", { cookie, headers: { "x-forwarded-for": "203.0.113.9" } });
      expect(metrics.status).toBe(403);
      expect(await errorOf(metrics)).toMatchObject({ code: "password_change_required" });
    } finally {
      await behind.stop();
    }
  });

  test.each([
    ["true", 1],
    ["false", 0],
    ["2", 2],
    ["10.0.0.1, 10.1.0.0/16", ["10.0.0.1", "10.1.0.0/16"]],
    ["the proxy", undefined],
    ["-1", undefined],
  ])("EARSHOT_TRUST_PROXY=%s", (text, value) => {
    const { values, faults } = readSettings({ api: apiSettings }, { EARSHOT_TRUST_PROXY: text });
    if (value === undefined) expect(faults).toMatchObject([{ env: "EARSHOT_TRUST_PROXY" }]);
    else expect(values.api.trustProxy).toEqual(value);
  });

  test("hostile input is refused, not fatal", async () => {
    const login = (body: string, type = "application/json") =>
      api.request("/api/v1/session", { method: "POST", key: null, headers: { "content-type": type }, body });
    expect((await login("{")).status).toBe(400);
    expect((await login("[]")).status).toBe(400);
    expect((await login('{"email":{"$gt":""},"password":"x"}')).status).toBe(400);
    expect((await login('{"__proto__":{"admin":true},"email":"first@example.test","password":"x"}')).status).toBeGreaterThanOrEqual(400);
    expect((await login("<x/>", "application/xml")).status).toBe(415);
    expect((await login(JSON.stringify({ email: "first@example.test", password: "x".repeat(2_000_000) }))).status).toBe(413);
    for (const path of ["/api/v1/calls/%00", `/api/v1/calls/${"x".repeat(5000)}`, "/api/v1/calls/%E0%A4%A", "/api/v1/calls/..%2f..%2f"]) {
      const { status } = await api.request(path);
      expect(status, path).toBeGreaterThanOrEqual(400);
      expect(status, path).toBeLessThan(500);
    }
    const named = await api.request("/api/v1/extensions", { method: "POST", json: { number: "9", agentName: "\u0000" } });
    expect(named.status).toBe(400);
    expect((await api.request("/healthz", { key: null })).status).toBe(200);
  });
});

test("too many requests are answered 429, and only from the API", async () => {
  const limited = await startTestApi({ settings: { requestsPerMinute: 10 } });
  try {
    const answers = await Promise.all(Array.from({ length: 15 }, () => limited.request("/api/v1/tenant")));
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(5);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(await errorOf(refused)).toMatchObject({ code: "too_many_requests", category: "rate_limited" });
    expect(refused.headers.has("retry-after")).toBe(true);
    expect((await limited.request("/healthz", { key: null })).status).toBe(200);
    expect(await (await limited.request("/", { key: null })).json()).toMatchObject({ error: { code: "no_such_path" } });
  } finally {
    await limited.stop();
  }
});
