/** Who may do what, decided once for every route before its body is read. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { FastifyRequest } from "fastify";
import { bearerOf, checkOrigin, cookieOf, type Identity, identify } from "../access/identity.ts";
import type { DirectoryStore } from "../store/port.ts";
import type { Api, ApiContext } from "./context.ts";

const reading = new Set(["GET", "HEAD", "OPTIONS"]);

/** Every route below /api/v1 needs a login unless its `config.access` says otherwise. */
export function controlAccess(api: Api, { directory, settings }: Pick<ApiContext, "directory" | "settings">): void {
  api.decorateRequest("identity", null);
  api.addHook("onRequest", async (request) => {
    const { access = "member", withOneTimePassword = false } = request.routeOptions.config;
    if (access === "anyone") {
      // A login is a write with consequences too: no other site may log somebody in here.
      if (!reading.has(request.method) && request.headers.origin !== undefined) checkOrigin(request.headers, settings.publicOrigins);
      return;
    }
    const credentials = { bearer: bearerOf(request.headers), cookie: cookieOf(request.headers) };
    const identity = await identify(directory, credentials, { withOneTimePassword });
    if (identity === undefined)
      throw new EarshotError("unauthenticated", "login_required", "This needs a session or an API key.", {
        remedy: "Log in, or send Authorization: Bearer with an API key.",
      });
    if (identity.credential.kind === "session" && !reading.has(request.method)) checkOrigin(request.headers, settings.publicOrigins);
    if (access === "admin" && identity.role === "supervisor")
      throw new EarshotError("forbidden", "role_not_sufficient", "A supervisor may read this, not change it.", {
        remedy: "Ask an administrator.",
      });
    request.identity = identity;
  });
}

/**
 * The first tenant's administrators are the installation's own: they see what is nobody's, and theirs is the trunk of this machine, through
 * which demo calls come in.
 */
export async function ownsInstallation(directory: Pick<DirectoryStore, "tenants">, tenant: TenantId): Promise<boolean> {
  return (await directory.tenants())[0]?.id === tenant;
}

/** The identity of a route that is not open to all. */
export function who(request: FastifyRequest): Identity {
  if (request.identity === null) throw new EarshotError("bug", "identity_missing", "A protected route has no identity.");
  return request.identity;
}
