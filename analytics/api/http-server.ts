/** The web server: pages, API, documentation, health and metrics on one port; the live socket is attached to it. */
import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import { apiError } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import cookie from "@fastify/cookie";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import Fastify from "fastify";
import { jsonSchemaTransform, serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { trustsProxy } from "../access/client-address.ts";
import { controlAccess } from "./access-control.ts";
import type { Api, ApiContext } from "./context.ts";
import { errorAnswers } from "./error-answers.ts";
import { administrationRoutes } from "./routes/administration.ts";
import { callCommandRoutes } from "./routes/call-commands.ts";
import { callRoutes } from "./routes/calls.ts";
import { extensionImportRoutes } from "./routes/extension-import.ts";
import { healthRoutes } from "./routes/health.ts";
import { pageRoutes } from "./routes/pages.ts";
import { queueRoutes } from "./routes/queue.ts";
import { recordingRoutes } from "./routes/recording.ts";
import { sessionRoutes } from "./routes/session.ts";
import { settingListRoutes } from "./routes/setting-lists.ts";

/** Everything of the app comes from its own address; the live socket too (`'self'` covers ws: and wss: of the same host). */
const contentSecurityPolicy = {
  directives: {
    defaultSrc: ["'self'"],
    baseUri: ["'self'"],
    connectSrc: ["'self'"],
    fontSrc: ["'self'", "data:"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    imgSrc: ["'self'", "data:", "blob:"],
    mediaSrc: ["'self'", "blob:"],
    objectSrc: ["'none'"],
    scriptSrc: ["'self'"],
    scriptSrcAttr: ["'none'"],
    // The component library writes its styles into the page.
    styleSrc: ["'self'", "'unsafe-inline'"],
    workerSrc: ["'self'", "blob:"],
    upgradeInsecureRequests: null,
  },
};

/** @returns the server, not yet listening; `inject` works on it */
export async function buildApi(context: ApiContext): Promise<Api> {
  const { settings, log, metrics } = context;
  const api = Fastify({
    logger: false,
    bodyLimit: settings.bodyBytes,
    requestTimeout: settings.requestSeconds * 1000,
    // Slow headers are cut off earlier than slow bodies.
    http: { headersTimeout: Math.min(10_000, settings.requestSeconds * 1000) },
    trustProxy: settings.trustProxy === 0 ? false : trustsProxy(settings.trustProxy),
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>() as unknown as Api;
  api.setValidatorCompiler(validatorCompiler);
  api.setSerializerCompiler(serializerCompiler);
  api.setErrorHandler(errorAnswers(log));

  const seconds = metrics.histogram(
    "earshot_http_request_seconds",
    "Time from a request to its answer",
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    ["method", "route", "status"],
  );
  api.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unknown";
    const method = request.method;
    const status = String(reply.statusCode);
    seconds.observe({ method, route, status }, reply.elapsedTime / 1000);
    if (!route.startsWith("/api/")) return;
    // The route, not the address that was asked for: that may carry words and numbers people searched for.
    const fields = {
      requestId: request.id,
      method,
      route,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      tenantId: request.identity?.tenant.id,
    };
    log.debug(fields, "Request answered");
  });

  await api.register(helmet, {
    contentSecurityPolicy,
    strictTransportSecurity: settings.trustProxy !== 0,
    crossOriginEmbedderPolicy: false,
    referrerPolicy: { policy: "same-origin" },
  });
  await api.register(cookie);
  await api.register(rateLimit, {
    global: true,
    max: settings.requestsPerMinute,
    timeWindow: 60_000,
    cache: 20_000,
    allowList: (request) => !request.url.startsWith("/api/"),
    errorResponseBuilder: (_request, limit) =>
      new EarshotError("rate_limited", "too_many_requests", "Too many requests from this address.", {
        remedy: "Wait a moment.",
        retryAfterMs: limit.ttl,
      }),
  });
  await api.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Earshot", version: context.statusFacts().version, description: "Live call analytics: calls, words, settings." },
      components: {
        securitySchemes: {
          apiKey: { type: "http", scheme: "bearer" },
          session: { type: "apiKey", in: "cookie", name: "earshot_session" },
        },
      },
      security: [{ apiKey: [] }, { session: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await api.register(swaggerUi, { routePrefix: "/api/docs", staticCSP: true });

  await api.register(async (plain) => healthRoutes(plain as unknown as Api, context));
  await api.register(
    async (scope) => {
      const v1 = scope as unknown as Api;
      // Every route may answer with an error; said once.
      v1.addHook("onRoute", (route) => {
        route.schema = {
          ...route.schema,
          response: { ...(route.schema?.response as object | undefined), "4xx": apiError, "5xx": apiError },
        };
        route.onSend = [
          async (_request, reply, payload) => {
            if (!reply.hasHeader("cache-control")) void reply.header("cache-control", "no-store");
            return payload;
          },
        ];
      });
      controlAccess(v1, context);
      sessionRoutes(v1, context);
      callRoutes(v1, context);
      recordingRoutes(v1, context);
      callCommandRoutes(v1, context);
      settingListRoutes(v1, context);
      extensionImportRoutes(v1, context);
      administrationRoutes(v1, context);
      queueRoutes(v1, context);
    },
    { prefix: "/api/v1" },
  );
  await pageRoutes(api, context);
  context.liveHub.attach(api.server);
  return api;
}

/** Listens on the configured port between start and stop. */
export class HttpServer implements Component {
  readonly name = "http";
  readonly #context: ApiContext;
  #api: Api | undefined;

  constructor(context: ApiContext) {
    this.#context = context;
  }

  /** Where it listens; undefined before `start`. */
  get address(): AddressInfo | undefined {
    const address = this.#api?.server.address();
    return typeof address === "object" && address !== null ? address : undefined;
  }

  async start(): Promise<void> {
    const { settings } = this.#context;
    const api = await buildApi(this.#context);
    try {
      await api.listen({ port: settings.httpPort, host: settings.httpHost });
    } catch (cause) {
      await api.close();
      throw new EarshotError("unavailable", "http_port_unavailable", `Port ${settings.httpPort} cannot be bound.`, {
        remedy: "Stop what uses it, or set EARSHOT_HTTP_PORT to another.",
        details: { host: settings.httpHost, port: settings.httpPort, reason: (cause as NodeJS.ErrnoException).code },
        cause,
      });
    }
    this.#api = api;
  }

  async stop(_deadlineMs: number): Promise<void> {
    const api = this.#api;
    this.#api = undefined;
    await api?.close();
  }
}
