/** The session can end while a page is open: then to the door, which says so, and back to the same page afterwards. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useLogoutIfAccessDenied } from "react-admin";
import { request } from "../api-client/request.ts";
import { useConnection } from "../live-connection/live-connection.ts";

/** A refused live connection does not say why: this often the API is asked meanwhile. */
const askEveryMs = 15_000;

/** Watches every query, every change and the live connection for the server's 401. */
export function useSessionOver(): void {
  const queries = useQueryClient();
  const leave = useLogoutIfAccessDenied();
  const lost = useConnection().state === "lost";
  useEffect(() => {
    const leaveIfOver = (error: unknown) => void leave(error).catch(() => undefined);
    const stopQueries = queries.getQueryCache().subscribe((event) => {
      if (event.type === "updated" && event.action.type === "error") leaveIfOver(event.action.error);
    });
    const stopChanges = queries.getMutationCache().subscribe((event) => {
      if (event.type === "updated" && event.action.type === "error") leaveIfOver(event.action.error);
    });
    return () => {
      stopQueries();
      stopChanges();
    };
  }, [queries, leave]);
  useEffect(() => {
    if (!lost) return;
    const ask = () => void request("/session").catch((error: unknown) => leave(error).catch(() => undefined));
    ask();
    const timer = window.setInterval(ask, askEveryMs);
    return () => window.clearInterval(timer);
  }, [lost, leave]);
}
