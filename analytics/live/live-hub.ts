/** The live socket, `GET /api/v1/live`: admits clients, and sends each the calls of its own tenant and no others. */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { SystemStatus } from "@earshot/proto/api/administration.ts";
import { clientMessage, type LiveEvent } from "@earshot/proto/api/live.ts";
import { categories, EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { type WebSocket, WebSocketServer } from "ws";
import { AddressLimit } from "../access/address-limit.ts";
import { clientAddress, type ProxyTrust, type TrustsProxy, trustsProxy } from "../access/client-address.ts";
import { bearerOf, checkOrigin, cookieOf, type Identity, identify } from "../access/identity.ts";
import type { DirectoryStore } from "../store/port.ts";
import type { Listener, Listening } from "./listening.ts";
import type { LiveCalls } from "./live-calls.ts";
import { LiveClient } from "./live-client.ts";
import type { LiveCursors } from "./live-cursor.ts";
import { type LiveCounters, LiveTenant } from "./live-tenant.ts";
import type { EventPlace, Positions } from "./read-positions.ts";
import type { liveSettings } from "./settings.ts";

export const livePath = "/api/v1/live";

/** A client that has no cursor to resume from gets its snapshot after this at the latest. */
const resumeGraceMs = 250;
const heartbeatMs = 30_000;
/** Unsent bytes over which a client's audio is dropped: better a gap than a lag. */
const audioBacklogBytes = 256_000;
const bearerProtocol = "bearer.";

export type LiveHubOptions = {
  calls: LiveCalls;
  /** Asked for once, at the start. */
  cursors: () => Promise<LiveCursors>;
  directory: DirectoryStore;
  listening: Listening;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  settings: SettingsOf<typeof liveSettings>;
  /** Origins beside our own that may use the cookie. */
  publicOrigins: readonly string[];
  /** Proxies before us that say whose request it is; default none. */
  trustProxy?: ProxyTrust;
  speech: () => SystemStatus["speech"];
};

export class LiveHub implements Component {
  readonly name = "live-hub";
  readonly #options: LiveHubOptions;
  readonly #tenants = new Map<string, LiveTenant>();
  readonly #limit: AddressLimit;
  readonly #trustsProxy: TrustsProxy;
  readonly #counters: LiveCounters;
  #cursors: LiveCursors | undefined;
  #server: WebSocketServer | undefined;
  #timers: (() => void)[] = [];

  constructor(options: LiveHubOptions) {
    this.#options = options;
    const { metrics, clock } = options;
    this.#limit = new AddressLimit(clock, options.settings.upgradesPerMinute);
    this.#trustsProxy = trustsProxy(options.trustProxy ?? 0);
    this.#counters = {
      sent: metrics.counter("earshot_live_messages_sent_total", "Batches handed to live sockets"),
      slow: metrics.counter("earshot_live_slow_clients_total", "Times a live socket fell behind and was sent a summary instead of events"),
      cutOff: metrics.counter("earshot_live_clients_cut_off_total", "Live sockets closed because they did not catch up"),
    };
    const gauge = metrics.gauge("earshot_live_clients", "Open live sockets");
    Object.assign(gauge, { collect: () => gauge.set([...this.#tenants.values()].reduce((sum, tenant) => sum + tenant.clients.size, 0)) });
    const kept = metrics.gauge("earshot_live_kept_bytes", "Bytes of recent messages kept for clients that reconnect");
    Object.assign(kept, { collect: () => kept.set([...this.#tenants.values()].reduce((sum, tenant) => sum + tenant.keptBytes, 0)) });
    options.calls.onEvent((tenant, event, place) => this.#take(tenant, event, place));
  }

  async start(): Promise<void> {
    const { clock, settings, cursors } = this.#options;
    this.#cursors = await cursors();
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: settings.clientMessageBytes,
      perMessageDeflate: false,
      clientTracking: false,
      handleProtocols: (protocols) => [...protocols].find((name) => name.startsWith(bearerProtocol)) ?? false,
    });
    this.#timers = [
      clock.every(settings.batchMs, () => {
        for (const tenant of this.#tenants.values()) tenant.tend();
      }),
      clock.every(heartbeatMs, () => this.#heartbeat()),
    ];
  }

  async stop(_deadlineMs: number): Promise<void> {
    for (const cancel of this.#timers) cancel();
    this.#timers = [];
    this.#flush();
    for (const tenant of this.#tenants.values()) for (const client of tenant.clients) client.close(1001, "Earshot is stopping");
    this.#server?.close();
    // Those that do not answer the close are not waited for.
    for (const tenant of this.#tenants.values()) for (const client of tenant.clients) client.cutOff();
    this.#tenants.clear();
  }

  /** Takes over the upgrade requests of the HTTP server; every other path than the live one is refused. */
  attach(server: Server): void {
    server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => socket.destroy());
      this.#admit(request, socket, head).catch((error: unknown) => {
        const known = error instanceof EarshotError ? error : undefined;
        if (known === undefined) this.#options.log.error({ err: error }, "A live socket could not be admitted");
        refuse(socket, known ?? new EarshotError("bug", "internal_error", "Something went wrong on our side."));
      });
    });
  }

  /** Closes the sockets of a session or key that has ended. */
  disconnect(matches: (identity: Identity) => boolean): void {
    for (const tenant of this.#tenants.values())
      for (const client of tenant.clients) if (matches(client.identity)) client.close(4401, "The session has ended");
  }

  async #admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { directory, settings, publicOrigins } = this.#options;
    const waitMs = this.#limit.knock(clientAddress(request, this.#trustsProxy));
    if (waitMs > 0)
      throw new EarshotError("rate_limited", "too_many_requests", "Too many requests from this address.", {
        remedy: "Wait a moment.",
        retryAfterMs: waitMs,
      });
    const path = (request.url ?? "").split("?")[0];
    if (path !== livePath) throw new EarshotError("not_found", "no_such_socket", `The live socket is ${livePath}.`);
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    const inProtocol = offered.find((name) => name.startsWith(bearerProtocol))?.slice(bearerProtocol.length);
    const bearer = bearerOf(request.headers) ?? inProtocol;
    if (bearer === undefined && request.headers.cookie !== undefined) checkOrigin(request.headers, publicOrigins);
    const identity = await identify(directory, { bearer, cookie: cookieOf(request.headers) });
    if (identity === undefined)
      throw new EarshotError("unauthenticated", "login_required", "The live socket needs a session or an API key.", {
        remedy: "Log in, or send Authorization: Bearer.",
      });
    const tenant = this.#tenant(identity.tenant.id);
    if (tenant.clients.size >= settings.clientsPerTenant)
      throw new EarshotError("unavailable", "too_many_live_clients", "Too many live sockets of this tenant are open.", {
        remedy: "Close other windows, or raise EARSHOT_LIVE_CLIENTS.",
        retryAfterMs: 10_000,
      });
    if (this.#server === undefined || socket.destroyed) return void socket.destroy();
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#open(tenant, identity, webSocket, socket));
  }

  #tenant(id: TenantId): LiveTenant {
    let tenant = this.#tenants.get(id);
    if (tenant === undefined) {
      const { clock, settings, calls } = this.#options;
      tenant = new LiveTenant({
        clock,
        settings,
        calls: () => calls.list(id),
        positions: () => calls.positions,
        toldFrom: calls.toldFrom,
        writeCursor: (positions) => this.#cursors!.write(id, positions),
        counters: this.#counters,
      });
      this.#tenants.set(id, tenant);
    }
    return tenant;
  }

  #open(tenant: LiveTenant, identity: Identity, socket: WebSocket, wire: Duplex): void {
    const { clock, settings, speech } = this.#options;
    const client = new LiveClient(identity, socket, wire, settings, clock.monotonicMs());
    tenant.clients.add(client);
    const cancelGrace = clock.after(resumeGraceMs, () => {
      if (!client.streaming && !tenant.awaits(client)) tenant.begin(client);
    });
    const { credential } = identity;
    // setTimeout's own limit is 24.8 days; a session that lives longer is looked at again by then.
    const lifeMs = credential.kind === "session" ? credential.expiresAt.getTime() - clock.now() : Number.POSITIVE_INFINITY;
    const cancelExpiry = clock.after(Math.min(lifeMs, 2_000_000_000), () => client.close(4401, "The session has ended"));
    socket.on("error", () => client.cutOff());
    socket.on("pong", () => {
      client.alive = true;
    });
    socket.on("close", () => {
      cancelGrace();
      cancelExpiry();
      tenant.clients.delete(client);
      for (const callId of [...client.listening.keys()])
        this.#stopListening(client, callId).catch((err) =>
          this.#options.log.warn({ err, callId }, "The end of a listening was not audited"),
        );
    });
    socket.on("message", (data: Buffer, binary: boolean) => {
      if (!client.admitMessage(clock.monotonicMs())) return client.close(1008, "Too many messages");
      this.#answer(tenant, client, binary ? undefined : data.toString("utf8")).catch((error: unknown) => {
        const known = error instanceof EarshotError ? error : undefined;
        if (known === undefined)
          this.#options.log.error({ err: error, tenantId: identity.tenant.id }, "A live message could not be answered");
        const { code, message, remedy } = known ?? { code: "internal_error", message: "Something went wrong on our side.", remedy: "" };
        client.say({ type: "error", code, message, remedy });
      });
    });
    const { engine, usable, reason, remedy } = speech();
    // Whoever resumes from this cursor is told of what comes after it.
    tenant.flush();
    client.say({
      type: "hello",
      tenantId: identity.tenant.id,
      serverTime: new Date(clock.now()).toISOString(),
      cursor: tenant.cursor,
      speech: { engine, usable, reason, remedy },
    });
  }

  async #answer(tenant: LiveTenant, client: LiveClient, text: string | undefined): Promise<void> {
    const { clock } = this.#options;
    const parsed = clientMessage.safeParse(text === undefined ? undefined : parseJson(text));
    if (!parsed.success)
      throw new EarshotError("invalid_request", "message_not_understood", "The message is none of resume, listen and ping.");
    const message = parsed.data;
    if (message.type === "resume") return this.#resume(tenant, client, message.cursor);
    if (!client.streaming && !tenant.awaits(client)) tenant.begin(client);
    if (message.type === "ping") client.say({ type: "pong", serverTime: new Date(clock.now()).toISOString() });
    else await this.#listen(client, message.callId, message.on);
  }

  /** @throws EarshotError `cursor_refused`, after the snapshot from which such a client goes on */
  #resume(tenant: LiveTenant, client: LiveClient, cursor: string): void {
    let seen: Positions;
    try {
      seen = this.#cursors!.read(client.identity.tenant.id, cursor);
    } catch (error) {
      tenant.resume(client, undefined);
      throw error;
    }
    tenant.resume(client, seen);
  }

  async #listen(client: LiveClient, callId: string, on: boolean): Promise<void> {
    const { listening, settings } = this.#options;
    if (!on) {
      await this.#stopListening(client, callId);
      client.say({ type: "listening", callId, on: false });
      return;
    }
    if (!client.listening.has(callId)) {
      if (client.listening.size >= settings.listenedCallsPerClient)
        throw new EarshotError("rate_limited", "too_many_listened", "You listen to too many calls at once.", {
          remedy: "Stop one of them.",
        });
      const listener: Listener = {
        heard: ({ message }) => {
          if (client.unsentBytes <= audioBacklogBytes) client.sendBinary(message);
        },
        ended: () => {
          client.listening.delete(callId);
          client.say({ type: "listening", callId, on: false });
        },
      };
      const ear = await listening.open(client.identity, callId, listener);
      if (!tenantHas(this.#tenants, client)) return ear.close();
      client.listening.set(callId, ear);
    }
    client.say({ type: "listening", callId, on: true });
  }

  async #stopListening(client: LiveClient, callId: string): Promise<void> {
    const ear = client.listening.get(callId);
    client.listening.delete(callId);
    await ear?.close();
  }

  #take(tenantId: TenantId, event: LiveEvent, place: EventPlace): void {
    // Also without clients: the ring is what a client that comes back resumes from.
    this.#tenant(tenantId).add(event, place);
  }

  #flush(): void {
    for (const tenant of this.#tenants.values()) tenant.flush();
  }

  #heartbeat(): void {
    for (const tenant of this.#tenants.values())
      for (const client of tenant.clients) {
        if (client.alive) client.ping();
        else client.cutOff();
      }
  }
}

function tenantHas(tenants: ReadonlyMap<string, LiveTenant>, client: LiveClient): boolean {
  return tenants.get(client.identity.tenant.id)?.clients.has(client) === true;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const reasons: Record<number, string> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  429: "Too Many Requests",
  503: "Service Unavailable",
};

/** An HTTP answer instead of the upgrade. */
function refuse(socket: Duplex, error: EarshotError): void {
  if (socket.destroyed) return;
  const status = categories[error.category].http;
  const body = JSON.stringify({
    error: { code: error.code, category: error.category, message: error.message, remedy: error.remedy, requestId: "" },
  });
  const retry = error.retryAfterMs === undefined ? "" : `Retry-After: ${Math.ceil(error.retryAfterMs / 1000)}\r\n`;
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n${retry}\r\n${body}`,
  );
}
