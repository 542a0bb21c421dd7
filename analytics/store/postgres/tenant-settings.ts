/** What gateway and pipeline are told of a tenant: read at one moment, and changed by one writer at a time. */
import type { Trunk } from "@earshot/proto/api/administration.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { ClientBase } from "pg";
import type { StoredSettings } from "../port.ts";
import { type StoredExtension, type StoredTenant, toExtension, toTenant } from "./rows.ts";

/** Any constant: held while a trunk is saved, so that of two tenants that claim the same at once the second sees the first. */
const claimsLock = 4_158_201_308;

type Body = Omit<Trunk, "id" | "name">;
type StoredTrunk = { id: string; name: string; body: Body; since_ms: number };

/** Until the end of the transaction nobody else changes this tenant's settings: their size is judged as it will be. */
export async function lockSettings(db: ClientBase, tenant: TenantId): Promise<void> {
  await db.query("select from earshot.tenants where id = $1 for no key update", [tenant]);
}

/** @returns undefined where there is no such tenant */
export async function readTenantSettings(db: ClientBase, tenant: TenantId): Promise<StoredSettings | undefined> {
  const tenants = await db.query<StoredTenant>("select * from earshot.tenants where id = $1", [tenant]);
  const trunks = await db.query<StoredTrunk>(
    `select id, name, body, floor(extract(epoch from coalesce(claimed_at, created_at)) * 1000)::float8 as since_ms
     from earshot.trunks where tenant_id = $1 order by created_at, id`,
    [tenant],
  );
  const extensions = await db.query<StoredExtension>("select * from earshot.extensions where tenant_id = $1 order by number", [tenant]);
  return (
    tenants.rows[0] && {
      tenant: toTenant(tenants.rows[0]),
      trunks: trunks.rows.map(({ id, name, body, since_ms }) => ({ ...body, id, name, createdAtMs: since_ms })),
      extensions: extensions.rows.map(toExtension),
    }
  );
}

/**
 * Calls belong to the tenant whose trunk admits them, so no two tenants may claim the same source and target.
 * @throws EarshotError conflict where another tenant's trunk claims it; which tenant is not told
 */
export async function storeTrunk(db: ClientBase, tenant: TenantId, trunk: Trunk): Promise<void> {
  const { id, name, ...body } = trunk;
  await db.query("select pg_advisory_xact_lock($1)", [claimsLock]);
  const stored = await db.query<{ body: Body }>("select body from earshot.trunks where tenant_id = $1 and id = $2", [tenant, id]);
  const claimsMore = claimsBeyond(stored.rows[0]?.body, body);
  if (claimsMore) {
    const { rows } = await db.query<{ field: string | null }>("select earshot.taken_claim($1) as field", [JSON.stringify(body)]);
    const field = rows[0]?.field ?? null;
    if (field !== null)
      throw new EarshotError("conflict", "trunk_claim_taken", "What this trunk would admit is admitted by a trunk of another tenant.", {
        remedy: "Name source networks, TLS peers, request users or request hosts that are yours alone.",
        details: { fields: [{ field, problem: "is taken" }] },
      });
  }
  await db.query(
    `insert into earshot.trunks (tenant_id, id, name, body) values ($1, $2, $3, $4)
     on conflict (tenant_id, id) do update set name = excluded.name, body = excluded.body,
     claimed_at = case when $5 then now() else trunks.claimed_at end`,
    [tenant, id, name, JSON.stringify(body), claimsMore],
  );
}

/** Does it admit anything that it did not before? Naming nothing admits all. */
function claimsBeyond(before: Body | undefined, after: Body): boolean {
  if (before === undefined) return true;
  const adds = (field: "sourceNetworks" | "tlsPeers" | "requestUsers" | "requestHosts") =>
    after[field].some((value) => !before[field].includes(value));
  const opens = (...fields: ("sourceNetworks" | "tlsPeers" | "requestUsers" | "requestHosts")[]) =>
    fields.some((field) => before[field].length > 0) && fields.every((field) => after[field].length === 0);
  return (
    adds("sourceNetworks") ||
    adds("tlsPeers") ||
    adds("requestUsers") ||
    adds("requestHosts") ||
    opens("sourceNetworks", "tlsPeers") ||
    opens("requestUsers", "requestHosts")
  );
}
