/** The calls: list, numbers above the list, one call, its words and its ledger. */
import { callDetail, callListItem, callQuery, callStatistics, ledgerStage, list, segment, termination } from "@earshot/proto/api/calls.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { z } from "zod";
import { who } from "../access-control.ts";
import { callUnknown } from "../call-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { withLiveLedger, withLiveState } from "../live-detail.ts";

export const callParameter = z.object({ id: z.string().min(1).max(100) });
const tags = ["calls"];

export function callRoutes(api: Api, context: ApiContext): void {
  const { calls, liveCalls } = context;

  const detail = async (tenant: TenantId, id: string) => {
    const found = withLiveState(await calls.getCall(tenant, id), liveCalls.get(tenant, id));
    if (found === undefined) throw callUnknown();
    return found;
  };

  api.get("/calls", { schema: { tags, querystring: callQuery, response: { 200: list(callListItem) } } }, async (request) => {
    const { tenant } = who(request);
    const { data, total } = await calls.listCalls(tenant.id, request.query, tenant.timezone);
    const merged = data.map((item) => {
      const live = item.endedAt === null ? liveCalls.get(tenant.id, item.id) : undefined;
      // The schema of the answer drops what only the live board shows.
      return live === undefined ? item : { ...item, ...live };
    });
    return { data: merged, total };
  });

  api.get("/calls/statistics", { schema: { tags, querystring: callQuery, response: { 200: callStatistics } } }, async (request) => {
    const { tenant } = who(request);
    return calls.statistics(tenant.id, request.query, tenant.timezone);
  });

  api.get(
    "/calls/facets",
    {
      schema: {
        tags,
        summary: "Values for the list's filters, most frequent first",
        response: { 200: z.object({ agents: z.array(z.string()), queues: z.array(z.string()), terminations: z.array(termination) }) },
      },
    },
    async (request) => calls.facets(who(request).tenant.id),
  );

  api.get("/calls/:id", { schema: { tags, params: callParameter, response: { 200: callDetail } } }, async (request) =>
    detail(who(request).tenant.id, request.params.id),
  );

  api.get("/calls/:id/transcript", { schema: { tags, params: callParameter, response: { 200: list(segment) } } }, async (request) => {
    const { tenant } = who(request);
    const data = await calls.transcript(tenant.id, request.params.id);
    if (data.length === 0) await detail(tenant.id, request.params.id);
    return { data, total: data.length };
  });

  api.get("/calls/:id/ledger", { schema: { tags, params: callParameter, response: { 200: list(ledgerStage) } } }, async (request) => {
    const { tenant } = who(request);
    const { id } = request.params;
    const live = liveCalls.ledger(tenant.id, id);
    if (live === undefined) await detail(tenant.id, id);
    const data = withLiveLedger(await calls.ledger(tenant.id, id), live);
    return { data, total: data.length };
  });
}
