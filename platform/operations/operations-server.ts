/** /healthz (alive), /readyz (serves, and what is degraded) and /metrics of one process, for probes and Prometheus. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Log } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { type PartHealth, readinessOf } from "./health.ts";
import type { OperationsSettings } from "./settings.ts";

export type OperationsServerOptions = {
  readonly settings: OperationsSettings;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly role: string;
  readonly version: string;
  /** Asked at each /readyz. */
  readonly health: () => readonly PartHealth[];
};

export type OperationsServer = Component & {
  /** Where it listens; undefined before `start`. */
  readonly address: AddressInfo | undefined;
};

/** A probe or a scraper says little and is answered at once: who takes longer is not one. */
const requestTimeoutMs = 5000;

/**
 * It is started first and stopped last, so that a probe learns of a start that hangs and of a drain that goes on.
 * @throws EarshotError unavailable from `start` where the port cannot be bound
 */
export function createOperationsServer(options: OperationsServerOptions): OperationsServer {
  const { settings, metrics, log, role, version } = options;
  let server: Server | undefined;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const json = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify(body));
    };
    if (request.method !== "GET" && request.method !== "HEAD") return json(405, { error: "Only GET." });
    switch (request.url?.split("?")[0]) {
      case "/healthz":
        return json(200, { status: "ok", role, version });
      case "/readyz": {
        const readiness = readinessOf(options.health());
        return json(readiness.ready ? 200 : 503, { ...readiness, role, version });
      }
      case "/metrics":
        response.writeHead(200, { "content-type": metrics.registry.contentType }).end(await metrics.expose());
        return;
      default:
        return json(404, { error: "There are /healthz, /readyz and /metrics." });
    }
  };

  return {
    name: "operations",
    get address() {
      const address = server?.address();
      return typeof address === "object" && address !== null ? address : undefined;
    },
    async start() {
      const starting = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs }, (request, response) => {
        answer(request, response).catch((error: unknown) => {
          log.error({ err: error }, "a question of operations could not be answered");
          if (!response.headersSent) response.writeHead(500);
          response.end();
        });
      });
      try {
        starting.listen(settings.operationsPort, settings.operationsHost);
        await once(starting, "listening");
      } catch (cause) {
        throw new EarshotError("unavailable", "operations_port_unavailable", `Port ${settings.operationsPort} cannot be bound.`, {
          remedy: "Stop what uses it, or set EARSHOT_OPERATIONS_PORT to another (0 takes a free one).",
          details: { host: settings.operationsHost, port: settings.operationsPort, reason: (cause as NodeJS.ErrnoException).code },
          cause,
        });
      }
      server = starting;
    },
    async stop() {
      const stopping = server;
      server = undefined;
      if (stopping === undefined) return;
      const closed = once(stopping, "close");
      stopping.close();
      stopping.closeAllConnections();
      await closed;
    },
  };
}
