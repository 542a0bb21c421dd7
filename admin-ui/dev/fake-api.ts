/**
 * The REST and live contract of `proto/api`, spoken by a small server with scripted calls: for working on the pages without the
 * product, and for their tests. Run: `node admin-ui/dev/fake-api.ts [port]`. Serves `admin-ui/dist` too when it is built.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { CallDetail, Termination } from "@earshot/proto/api/calls.ts";
import type { LiveCall, LiveEvent } from "@earshot/proto/api/live.ts";
import { listAnswer } from "./fake-call-list.ts";
import {
  badLine,
  billing,
  chance,
  ledgerOf,
  lineAt,
  makeCall,
  measure,
  type ScriptedCall,
  scripted,
  scripts,
  service,
} from "./fake-calls.ts";
import { flipCall, flipSegment, withoutUnheard } from "./fake-commands.ts";
import { page, tone, wave } from "./fake-files.ts";
import { type FakeSettings, fakeSettings, settingsAnswer } from "./fake-settings.ts";
import { acceptWebSocket, type FakeSocket } from "./fake-socket.ts";

export interface FakeApiOptions {
  /** The built pages; elsewhere than `dist` so that a test does not fight with a build that is under way. */
  dist?: string;
  port?: number;
  /** Live calls that are up from the start. */
  liveCalls?: number;
  /** Calls of the past. */
  pastCalls?: number;
  /** A call that ends is followed by another. */
  keepUp?: boolean;
  /** How fast scripted time goes. */
  speed?: number;
  mustChangePassword?: boolean;
  /** The recording of a call that has ended is put together for so long. */
  recordingTakesMs?: number;
  speechUsable?: boolean;
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

interface Up {
  call: CallDetail & LiveCall;
  whole: ScriptedCall;
  startedAt: number;
  /** Epoch ms since which the recording is paused. */
  pausedAt: number | null;
  told: Map<string, number>;
}

const commandTakesMs = 300;

