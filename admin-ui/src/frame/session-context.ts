import type { Session } from "@earshot/proto/api/administration.ts";
import { createContext, useContext } from "react";

export const SessionContext = createContext<Session | null>(null);

/** The signed-in person's session; only below the frame, which waits for it. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("useSession is for components inside the frame");
  return session;
}

/** Settings change what everybody sees: supervisors look, administrators set. */
export const maySet = (session: Session): boolean => session.user.role !== "supervisor";
