import NotificationsOutlined from "@mui/icons-material/NotificationsOutlined";
import SearchOutlined from "@mui/icons-material/SearchOutlined";
import Divider from "@mui/material/Divider";
import IconButton from "@mui/material/IconButton";
import Menu from "@mui/material/Menu";
import MenuItem from "@mui/material/MenuItem";
import Popover from "@mui/material/Popover";
import { lazy, Suspense, useEffect, useState } from "react";
import { useLogout } from "react-admin";
import { Link, useNavigate } from "react-router-dom";
import { ago, duration, exactTime, zoneName } from "../format/time.ts";
import { agentOf, callerOf } from "../format/words.ts";
import { retryLive, useAlerts, useConnection, useLiveCall, useNow } from "../live-connection/live-connection.ts";
import { AlertIcon } from "../marks/alert-icon.tsx";
import { chooseTheme, type ThemeChoice, useThemeChoice } from "../theme/theme-mode.ts";
import { useSession } from "./session-context.ts";

const loadPalette = () => import("./command-palette.tsx");
const CommandPalette = lazy(loadPalette);
/** Fetched before it is asked for, so that nothing typed after Ctrl-K is lost; late enough not to delay the page. */
const paletteAfterMs = 1500;

export function TopBar() {
  const session = useSession();
  const [palette, setPalette] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setPalette((open) => !open);
      }
    };
    window.addEventListener("keydown", onKey);
    const timer = window.setTimeout(() => void loadPalette(), paletteAfterMs);
    return () => {
      window.clearTimeout(timer);
      window.removeEventListener("keydown", onKey);
    };
  }, []);
  return (
    <header className="top">
      <div className="top-tenant clip">
        {session.tenant.name}
        <span className="faint small" title={`Every time on these pages is in ${session.tenant.timezone}`}>
          {zoneName()}
        </span>
      </div>
      <button type="button" className="search-button" onClick={() => setPalette(true)} aria-keyshortcuts="Control+K">
        <SearchOutlined />
        <span className="grow clip">Find a call, a page, an action</span>
        <kbd>Ctrl K</kbd>
      </button>
      <div className="top-right">
        <LinkState />
        <AlertsMenu />
        <PersonMenu />
      </div>
      {palette && (
        <Suspense fallback={null}>
          <CommandPalette onClose={() => setPalette(false)} />
        </Suspense>
      )}
    </header>
  );
}

/** Is what I see what happens now? */
function LinkState() {
  const connection = useConnection();
  const words = connection.state === "open" ? "Live" : connection.state === "lost" ? "Connection lost" : "Connecting";
  return (
    <span className={`link-state ${connection.state}`} role="status">
      <span className="link-dot" aria-hidden="true" />
      <span className="words">{words}</span>
      {connection.state === "lost" && connection.lostSince !== null && (
        <>
          <Since at={connection.lostSince} />
          <button type="button" className="plain-button" style={{ textDecoration: "underline" }} onClick={retryLive}>
            Retry
          </button>
        </>
      )}
    </span>
  );
}

function Since({ at }: { at: number }) {
  useNow();
  return <span aria-hidden="true">{duration(Date.now() - at)}</span>;
}

const recentMs = 10 * 60_000;

function AlertsMenu() {
  const alerts = useAlerts();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const now = useNow();
  const recent = alerts.filter((alert) => now - Date.parse(alert.raisedAt) < recentMs).length;
  return (
    <>
      <IconButton
        className="alert-button"
        onClick={(event) => setAnchor(event.currentTarget)}
        aria-label={`Alerts, ${recent} in the last 10 minutes`}
        aria-haspopup="dialog"
      >
        <NotificationsOutlined />
        {recent > 0 && (
          <span className="alert-count" aria-hidden="true">
            {recent > 99 ? "99+" : recent}
          </span>
        )}
      </IconButton>
      <Popover
        open={anchor !== null}
        anchorEl={anchor}
        onClose={() => setAnchor(null)}
        anchorOrigin={{ vertical: "bottom", horizontal: "right" }}
        transformOrigin={{ vertical: "top", horizontal: "right" }}
      >
        <section className="alert-pop" aria-label="Alerts">
          <h2>Alerts of the last hour</h2>
          {alerts.length === 0 && (
            <p className="muted small" style={{ padding: "0 16px 16px" }}>
              None. Phrase rules raise them while people speak.
            </p>
          )}
          <ul className="alert-list">
            {alerts.slice(0, 12).map((alert) => (
              <li key={alert.alertId}>
                <Link to={`/live/${alert.callId}?t=${(alert.atMs / 1000).toFixed(1)}`} onClick={() => setAnchor(null)}>
                  <AlertIcon severity={alert.severity} />
                  <span>
                    {alert.ruleName}
                    <span className="faint"> at {duration(alert.atMs)}</span>
                  </span>
                  <span className="faint small" title={exactTime(alert.raisedAt)}>
                    {ago(alert.raisedAt, now)}
                  </span>
                  <AlertCall id={alert.callId} />
                </Link>
              </li>
            ))}
          </ul>
        </section>
      </Popover>
    </>
  );
}

/** Whose call it is, as long as this page knows the call. */
function AlertCall({ id }: { id: string }) {
  const call = useLiveCall(id);
  if (call === undefined) return null;
  return (
    <span className="alert-whose muted small clip">
      {agentOf(call)} and {callerOf(call)}
      {call.ended !== null && ", ended"}
    </span>
  );
}

const themes: [ThemeChoice, string][] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

function PersonMenu() {
  const { user } = useSession();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const choice = useThemeChoice();
  const logout = useLogout();
  const navigate = useNavigate();
  const initials = (user.name || user.email)
    .split(/[\s@.]+/)
    .map((part) => part[0] ?? "")
    .join("")
    .slice(0, 2)
    .toUpperCase();
  return (
    <>
      <button type="button" className="person-button" onClick={(event) => setAnchor(event.currentTarget)} aria-haspopup="menu">
        {initials}
        <span className="sr-only"> {user.name || user.email}: theme, password, sign out</span>
      </button>
      <Menu
        open={anchor !== null}
        anchorEl={anchor}
        onClose={() => setAnchor(null)}
        anchorOrigin={{ vertical: "bottom", horizontal: "right" }}
        transformOrigin={{ vertical: "top", horizontal: "right" }}
      >
        <li role="presentation" className="small muted menu-head">
          {user.email}
        </li>
        {themes.map(([value, label]) => (
          <MenuItem
            key={value}
            role="menuitemradio"
            aria-checked={choice === value}
            selected={choice === value}
            onClick={() => chooseTheme(value)}
          >
            {label}
          </MenuItem>
        ))}
        <Divider component="li" sx={{ my: "4px" }} />
        <MenuItem onClick={() => navigate("/password")}>Change password</MenuItem>
        <MenuItem onClick={() => void logout({}, undefined, false)}>Sign out</MenuItem>
      </Menu>
    </>
  );
}
