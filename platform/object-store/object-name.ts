/** Names of objects: what may stand in one, so that no name can leave its tenant's folder. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";

const part = /^[A-Za-z0-9_-][A-Za-z0-9._@=-]{0,199}$/;
const maxParts = 16;

function refuse(problem: string): never {
  throw new EarshotError("invalid_request", "object_name_invalid", "An object's name is not allowed.", { details: { problem } });
}

/**
 * The key of an object: `tenants/<tenant>/<name>`. Parts are letters, digits and `. _ - @ =`, not beginning with a dot, 200 at most, 16 parts.
 * @throws EarshotError invalid_request
 */
export function objectKey(tenant: TenantId, name: string): string {
  if (!part.test(tenant)) refuse("tenant");
  const parts = name.split("/");
  if (parts.length > maxParts) refuse("too many parts");
  for (const one of parts) if (!part.test(one)) refuse("part");
  return `tenants/${tenant}/${name}`;
}

/**
 * The key prefix of a listing; the last part may be unfinished or empty.
 * @throws EarshotError invalid_request
 */
export function objectKeyPrefix(tenant: TenantId, prefix: string): string {
  if (!part.test(tenant)) refuse("tenant");
  const parts = prefix.split("/");
  const last = parts.pop()!;
  if (parts.length >= maxParts) refuse("too many parts");
  for (const one of parts) if (!part.test(one)) refuse("part");
  if (last !== "" && !part.test(last)) refuse("part");
  return `tenants/${tenant}/${prefix}`;
}