export async function startFakeApi(options: FakeApiOptions = {}): Promise<FakeApi> {
  const speed = options.speed ?? 1;
  const dist = options.dist ?? process.env.EARSHOT_UI_DIST ?? join(import.meta.dirname, "../dist");
  const settings: FakeSettings = fakeSettings();
  let mustChange = options.mustChangePassword ?? false;
  const past: (CallDetail & LiveCall)[] = Array.from({ length: options.pastCalls ?? 140 }, (_, index) => {
    const startedAt = Date.now() - 3_600_000 * (1 + index * 3.7 + chance(index) * 3);
    return makeCall(`call-${1000 + index}`, index, startedAt, scripts[index % 3] ?? billing, null);
  });
  const up = new Map<string, Up>();
  const sockets = new Map<FakeSocket, { listening: string | null; at: number }>();
  /** Calls whose agent and caller were swapped. */
  const swapped = new Set<string>();
  let cookie = 1;
  let cursor = 1;
  let serial = 0;
  const place = (script: (typeof scripts)[number], aheadMs: number) => {
    serial += 1;
    const id = `live-${serial}`;
    const startedAt = Date.now() - aheadMs / speed;
    const call = makeCall(id, serial, startedAt, script, aheadMs);
    call.lineQuality = call.lineQuality.slice(-2);
    up.set(id, {
      call,
      whole: scripted(id, script),
      startedAt,
      pausedAt: null,
      told: new Map(
        call.lastWords === null
          ? []
          : scripted(id, script)
              .segments.filter((segment) => segment.endMs <= aheadMs)
              .map((segment) => [segment.segmentId, 99]),
      ),
    });
    return up.get(id) as Up;
  };
  for (let index = 0; index < (options.liveCalls ?? 7); index += 1)
    place(scripts[index % 3] ?? billing, index < 3 ? 26_000 - index * 7000 : chance(index) * 30_000);

  const broadcast = (events: LiveEvent[]) => {
    if (events.length === 0) return;
    cursor += 1;
    const text = JSON.stringify({ type: "batch", cursor: String(cursor), events });
    for (const socket of sockets.keys()) socket.send(text);
  };

  const endCall = (id: string, entry: Up, termination: Termination): LiveEvent => {
    up.delete(id);
    const ended = makeCall(id, Number(id.split("-")[1]), entry.startedAt, entry.whole.script, null);
    if (swapped.has(id)) flipCall(ended);
    const whole = { ...ended, termination };
    const takesMs = options.recordingTakesMs ?? 0;
    past.unshift(takesMs === 0 ? whole : { ...whole, recording: null, stages: ["running", "done", "done", "running", "running"] });
    if (takesMs > 0)
      setTimeout(
        () =>
          past.splice(
            past.findIndex((call) => call.id === id),
            1,
            whole,
          ),
        takesMs,
      );
    return { type: "call.ended", callId: id, endedAt: new Date().toISOString(), termination, detail: "" };
  };

  const tick = () => {
    const events: LiveEvent[] = [];
    for (const [id, entry] of up) {
      const now = (Date.now() - entry.startedAt) * speed;
      if (entry.pausedAt !== null)
        entry.whole.segments = withoutUnheard(entry.whole.segments, (entry.pausedAt - entry.startedAt) * speed, now);
      for (const segment of entry.whole.segments) {
        if (segment.startMs > now) break;
        const heard = segment.words.filter((word) => word.endMs <= now).length;
        if (entry.told.get(segment.segmentId) === 99) continue;
        if (now >= segment.endMs + 400) {
          entry.told.set(segment.segmentId, 99);
          entry.call.lastWords = { speaker: segment.speaker, text: segment.text, final: true };
          events.push({ type: "transcript.final", callId: id, segment: { ...segment, sentiment: null } });
          events.push({
            type: "sentiment",
            callId: id,
            segmentId: segment.segmentId,
            speaker: segment.speaker,
            startMs: segment.startMs,
            score: segment.sentiment ?? 0,
            trend: 0,
          });
          const fresh = makeCall(id, Number(id.split("-")[1]), entry.startedAt, entry.whole.script, segment.endMs + 1);
          if (swapped.has(id)) flipCall(fresh);
          entry.call.sentimentCurve = fresh.sentimentCurve;
          if (fresh.attention !== entry.call.attention) {
            Object.assign(entry.call, { attention: fresh.attention, attentionReasons: fresh.attentionReasons });
            events.push({
              type: "attention",
              callId: id,
              attention: { score: fresh.attention, reasons: fresh.attentionReasons, version: "1" },
            });
          }
          for (const alert of fresh.alerts.slice(entry.call.alerts.length))
            events.push({ type: "alert", callId: id, alert: { ...alert, raisedAt: new Date().toISOString() } });
          entry.call.alerts = fresh.alerts;
          entry.call.alertCount = fresh.alerts.length;
        } else if (heard > (entry.told.get(segment.segmentId) ?? 0)) {
          entry.told.set(segment.segmentId, heard);
          const text = segment.words
            .slice(0, heard)
            .map((word) => word.text)
            .join(" ");
          events.push({
            type: "transcript.partial",
            callId: id,
            segment: { ...segment, text, words: [], final: false, revision: heard, sentiment: null, endMs: Math.round(now) },
          });
        }
      }
      if (Math.floor(now / 1000) !== Math.floor((now - 250 * speed) / 1000)) {
        entry.call.conversation = measure(
          entry.whole.segments
            .filter((segment) => segment.startMs < now)
            .map((segment) => ({ ...segment, endMs: Math.min(segment.endMs, now) })),
          now,
        );
        events.push({ type: "metrics", callId: id, conversation: entry.call.conversation });
      }
      if (Math.floor(now / 5000) !== Math.floor((now - 250 * speed) / 5000)) {
        for (const leg of [0, 1]) {
          const line = lineAt(leg, Math.floor(now / 5000) * 5000 - 5000, entry.whole.script === badLine);
          entry.call.lineQuality = [...entry.call.lineQuality.filter((each) => each.leg !== leg), line];
          events.push({ type: "line-quality", callId: id, lineQuality: line });
        }
      }
      if (now > entry.whole.durationMs) {
        events.push(endCall(id, entry, "bye"));
        if (options.keepUp) events.push({ type: "call.started", call: place(entry.whole.script, 0).call });
      }
    }
    broadcast(events);
  };
  const timer = setInterval(tick, 250);
  const audioTimer = setInterval(() => {
    for (const [socket, state] of sockets) {
      if (state.listening === null) continue;
      socket.send(tone(state.listening, state.at));
      state.at += 100;
    }
  }, 100);

  const detail = (id: string): (CallDetail & LiveCall) | undefined => up.get(id)?.call ?? past.find((call) => call.id === id);
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
      const script = body.scenario === "service" ? service : body.scenario === "bad-line" ? badLine : billing;
      const entry = place(script, 0);
      api.placed.push(String(body.scenario ?? ""));
      broadcast([{ type: "call.started", call: entry.call }]);
      return json(202, { callId: entry.call.id });
    }
    if (path[0] === "alerts") {
      const alerts = [...up.values()].flatMap((entry) => entry.call.alerts);
      return json(200, { data: alerts, total: alerts.length });
    }
    if (path[0] === "services") {
      const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
      const late = [{ part: "speech engine", state: "degraded", detail: "an utterance has waited 12 s for its words" }];
      const one = (name: string, instance: string, state: string, heardMs = 1000, reasons: unknown[] = []) => {
        return { service: name, instance, version: "0.1.0", startedAt: ago(5_000_000), heardAt: ago(heardMs), state, reasons };
      };
      const data = [
        one("analytics-api", "console-1/41", "up"),
        one("analytics-ingest", "ingest-1/17", "up"),
        one("media-pipeline", "worker-1/23", "degraded", 1000, late),
        one("media-pipeline", "worker-2/22", "gone", 240_000),
        one("sip-gateway", "gateway-1/9", "up"),
      ];
      return json(200, { data, total: data.length });
    }
    if (path[0] === "status") {
      return json(200, {
        version: "0.1.0",
        startedAt: new Date(Date.now() - 5_000_000).toISOString(),
        ready: true,
        adapters: {
          "event log": "embedded",
          "column store": "chdb",
          "directory store": "embedded PostgreSQL",
          "object store": "file",
          signalling: "embedded",
        },
        addresses: {
          web: "http://192.0.2.14:8080",
          "sip/udp": "192.0.2.14:5060",
          "sip/tcp": "192.0.2.14:5060",
          rtp: "192.0.2.14:20000-20999",
        },
        speech: speech(options.speechUsable ?? true),
        demo: {
          available: true,
          scenarios: [
            { id: "billing", title: "Billing dispute", seconds: 74 },
            { id: "service", title: "Moving house", seconds: 31 },
            { id: "bad-line", title: "A PBX with a codec that will not connect", seconds: 24 },
          ],
        },
        liveCalls: up.size,
      });
    }
    if (path[0] === "calls") {
      const listed = listAnswer([...[...up.values()].map((entry) => entry.call), ...past], path[1], url.searchParams);
      if (listed !== undefined) return json(200, listed);
      const call = detail(path[1] ?? "");
      if (call === undefined) return fail(404, "call_not_found", "There is no such call.", "Look for it in the list.");
      if (path[2] === undefined) return json(200, call);
      if (path[2] === "transcript") {
        const entry = up.get(call.id);
        const now = entry === undefined ? Number.POSITIVE_INFINITY : (Date.now() - entry.startedAt) * speed;
        const turns = (call.conversation?.agentTurns ?? 0) + (call.conversation?.callerTurns ?? 0);
        const told = scripted(call.id, scripts.find((each) => each.length === turns) ?? billing).segments;
        const segments = entry?.whole.segments ?? (swapped.has(call.id) ? told.map(flipSegment) : told);
        return json(200, { data: segments.filter((segment) => segment.endMs + 400 <= now) });
      }
      if (path[2] === "ledger") return json(200, { data: ledgerOf(call) });
      if (path[2] === "recording") return wave(response, request, call.durationMs ?? 1000);
      // Commands are taken at once and done a moment later, as the gateway and the stores behind the product do.
      const later = (change: () => void) =>
        setTimeout(() => {
          change();
          if (up.has(call.id)) broadcast([{ type: "call.updated", callId: call.id, call }]);
        }, commandTakesMs);
      if (path[2] === "pause" || path[2] === "resume") {
        if (!up.has(call.id)) return fail(409, "call_not_live", "The call has ended.", "Only a call that is up can be paused.");
        later(() => {
          const entry = up.get(call.id);
          call.recordingPaused = path[2] === "pause";
          if (entry !== undefined) entry.pausedAt = call.recordingPaused ? Date.now() : null;
        });
        return json(202, { callId: call.id });
      }
      if (path[2] === "stop") {
        const entry = up.get(call.id);
        if (entry === undefined) return fail(409, "call_not_live", "The call has ended.", "Only a call that is up can be stopped.");
        setTimeout(() => up.has(call.id) && broadcast([endCall(call.id, entry, "stopped")]), commandTakesMs);
        return json(202, { callId: call.id });
      }
      if (path[2] === "speakers") {
        const wanted = body.legs as { index: number; speaker: string }[];
        later(() => {
          if (wanted.every(({ index, speaker }) => call.legs[index]?.speaker === speaker)) return;
          flipCall(call);
          if (!swapped.delete(call.id)) swapped.add(call.id);
          const entry = up.get(call.id);
          if (entry !== undefined) entry.whole.segments = entry.whole.segments.map(flipSegment);
        });
        return json(202, call);
      }
    }
    return settingsAnswer(settings, { path, method, body, text, query: url.searchParams }, json, fail);
  };

  const server: Server = createServer((request, response) => void handle(request, response));
  server.on("upgrade", (request, stream) => {
    if (api.refuseLive || !signedIn(request)) return void stream.destroy();
    const socket = acceptWebSocket(request, stream);
    sockets.set(socket, { listening: null, at: 0 });
    socket.onClose = () => sockets.delete(socket);
    const snapshot = () => JSON.stringify({ type: "snapshot", cursor: String(cursor), calls: [...up.values()].map((entry) => entry.call) });
    socket.send(
      JSON.stringify({
        type: "hello",
        tenantId: "tenant-1",
        serverTime: new Date().toISOString(),
        cursor: String(cursor),
        speech: speech(options.speechUsable ?? true),
      }),
    );
    socket.send(snapshot());
    socket.onText = (text) => {
      const message = JSON.parse(text) as { type: string; callId?: string; on?: boolean };
      if (message.type === "ping") socket.send(JSON.stringify({ type: "pong", serverTime: new Date().toISOString() }));
      if (message.type === "listen") {
        const state = sockets.get(socket);
        if (state !== undefined) state.listening = message.on ? (message.callId ?? null) : null;
        socket.send(JSON.stringify({ type: "listening", callId: message.callId, on: message.on, sampleRate: 16_000 }));
      }
    };
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const api: FakeApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refuseLive: false,
    placed: [],
    endSessions() {
      cookie += 1;
    },
    cutConnections() {
      for (const socket of [...sockets.keys()]) socket.close();
    },
    async stop() {
      clearInterval(timer);
      clearInterval(audioTimer);
      for (const socket of [...sockets.keys()]) socket.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}

function speech(usable: boolean) {
  return usable
    ? {
        engine: "pocketsphinx",
        usable,
        reason: "Installed on this machine; nothing may be downloaded and no key is set.",
        remedy: "Set OPENAI_API_KEY for a better one.",
      }
    : {
        engine: "none",
        usable,
        reason: "pocketsphinx is not installed, nothing may be downloaded and no key is set.",
        remedy: "Run “apt install libpocketsphinx3 pocketsphinx-en-us” and restart, or set OPENAI_API_KEY.",
      };
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  const api = await startFakeApi({ port: Number(process.argv[2] ?? 0), keepUp: true });
  process.stdout.write(`fake API at ${api.url}; sign in as admin@localhost, password "secret"\n`);
}
