/**
 * The REST and live contract of `proto/api`, spoken by a small server with scripted calls: for working on the pages without the
 * product, and for their tests. Run: `node admin-ui/dev/fake-api.ts [port]`. Serves `admin-ui/dist` too when it is built.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { listAnswer } from "./fake-call-list.ts";
import { badLine, billing, ledgerOf, service } from "./fake-calls.ts";
import { page, wave } from "./fake-files.ts";
import { FakeLive, type FakeLiveOptions } from "./fake-live.ts";
import { type FakeSettings, fakeSettings, settingsAnswer } from "./fake-settings.ts";
import { acceptWebSocket } from "./fake-socket.ts";
import { servicesAnswer, statusAnswer } from "./fake-status.ts";

export interface FakeApiOptions extends FakeLiveOptions {
  /** The built pages; elsewhere than `dist` so that a test does not fight with a build that is under way. */
  dist?: string;
  port?: number;
  mustChangePassword?: boolean;
  role?: "supervisor" | "tenant_admin" | "super_admin";
}

export interface FakeApi {
  url: string;
  /** Cuts every live connection, as a bad network would. */
  cutConnections(): void;
  /** Refuses new live connections while true. */
  refuseLive: boolean;
  /** Everybody must sign in again, as when the session's time is over; connections that are up stay. */
  endSessions(): void;
  placed: string[];
  stop(): Promise<void>;
}

export async function startFakeApi(options: FakeApiOptions = {}): Promise<FakeApi> {
  const dist = options.dist ?? process.env.EARSHOT_UI_DIST ?? join(import.meta.dirname, "../dist");
  const settings: FakeSettings = fakeSettings();
  const live = new FakeLive(options);
  let mustChange = options.mustChangePassword ?? false;
  let cookie = 1;
  const signedIn = (request: IncomingMessage) => (request.headers.cookie ?? "").includes(`fake=${cookie}`);
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://fake");
    const method = request.method ?? "GET";
    const json = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(body === undefined ? "" : JSON.stringify(body));
    };
    const fail = (status: number, code: string, message: string, remedy: string) =>
      json(status, { error: { code, category: "invalid_request", message, remedy, requestId: "fake" } });
    if (!url.pathname.startsWith("/api/v1/")) return page(dist, url.pathname, response);
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = text !== "" && request.headers["content-type"]?.includes("json") ? (JSON.parse(text) as Record<string, unknown>) : {};
    const path = url.pathname.slice("/api/v1/".length).split("/").map(decodeURIComponent);
    const session = {
      user: { id: "user-1", email: "admin@localhost", name: "Ada Kessler", role: options.role ?? "tenant_admin" },
      tenant: { id: "tenant-1", name: settings.tenant.name, timezone: settings.tenant.timezone },
      mustChangePassword: mustChange,
    };
    if (path[0] === "session") {
      if (path[1] === "password") {
        if (body.current !== "secret") return fail(403, "wrong_password", "The password until now is not right.", "Type it again.");
        mustChange = false;
        return json(204, undefined);
      }
      if (method === "POST")
        return body.password === "secret"
          ? json(200, session, { "set-cookie": `fake=${cookie}; Path=/; HttpOnly; SameSite=Strict` })
          : fail(
              401,
              "wrong_credentials",
              "Email or password is not right.",
              "Type both again; the first start printed the first password.",
            );
      if (method === "DELETE") return json(204, undefined, { "set-cookie": "fake=; Path=/; Max-Age=0" });
    }
    if (!signedIn(request)) return fail(401, "no_session", "You are not signed in.", "Sign in.");
    if (path[0] === "session") return json(200, session);
    if (path[0] === "demo-calls") {
      const call = live.begin(body.scenario === "service" ? service : body.scenario === "bad-line" ? badLine : billing);
      api.placed.push(String(body.scenario ?? ""));
      return json(202, { callId: call.id });
    }
    if (path[0] === "alerts") {
      const alerts = live.liveCalls().flatMap((call) => call.alerts);
      return json(200, { data: alerts, total: alerts.length });
    }
    if (path[0] === "services") return json(200, servicesAnswer());
    if (path[0] === "status") return json(200, statusAnswer(live.liveCalls().length, options.speechUsable ?? true));
    if (path[0] === "calls") {
      const listed = listAnswer(live.allCalls(), path[1], url.searchParams);
      if (listed !== undefined) return json(200, listed);
      const call = live.call(path[1] ?? "");
      if (call === undefined) return fail(404, "call_not_found", "There is no such call.", "Look for it in the list.");
      if (path[2] === undefined) return json(200, call);
      if (path[2] === "transcript") return json(200, { data: live.transcript(call.id) });
      if (path[2] === "ledger") return json(200, { data: ledgerOf(call) });
      if (path[2] === "recording") return wave(response, request, call.durationMs ?? 1000);
      if (path[2] === "pause" || path[2] === "resume") {
        if (!live.isUp(call.id)) return fail(409, "call_not_live", "The call has ended.", "Only a call that is up can be paused.");
        live.pause(call.id, path[2] === "pause");
        return json(202, { callId: call.id });
      }
      if (path[2] === "stop") {
        if (!live.isUp(call.id)) return fail(409, "call_not_live", "The call has ended.", "Only a call that is up can be stopped.");
        live.stopCall(call.id);
        return json(202, { callId: call.id });
      }
      if (path[2] === "speakers") {
        live.setSpeakers(call.id, body.legs as { index: number; speaker: string }[]);
        return json(202, call);
      }
    }
    return settingsAnswer(settings, { path, method, body, text, query: url.searchParams }, json, fail);
  };

  const server: Server = createServer((request, response) => void handle(request, response));
  server.on("upgrade", (request, stream) => {
    if (api.refuseLive || !signedIn(request)) return void stream.destroy();
    live.accept(acceptWebSocket(request, stream));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const api: FakeApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refuseLive: false,
    placed: [],
    endSessions() {
      cookie += 1;
    },
    cutConnections: () => live.cutConnections(),
    async stop() {
      live.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  const api = await startFakeApi({ port: Number(process.argv[2] ?? 0), keepUp: true });
  process.stdout.write(`fake API at ${api.url}; sign in as admin@localhost, password "secret"\n`);
}
