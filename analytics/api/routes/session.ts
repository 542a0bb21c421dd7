/** Log in, who am I, log out, change the password. */

import { hashPassword, verifyPassword } from "@earshot/platform/secrets/password.ts";
import { generateToken, hashToken } from "@earshot/platform/secrets/token.ts";
import { changePassword, loginRequest, type Session, session } from "@earshot/proto/api/administration.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { type Identity, sessionCookie } from "../../access/identity.ts";
import type { UserRow } from "../../store/port.ts";
import { who } from "../access-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { LoginLimit } from "../login-limit.ts";

export function sessionRoutes(api: Api, context: ApiContext): void {
  const { directory, clock, settings, log, liveHub } = context;
  const limit = new LoginLimit(clock, settings.loginsPerMinute);
  // Verified where there is no such account, so that the answer takes as long.
  const nobody = hashPassword(generateToken("es"));

  const begin = async (request: FastifyRequest, reply: FastifyReply, user: UserRow): Promise<void> => {
    const token = generateToken("es");
    const seconds = Math.round(settings.sessionHours * 3600);
    await directory.createSession(user.tenantId, user.id, hashToken(token), new Date(clock.now() + seconds * 1000));
    void reply.setCookie(sessionCookie, token, {
      path: "/",
      httpOnly: true,
      sameSite: "strict",
      secure: request.protocol === "https",
      maxAge: seconds,
    });
  };

  const refused = (user: UserRow, source: string): Promise<void> =>
    directory
      .audit(user.tenantId, { actor: user.email, action: "session.refused", subject: user.id, details: { source } })
      .catch((error: unknown) =>
        log.error({ err: error, tenantId: user.tenantId }, "A refused login could not be written to the audit log"),
      );

  api.post(
    "/session",
    {
      config: { access: "anyone" },
      schema: { tags: ["session"], summary: "Log in; sets the session cookie", body: loginRequest, response: { 200: session } },
    },
    async (request, reply) => {
      const { email, password } = request.body;
      limit.attempt(request.ip, email);
      const user = await directory.userByEmail(email);
      const right = await verifyPassword(password, user?.passwordHash ?? (await nobody));
      // Only for the right password: until then an account that exists costs nothing that one that does not does not cost.
      const tenant = right && user !== undefined ? await directory.tenant(user.tenantId) : undefined;
      if (!right || user === undefined || tenant === undefined || tenant.suspended) {
        if (user !== undefined) afterAnswer(reply, () => refused(user, request.ip));
        throw new EarshotError("unauthenticated", "wrong_credentials", "E-mail or password is wrong.", {
          remedy: "Check both and try again; an administrator can set a new password.",
        });
      }
      limit.succeeded(request.ip, email);
      await begin(request, reply, user);
      await directory.audit(tenant.id, { actor: user.email, action: "session.begin", subject: user.id, details: { source: request.ip } });
      log.info({ tenantId: tenant.id, userId: user.id }, "Somebody logged in");
      return sessionView({ tenant, role: user.role, actor: user.email, user });
    },
  );

  api.get(
    "/session",
    {
      config: { withOneTimePassword: true },
      schema: { tags: ["session"], summary: "Who is logged in", response: { 200: session } },
    },
    async (request) => sessionView(who(request)),
  );

  api.delete(
    "/session",
    {
      config: { withOneTimePassword: true },
      schema: { tags: ["session"], summary: "Log out", response: { 204: z.null() } },
    },
    async (request, reply) => {
      const { credential, tenant, actor } = who(request);
      if (credential.kind === "session") {
        await directory.deleteSession(credential.tokenHash);
        liveHub.disconnect(({ credential: other }) => other.kind === "session" && other.tokenHash === credential.tokenHash);
        await directory.audit(tenant.id, { actor, action: "session.end", subject: "", details: {} });
      }
      void reply.clearCookie(sessionCookie, { path: "/" });
      return reply.status(204).send(null);
    },
  );

  api.post(
    "/session/password",
    {
      config: { withOneTimePassword: true },
      schema: {
        tags: ["session"],
        summary: "Change one's own password; ends every other session of the person",
        body: changePassword,
        response: { 200: session },
      },
    },
    async (request, reply) => {
      const { tenant, role, actor, user } = who(request);
      if (user === undefined)
        throw new EarshotError("forbidden", "no_person", "An API key has no password.", { remedy: "Log in to change your password." });
      const { current, next } = request.body;
      limit.attempt(request.ip, user.email);
      if (!(await verifyPassword(current, user.passwordHash)))
        throw new EarshotError("invalid_request", "wrong_password", "The current password is wrong.", { remedy: "Type it again." });
      limit.succeeded(request.ip, user.email);
      if (current === next)
        throw new EarshotError("invalid_request", "password_unchanged", "The new password is the old one.", { remedy: "Choose another." });
      await directory.setPassword(tenant.id, user.id, await hashPassword(next));
      liveHub.disconnect((identity) => identity.user?.id === user.id && identity.tenant.id === tenant.id);
      await begin(request, reply, user);
      await directory.audit(tenant.id, { actor, action: "session.password", subject: user.id, details: {} });
      return sessionView({ tenant, role, actor, user: { ...user, mustChangePassword: false } });
    },
  );
}

/** So that it does not show in how long the answer takes. */
function afterAnswer(reply: FastifyReply, work: () => Promise<void>): void {
  reply.raw.once("close", () => void work());
}

function sessionView({ tenant, role, actor, user }: Pick<Identity, "tenant" | "role" | "actor" | "user">): Session {
  return {
    user: { id: user?.id ?? "", email: user?.email ?? "", name: user?.name ?? actor, role },
    tenant: { id: tenant.id, name: tenant.name, timezone: tenant.timezone },
    mustChangePassword: user?.mustChangePassword ?? false,
  };
}
