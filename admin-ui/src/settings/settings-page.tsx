import { lazy, Suspense } from "react";
import { Navigate, NavLink, Route, Routes, useLocation } from "react-router-dom";
import { NotFound } from "../frame/not-found.tsx";
import { maySet, useSession } from "../frame/session-context.ts";
import { SkeletonRows } from "../frame/skeleton.tsx";
import "./settings.css";

const Trunks = lazy(() => import("./trunks/trunks-page.tsx"));
const Extensions = lazy(() => import("./extensions/extensions-page.tsx"));
const PhraseRules = lazy(() => import("./phrase-rules/phrase-rules-page.tsx"));
const ApiKeys = lazy(() => import("./api-keys/api-keys-page.tsx"));
const Tenant = lazy(() => import("./tenant/tenant-page.tsx"));
const Status = lazy(() => import("./status/status-page.tsx"));
const Queue = lazy(() => import("./queue/queue-page.tsx"));
const Audit = lazy(() => import("./audit/audit-page.tsx"));

const pages = [
  ["trunks", "Trunks"],
  ["extensions", "Extensions"],
  ["phrase-rules", "Phrase rules"],
  ["api-keys", "API keys"],
  ["tenant", "Tenant"],
  ["status", "System status"],
  ["queue", "Queue"],
  ["audit", "Audit log"],
] as const;

/** In a narrow window the pages stand in a row to scroll along: the one that is open must not be out of sight. */
const inSight = (link: HTMLAnchorElement | null) => link?.scrollIntoView({ block: "nearest", inline: "center" });

export default function SettingsPage() {
  const here = useLocation().pathname.split("/")[2];
  if (!maySet(useSession())) return <NotFound />;
  return (
    <div className="settings">
      <nav className="settings-nav" aria-label="Settings">
        <h2>Settings</h2>
        {pages.map(([path, label]) => (
          <NavLink key={path} to={`/settings/${path}`} ref={path === here ? inSight : null}>
            {label}
          </NavLink>
        ))}
      </nav>
      <div className="settings-page">
        <Suspense fallback={<SkeletonRows rows={6} />}>
          <Routes>
            <Route index element={<Navigate to="/settings/trunks" replace />} />
            <Route path="trunks" element={<Trunks />} />
            <Route path="extensions" element={<Extensions />} />
            <Route path="phrase-rules" element={<PhraseRules />} />
            <Route path="api-keys" element={<ApiKeys />} />
            <Route path="tenant" element={<Tenant />} />
            <Route path="status" element={<Status />} />
            <Route path="queue" element={<Queue />} />
            <Route path="audit" element={<Audit />} />
            <Route path="*" element={<NotFound />} />
          </Routes>
        </Suspense>
      </div>
    </div>
  );
}
