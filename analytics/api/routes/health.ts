/**
 * /healthz: the process answers. /readyz: it takes calls and requests. /metrics: Prometheus; from this machine, or with an API key
 * (a scraper on another machine sends `Authorization: Bearer`).
 */
import { EarshotError } from "@earshot/proto/errors.ts";
import { isOfThisMachine } from "../../access/client-address.ts";
import { bearerOf, cookieOf, identify } from "../../access/identity.ts";
import type { Api, ApiContext } from "../context.ts";

export function healthRoutes(api: Api, context: ApiContext): void {
  const hidden = { hide: true };
  const anyone = { access: "anyone" as const };
  api.get("/healthz", { config: anyone, schema: hidden }, async () => ({ status: "ok" }));
  api.get("/readyz", { config: anyone, schema: hidden }, async (_request, reply) => {
    const { ready, reasons } = context.readiness();
    return reply.status(ready ? 200 : 503).send({ ready, reasons });
  });
  api.get("/metrics", { config: anyone, schema: hidden }, async (request, reply) => {
    if (!isOfThisMachine(request.raw)) {
      const identity = await identify(context.directory, { bearer: bearerOf(request.headers), cookie: cookieOf(request.headers) });
      if (identity === undefined || identity.role === "supervisor")
        throw new EarshotError("unauthenticated", "metrics_need_key", "Metrics are for this machine, or for an API key.", {
          remedy: "Send Authorization: Bearer with an API key.",
        });
    }
    return reply.type(context.metrics.registry.contentType).send(await context.metrics.expose());
  });
}
