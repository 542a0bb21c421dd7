/**
 * /healthz: the process answers. /readyz: it takes calls and requests. /metrics: Prometheus; from this machine, or with an API key
 * (a scraper on another machine sends `Authorization: Bearer`).
 */
import { BlockList, isIP } from "node:net";
import { EarshotError } from "@earshot/proto/errors.ts";
import { bearerOf, cookieOf, identify } from "../../access/identity.ts";
import type { Api, ApiContext } from "../context.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

export function healthRoutes(api: Api, context: ApiContext): void {
  const hidden = { hide: true };
  const anyone = { access: "anyone" as const };
  api.get("/healthz", { config: anyone, schema: hidden }, async () => ({ status: "ok" }));
  api.get("/readyz", { config: anyone, schema: hidden }, async (_request, reply) => {
    const { ready, reasons } = context.readiness();
    return reply.status(ready ? 200 : 503).send({ ready, reasons });
  });
  api.get("/metrics", { config: anyone, schema: hidden }, async (request, reply) => {
    if (!isLoopback(request.ip)) {
      const identity = await identify(context.directory, { bearer: bearerOf(request.headers), cookie: cookieOf(request.headers) });
      if (identity === undefined || identity.role === "supervisor")
        throw new EarshotError("unauthenticated", "metrics_need_key", "Metrics are for this machine, or for an API key.", {
          remedy: "Send Authorization: Bearer with an API key.",
        });
    }
    return reply.type(context.metrics.registry.contentType).send(await context.metrics.expose());
  });
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/, "");
  return loopback.check(plain, isIP(plain) === 6 ? "ipv6" : "ipv4");
}
