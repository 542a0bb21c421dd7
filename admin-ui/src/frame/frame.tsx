import GraphicEq from "@mui/icons-material/GraphicEqOutlined";
import CallOutlined from "@mui/icons-material/HistoryOutlined";
import TuneOutlined from "@mui/icons-material/TuneOutlined";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, Suspense, useEffect } from "react";
import { type CoreLayoutProps, Notification, useLogout } from "react-admin";
import { Navigate, NavLink } from "react-router-dom";
import { currentSession } from "../api-client/auth-provider.ts";
import { setTimeZone } from "../format/time.ts";
import { startLive, stopLive } from "../live-connection/live-connection.ts";
import { ErrorNote } from "./error-note.tsx";
import { ListenBar } from "./listen-bar.tsx";
import { Logo } from "./logo.tsx";
import { maySet, SessionContext } from "./session-context.ts";
import { useSessionOver } from "./session-over.ts";
import { PageSkeleton } from "./skeleton.tsx";
import { TopBar } from "./top-bar.tsx";
import "./frame.css";

const askAgainMs = 5000;

/** The frame of every page: rail, top bar, the page, and the listen bar while somebody listens. */
export function Frame({ children }: CoreLayoutProps) {
  const {
    data: session,
    error,
    refetch,
  } = useQuery({
    queryKey: ["session"],
    queryFn: currentSession,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    // Nobody should have to press a button when the server is back.
    refetchInterval: ({ state }) => (state.status === "error" ? askAgainMs : false),
  });
  const logout = useLogout();
  useSessionOver();
  const ready = session !== undefined && !session.mustChangePassword;
  useEffect(() => {
    if (!ready) return;
    startLive();
    return stopLive;
  }, [ready]);
  useEffect(() => {
    if (error !== null && (error as { status?: number }).status === 401) void logout();
  }, [error, logout]);

  if (session === undefined) {
    if (error !== null) {
      return (
        <main className="page cannot-start">
          <h1>
            <Logo size={32} /> Earshot
          </h1>
          <ErrorNote title="The console could not start." error={error} retry={() => void refetch()} />
          <p className="faint small">It asks again by itself every few seconds.</p>
        </main>
      );
    }
    return <PageSkeleton />;
  }
  if (session.mustChangePassword) return <Navigate to="/password" replace />;
  setTimeZone(session.tenant.timezone);
  return (
    <SessionContext.Provider value={session}>
      <a className="skip-link" href="#main">
        Skip to the page
      </a>
      <div className="frame">
        <nav className="rail" aria-label="Main">
          <NavLink to="/live" className="rail-logo" aria-label="Earshot, live board">
            <Logo />
          </NavLink>
          <RailItem to="/live" icon={<GraphicEq />} label="Live" />
          <RailItem to="/calls" icon={<CallOutlined />} label="Calls" />
          {maySet(session) && <RailItem to="/settings" icon={<TuneOutlined />} label="Settings" />}
        </nav>
        <TopBar />
        <main className="main" id="main" tabIndex={-1}>
          <Suspense fallback={<PageSkeleton />}>{children}</Suspense>
        </main>
        <ListenBar />
      </div>
      <Notification />
    </SessionContext.Provider>
  );
}

function RailItem({ to, icon, label }: { to: string; icon: ReactNode; label: string }) {
  return (
    <NavLink to={to} className="rail-item">
      {icon}
      {label}
    </NavLink>
  );
}
