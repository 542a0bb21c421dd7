/** react-admin's auth provider over `/api/v1/session` (an http-only cookie; the page never holds a token). */
import type { Session } from "@earshot/proto/api/administration.ts";
import type { AuthProvider } from "react-admin";
import { ApiFailure, request } from "./request.ts";

/** The door, when somebody was signed in until now. */
export const sessionOverPath = "/login?over";

let known: Session | null = null;
let asking: Promise<Session> | null = null;

/** The session of this page; asks the server once and remembers. */
export function currentSession(): Promise<Session> {
  if (known !== null) return Promise.resolve(known);
  asking ??= request<Session>("/session")
    .then((session) => {
      known = session;
      return session;
    })
    .finally(() => {
      asking = null;
    });
  return asking;
}

export function rememberSession(session: Session | null): void {
  known = session;
}

export const authProvider: AuthProvider = {
  async login({ email, password }: { email: string; password: string }) {
    known = null;
    known = await request<Session>("/session", { method: "POST", body: { email, password } });
    // Else react-admin leads on to the page that was asked for: a link to a moment of a call survives the door.
    return known.mustChangePassword ? { redirectTo: "/password" } : undefined;
  },
  async logout() {
    known = null;
    // The session may be over already: leaving must work all the same.
    await request("/session", { method: "DELETE" }).catch(() => undefined);
  },
  async checkAuth() {
    try {
      await currentSession();
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 0) return;
      throw error;
    }
  },
  async checkError(error: { status?: number }) {
    if (error.status === 401) {
      known = null;
      throw Object.assign(new Error("The session is over."), { redirectTo: sessionOverPath });
    }
  },
  async getIdentity() {
    const { user } = await currentSession();
    return { id: user.id, fullName: user.name };
  },
  async getPermissions() {
    return (await currentSession()).user.role;
  },
};
