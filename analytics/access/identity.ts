/** Who is asking: a person with a session cookie, or a program with an API key. The same for REST and the live socket. */
import type { IncomingHttpHeaders } from "node:http";
import { hashToken } from "@earshot/platform/secrets/token.ts";
import type { Role } from "@earshot/proto/api/administration.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { DirectoryStore, TenantRow, UserRow } from "../store/port.ts";

export const sessionCookie = "earshot_session";

export type Identity = {
  readonly tenant: TenantRow;
  readonly role: Role;
  /** For the audit log: the e-mail, or `key:<name>`. */
  readonly actor: string;
  /** Set for a person. */
  readonly user?: UserRow;
  /** What to look for when the session or the key ends. */
  readonly credential:
    | { readonly kind: "session"; readonly tokenHash: string; readonly expiresAt: Date }
    | { readonly kind: "key"; readonly keyId: string };
};

/** A key or token that is longer than this is none of ours, and is not hashed. */
const longestToken = 512;

/**
 * @param allow `withOneTimePassword`: also somebody who has not chosen a password yet, to do just that
 * @returns undefined where neither cookie nor key is given or valid; a suspended tenant has nobody
 * @throws EarshotError forbidden where the one-time password has to be replaced first
 */
export async function identify(
  directory: Pick<DirectoryStore, "sessionByTokenHash" | "tenantByApiKeyHash">,
  credentials: { bearer: string | undefined; cookie: string | undefined },
  allow: { withOneTimePassword?: boolean } = {},
): Promise<Identity | undefined> {
  const { bearer, cookie } = credentials;
  if (bearer !== undefined) {
    if (bearer === "" || bearer.length > longestToken) return undefined;
    const found = await directory.tenantByApiKeyHash(hashToken(bearer));
    if (found === undefined || found.tenant.suspended) return undefined;
    return { tenant: found.tenant, role: "tenant_admin", actor: `key:${found.name}`, credential: { kind: "key", keyId: found.keyId } };
  }
  if (cookie === undefined || cookie === "" || cookie.length > longestToken) return undefined;
  const tokenHash = hashToken(cookie);
  const session = await directory.sessionByTokenHash(tokenHash);
  if (session === undefined || session.tenant.suspended) return undefined;
  if (session.user.mustChangePassword && allow.withOneTimePassword !== true)
    throw new EarshotError("forbidden", "password_change_required", "The one-time password has to be replaced first.", {
      remedy: "Choose a password of your own.",
    });
  return {
    tenant: session.tenant,
    role: session.user.role,
    actor: session.user.email,
    user: session.user,
    credential: { kind: "session", tokenHash, expiresAt: session.expiresAt },
  };
}

export function bearerOf(headers: IncomingHttpHeaders): string | undefined {
  const match = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "");
  return match?.[1];
}

export function cookieOf(headers: IncomingHttpHeaders): string | undefined {
  for (const part of (headers.cookie ?? "").split(";")) {
    const equals = part.indexOf("=");
    if (equals > 0 && part.slice(0, equals).trim() === sessionCookie) return part.slice(equals + 1).trim();
  }
  return undefined;
}

/**
 * Cross-site request forgery: a browser names the page that asks. With a cookie, that page must be ours.
 * @param allowed further origins, such as that of a reverse proxy that changes the Host header
 */
export function checkOrigin(headers: IncomingHttpHeaders, allowed: readonly string[]): void {
  const { origin, host } = headers;
  if (origin !== undefined && host !== undefined) {
    if (allowed.includes(origin)) return;
    try {
      if (new URL(origin).host === host.toLowerCase()) return;
    } catch {
      // "null", or not a URL: not ours.
    }
  }
  throw new EarshotError("forbidden", "origin_not_allowed", "The request does not come from this site.", {
    remedy: "Open Earshot under its own address; behind a proxy, pass the Host header on or set EARSHOT_PUBLIC_ORIGINS.",
  });
}
